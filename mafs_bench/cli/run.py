"""``mafs-bench run``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mafs_bench.limits import DEFAULT_SUITE, MAX_PIXELS


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run")(run)


def run(
    model: Annotated[str, typer.Option(help="name, name:argument or path/to/file.py:ClassName")],
    corruption: Annotated[
        str, typer.Option(help="name, family, modality, joint:A+B, a comma list, all, or clean")
    ],
    severity: Annotated[str, typer.Option(help="3, 1-5 or 1,3,5")] = "1-5",
    dataset: Annotated[str, typer.Option(help="name, name:variant or your own folder")] = "scenes",
    split: Annotated[str | None, typer.Option(help="split [test], or a part such as test[500:800]")] = None,
    data_root: Annotated[
        Path | None, typer.Option(help="folder of the data set in its official layout")
    ] = None,
    task: Annotated[list[str] | None, typer.Option(help="repeatable [all that the model supports]")] = None,
    suite: Annotated[str, typer.Option(help="name@version or your own TOML file")] = DEFAULT_SUITE,
    out: Annotated[Path | None, typer.Option(help="results folder [runs/<model>-<dataset>-<hash>]")] = None,
    clipscore: Annotated[str, typer.Option(help="CLIP that judges captions, as for --model")] = "",
    limit: Annotated[int | None, typer.Option(help="only the first N samples")] = None,
    seed: Annotated[int, typer.Option(help="seed of all corruptions and resamples")] = 0,
    batch_size: Annotated[int, typer.Option(min=1, help="images per forward pass")] = 64,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps")] = "auto",
    precision: Annotated[str, typer.Option(help="fp32, bf16 or fp16")] = "fp32",
    compiled: Annotated[
        bool, typer.Option("--compile", help="compile the image encoder with torch.compile")
    ] = False,
    concurrency: Annotated[int, typer.Option(min=1, help="requests in flight to a server (api:)")] = 16,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="time a handful of samples and estimate what the run costs")
    ] = False,
    price_in: Annotated[float | None, typer.Option(min=0, help="of a million tokens that are read")] = None,
    price_out: Annotated[float | None, typer.Option(min=0, help="of a million that are written")] = None,
    workers: Annotated[int | None, typer.Option(min=0, help="processes that corrupt images")] = None,
    engine: Annotated[str, typer.Option(help="native, or reference (imagecorruptions)")] = "native",
    max_pixels: Annotated[int, typer.Option(help="refuse images with more pixels")] = MAX_PIXELS,
    on_error: Annotated[str, typer.Option(help="unusable samples: fail, or skip in all cells")] = "fail",
    exclude: Annotated[
        Path | None, typer.Option(help="file with the ids of samples to leave out, one per line")
    ] = None,
    language: Annotated[str, typer.Option(help="language of the texts, such as en or de [detected]")] = "",
    prompts: Annotated[str, typer.Option(help="prompts of generative models: prompts@1 or a file")] = "",
    model_args: Annotated[str, typer.Option(help="settings of generative models: key=value,...")] = "",
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="run code from the model's repository")
    ] = False,
    first_stage: Annotated[
        str, typer.Option(help="dual encoder that preselects what a generative model re-ranks")
    ] = "",
    cache: Annotated[Path | None, typer.Option(help="folder that keeps embeddings across runs")] = None,
    cache_size: Annotated[str, typer.Option(help="largest size of the cache, such as 500M or 10G")] = "10G",
    memory: Annotated[str, typer.Option(help="memory for a block of retrieval scores")] = "2G",
    executor: Annotated[str, typer.Option(help="local, or ray: spread over a Ray cluster")] = "local",
    ray_address: Annotated[
        str | None, typer.Option(help="address of the cluster [one on this machine]")
    ] = None,
    gpus_per_worker: Annotated[float, typer.Option(min=0, help="GPUs per Ray worker")] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="print the results as JSON")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="print only errors")] = False,
) -> None:
    """Run a model under corruptions and store its scores.

    Prints one table per task, and writes a curve and a results folder.
    """
    from mafs_bench import api
    from mafs_bench.api.output import make_progress
    from mafs_bench.cli.interrupt import stoppable

    progress = make_progress(quiet=quiet or as_json)
    with stoppable(progress.kept), progress:
        finished = api.run(
            model,
            corruption,
            severity,
            dataset=dataset,
            split=split,
            data_root=data_root,
            task=task or (),
            suite=suite,
            seed=seed,
            limit=limit,
            engine=engine,
            on_error=on_error,
            exclude=exclude,
            language=language,
            clipscore=clipscore,
            max_pixels=max_pixels,
            prompts=prompts,
            model_args=model_args,
            trust_remote_code=trust_remote_code,
            first_stage=first_stage,
            out=out,
            device=device,
            precision=precision,
            batch_size=batch_size,
            compiled=compiled,
            concurrency=concurrency,
            dry_run=dry_run,
            price_in=price_in,
            price_out=price_out,
            workers=workers,
            cache=cache,
            cache_size=cache_size,
            memory=memory,
            executor=executor,
            ray_address=ray_address,
            gpus_per_worker=gpus_per_worker,
            progress=progress,
        )
    if finished.cost is not None:
        typer.echo(json.dumps(asdict(finished.cost)) if as_json else "\n".join(finished.cost.lines()))
        return
    curve = finished.save_curve()
    if as_json:
        typer.echo((finished.folder / "results.json").read_text(encoding="utf-8"), nl=False)
    elif not quiet:
        finished.print_summary(curve)
