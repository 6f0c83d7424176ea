"""Run a model under corruptions, and read stored runs."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mafs_bench.errors import UnknownNameError, UsageError
from mafs_bench.limits import DEFAULT_SUITE
from mafs_bench.types import CellResult, Dataset, Estimate, RunSpec, Sample

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from mafs_bench.adapters.base import Adapter
    from mafs_bench.runs.cost import Cost
    from mafs_bench.runs.execute import RemoteExecutor, Resources
    from mafs_bench.runs.plan import RunRequest
    from mafs_bench.runs.progress import Quiet
    from mafs_bench.runs.store import StoredRun

Samples = Sequence[Sample | Mapping[str, object]]
"""Samples, or mappings with ``image`` (array or path), ``captions``, ``questions``, ``id``, ``group``."""


@dataclass(frozen=True)
class Run:
    """A finished run: its folder, its record and its results.

    >>> import mafs_bench as mb
    >>> run = mb.run("chance", corruption="gaussian", severity=5, limit=8, task="retrieval", progress=False)
    >>> frame = run.table()
    >>> frame.loc[frame["metric"] == "t2i_r1", ["severity", "n"]].values.tolist()
    [[0, 40], [5, 40]]
    """

    stored: StoredRun
    cost: Cost | None = None
    """After a dry run: what the whole run will cost, estimated from this one."""

    @property
    def folder(self) -> Path:
        """The results folder."""
        return self.stored.path

    @property
    def spec(self) -> RunSpec:
        """The record: everything that determines the numbers."""
        return self.stored.spec

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that were run."""
        return self.spec.tasks

    @property
    def corruptions(self) -> tuple[str, ...]:
        """The corruptions of its cells, in order, without clean."""
        return tuple(dict.fromkeys(c.corruption for c in self.stored.results if c.corruption is not None))

    @property
    def command(self) -> str:
        """The command that reproduces this run."""
        from mafs_bench.report.commands import command_of

        return command_of(self.stored)

    def table(self) -> pd.DataFrame:
        """All metrics of all cells.

        Returns a frame with the columns task, corruption (None: clean), severity, metric, value, low, high (95 %
        interval, NaN if there are too few images) and n (scored rows).
        """
        import pandas as pd

        rows = [
            (cell.task, cell.corruption, cell.severity, name, found.value, found.low, found.high, found.n)
            for cell in self.stored.results
            for name, found in cell.metrics.items()
        ]
        columns = ["task", "corruption", "severity", "metric", "value", "low", "high", "n"]
        frame = pd.DataFrame(rows, columns=columns)
        return frame.astype(dict.fromkeys(("value", "low", "high"), float))

    def scores(self, task: str, corruption: str | None = None, severity: int | None = None) -> pd.DataFrame:
        """Per-sample scores of one cell, one row per sample; ``corruption`` None: the clean cell.

        Raises ``UnknownNameError`` or ``UsageError`` for a cell that is not in the run.
        """
        return self.stored.frame(self._cell(task, corruption, severity))

    def _cell(self, task: str, corruption: str | None, severity: int | None) -> CellResult:
        if task not in self.tasks:
            raise UnknownNameError("task of this run", task, self.tasks)
        name = None if corruption in (None, "clean") else corruption
        if name is not None and name not in self.corruptions:
            raise UnknownNameError("corruption of this run", name, self.corruptions)
        cells = [cell for cell in self.stored.results if (cell.task, cell.corruption) == (task, name)]
        severities = [cell.severity for cell in cells]
        wanted = severity if severity is not None else (severities[0] if len(severities) == 1 else None)
        for cell in cells:
            if cell.severity == wanted:
                return cell
        if not cells:
            raise UsageError(f"{name} was not run on {task}: it does not apply there")
        raise UsageError(f"severity {severity!r} of {name}; this run has {', '.join(map(str, severities))}")

    def robustness(self) -> pd.DataFrame:
        """Robustness of the primary metric per task and corruption: clean, MMI, RA, AUC, slope, flips, with intervals.

        Returns one row per task and corruption; ``at_floor`` marks a clean score that is not above chance, for which
        MMI and RA are NaN. first_drop: the lowest severity with a significant drop. destructive, corrective: shares of
        rows that change from right to wrong and from wrong to right; consistency: share of rows whose answer does not
        change; all three are means over severities. The formulas are in ``mafs_bench.stats.robustness.DEFINITIONS``.
        """
        import pandas as pd

        from mafs_bench.report.summary import summarise_run

        rows = []
        for found in summarise_run(self.stored):
            row: dict[str, object] = {
                "task": found.task,
                "metric": found.metric,
                "corruption": found.corruption,
                "n": found.n,
                "at_floor": found.floor,
            }
            row |= _spread("clean", found.levels[0])
            row |= _spread("mmi", None if found.floor else found.mmi)
            row |= _spread("ra", None if found.floor else found.relative)
            row |= _spread("auc", found.auc)
            row |= _spread("slope", found.slope)
            row["first_drop"] = found.first_drop
            shares = found.mean_flips
            row |= _spread("destructive", None if shares is None else shares.destructive)
            row |= _spread("corrective", None if shares is None else shares.corrective)
            row |= _spread("consistency", None if shares is None else shares.consistency)
            rows.append(row)
        return pd.DataFrame(rows)

    def means(self) -> pd.DataFrame:
        """The mean over corruptions per task, plain and with equally weighted families, with intervals.

        Returns one row per task, with the worst corruption; corruptions that change the meaning are left out.
        """
        import pandas as pd

        from mafs_bench.report.overall import overall
        from mafs_bench.report.summary import summarise_run

        summaries = summarise_run(self.stored)
        rows = []
        for task in dict.fromkeys(s.task for s in summaries):
            found = overall(self.stored, [s for s in summaries if s.task == task])
            if found is not None:
                row: dict[str, object] = {
                    "task": task,
                    "metric": found.metric,
                    "corruptions": found.n_corruptions,
                }
                row |= _spread("balanced", found.balanced)
                row |= _spread("plain", found.plain)
                row["worst"] = found.worst
                row |= _spread("worst_mean", found.worst_mean)
                rows.append(row)
        return pd.DataFrame(rows)

    def plot(self) -> Figure:
        """Severity curves of the primary metric per task, as a matplotlib figure (not shown)."""
        from mafs_bench.report.summary import curve_figure

        return curve_figure(self.stored)

    def save_curve(self) -> Path:
        """Write the figure of ``plot`` as ``curves.png`` into the results folder; returns the file."""
        from mafs_bench.report.summary import write_curve

        return write_curve(self.folder)

    def print_summary(self, curve: Path | None = None) -> None:
        """Print the summary of ``mafs-bench run``: one table per task, and where the files are."""
        from mafs_bench.report.summary import print_summary

        print_summary(self.folder, curve or self.folder / "curves.png")

    def save_report(self, out: str | Path | None = None, *, data_root: str | Path | None = None) -> Path:
        """Write ``report.html`` with figures and tables next to it; returns the page.

        out: a folder; None: ``report`` in the results folder. data_root: the folder of the data set, for examples.
        """
        from mafs_bench.report.page import write_report

        folder = self.folder / "report" if out is None else Path(out)
        return write_report([self.folder], folder, None if data_root is None else Path(data_root))[0]

    def _repr_html_(self) -> str:
        frame = self.robustness()
        body = self.table() if frame.empty else frame
        title = f"{self.spec.model} on {self.spec.dataset} ({self.spec.split}), {self.spec.suite}"
        return f"<p><strong>{title}</strong></p>{body.round(3).to_html(index=False, na_rep='')}"


def _spread(name: str, estimate: Estimate | None) -> dict[str, float | None]:
    if estimate is None:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def run(
    model: str | object,
    corruption: str = "all",
    severity: str | int | Sequence[int] = "1-5",
    *,
    dataset: str | Path | Dataset | Samples = "scenes",
    split: str | None = None,
    data_root: str | Path | None = None,
    task: str | Sequence[str] = (),
    suite: str = DEFAULT_SUITE,
    seed: int = 0,
    limit: int | None = None,
    engine: str = "native",
    on_error: str = "fail",
    exclude: str | Path | None = None,
    language: str = "",
    clipscore: str = "",
    max_pixels: int | None = None,
    prompts: str | Path = "",
    model_args: str | Mapping[str, object] = "",
    trust_remote_code: bool = False,
    first_stage: str = "",
    out: str | Path | None = None,
    device: str = "auto",
    precision: str = "fp32",
    batch_size: int = 64,
    compiled: bool = False,
    concurrency: int = 16,
    dry_run: bool = False,
    price_in: float | None = None,
    price_out: float | None = None,
    workers: int | None = None,
    cache: str | Path | None = None,
    cache_size: str = "10G",
    memory: str = "2G",
    executor: str = "local",
    ray_address: str | None = None,
    gpus_per_worker: float = 0.0,
    progress: bool | Quiet = True,
) -> Run:
    """Run a model under corruptions, and store per-sample scores.

    model: a spec (``clip``, ``mafs-clip``, ``clip:ViT-B-32/openai``, ``file.py:Class``), or an object: an ``Adapter``,
    or anything with ``encode_images`` and ``encode_texts``. corruption: name, alias, family, modality, ``joint:A+B``, a
    comma list, ``all``, or ``clean``. severity: ``3``, ``"1-5"`` or ``[1, 3, 5]``. dataset: a name, a folder, or a list
    of samples. task: one or several; None: all that the model supports. out: the results folder; a run stored there is
    resumed. prompts, model_args (``"dtype=bfloat16"`` or a mapping), trust_remote_code, first_stage: options of
    generative models. language: of the texts, as an ISO 639-1 code. dry_run: only a handful of samples is run, and
    ``Run.cost`` estimates the whole run; price_in and price_out are per million tokens. progress: whether to show a
    progress bar. The others are those of ``mafs-bench run``.

    Raises ``mafs_bench.errors.MafsBenchError`` with a one-line message that states what is allowed.

    >>> import mafs_bench as mb
    >>> mb.run("chance", corruption="fog", severity=1, limit=4, task="matching", progress=False).tasks
    ('matching',)
    """
    from mafs_bench.adapters.base import Settings
    from mafs_bench.adapters.load import refuse_options
    from mafs_bench.adapters.model_args import parse_model_args, split_dtype
    from mafs_bench.datasets.exclude import read_excluded
    from mafs_bench.language import require_code
    from mafs_bench.runs.cache import parse_bytes
    from mafs_bench.runs.choose import choose_executor
    from mafs_bench.runs.execute import Resources, default_workers
    from mafs_bench.runs.plan import RunRequest
    from mafs_bench.types import MAX_PIXELS

    adapter = None if isinstance(model, str) else wrapped(model, executor)
    data = _dataset(dataset)
    arguments, precision = split_dtype(parse_model_args(model_args), precision)
    request = RunRequest(
        model=model if isinstance(model, str) else object_name(model),
        corruption=corruption,
        severity=_severities(severity),
        dataset=data.name if isinstance(data, Dataset) else data,
        split=split,
        data_root=None if data_root is None else Path(data_root),
        tasks=(task,) if isinstance(task, str) else tuple(task),
        suite=suite,
        seed=seed,
        limit=limit,
        engine=engine,
        on_error=on_error,
        clipscore=clipscore,
        max_pixels=MAX_PIXELS if max_pixels is None else max_pixels,
        excluded=() if exclude is None else read_excluded(Path(exclude)),
        prompts=str(prompts),
        model_args=arguments,
        trust_remote_code=trust_remote_code,
        first_stage=first_stage,
        language=language and require_code(language),
    )
    if adapter is not None:
        refuse_options(request.model, type(adapter), request.settings(Settings()))
    remote = choose_executor(executor, ray_address, gpus_per_worker)
    resources = Resources(
        device=device,
        precision=precision,
        batch_size=batch_size,
        workers=workers or 0,
        cache=None if cache is None else Path(cache),
        cache_bytes=parse_bytes(cache_size, "--cache-size"),
        memory=parse_bytes(memory, "--memory"),
        compile=compiled,
        concurrency=concurrency,
    )
    if workers is None:
        here = remote is None or gpus_per_worker
        own = default_workers(resources.settings().device) if here else 0
        resources = replace(resources, workers=own)
    own_data = data if isinstance(data, Dataset) else None
    if dry_run:
        return _estimated(request, resources, progress, adapter, own_data, price_in, price_out)
    if price_in is not None or price_out is not None:
        raise UsageError("--price-in and --price-out go with --dry-run")
    return execute_request(request, resources, out, progress, adapter, own_data, remote)


def execute_request(
    request: RunRequest,
    resources: Resources,
    out: str | Path | None,
    progress: bool | Quiet,
    adapter: Adapter | None = None,
    dataset: Dataset | None = None,
    remote: RemoteExecutor | None = None,
    *,
    any_model: bool = False,
) -> Run:
    """Plan a request, execute it, and read the stored run; ``adapter`` and ``dataset`` replace names by objects.

    any_model: see ``execute``.
    """
    from mafs_bench.runs.execute import execute
    from mafs_bench.runs.plan import make_plan
    from mafs_bench.runs.progress import make_progress

    plan = make_plan(request, adapter, dataset)
    shown = make_progress(quiet=not progress) if isinstance(progress, bool) else progress
    scope: AbstractContextManager[object] = shown if isinstance(progress, bool) else nullcontext()
    with scope:
        for line in plan.left_out:
            shown.note(f"left out: {line}")
        finished = execute(
            plan, resources, None if out is None else Path(out), shown, remote, any_model=any_model
        )
    return load_run(finished.folder)


def _estimated(
    request: RunRequest,
    resources: Resources,
    progress: bool | Quiet,
    adapter: Adapter | None,
    dataset: Dataset | None,
    price_in: float | None,
    price_out: float | None,
) -> Run:
    """The run of a handful of samples, with the cost of the whole; its folder is removed."""
    from mafs_bench.runs.cost import dry_run
    from mafs_bench.runs.plan import make_plan
    from mafs_bench.runs.progress import make_progress

    shown = make_progress(quiet=not progress) if isinstance(progress, bool) else progress
    plan = make_plan(request, adapter, dataset)
    with tempfile.TemporaryDirectory() as folder:
        finished, cost = dry_run(plan, resources, Path(folder), shown, price_in, price_out)
        return replace(load_run(finished.folder), cost=cost)


def wrapped(model: object, executor: str) -> Adapter:
    """Wrap an object in an adapter. Raises ``UsageError`` if the executor has to rebuild it on other machines."""
    from mafs_bench.adapters.inference import forbid_tf32
    from mafs_bench.adapters.object_adapter import as_adapter

    if executor != "local":
        raise UsageError(
            "an object runs only in this process; for --executor ray give a file, path/to/file.py:Class"
        )
    forbid_tf32()
    return as_adapter(model)


def object_name(model: object) -> str:
    """The name of a model given as an object: its qualified class name."""
    return f"{type(model).__module__}.{type(model).__qualname__}"


def _severities(severity: str | int | Sequence[int]) -> str:
    if isinstance(severity, str | int):
        return str(severity)
    return ",".join(map(str, severity))


def _dataset(dataset: str | Path | Dataset | Samples) -> str | Dataset:
    from mafs_bench.datasets.memory import dataset_of

    if isinstance(dataset, str | Path):
        return str(dataset)
    return dataset if isinstance(dataset, Dataset) else dataset_of(dataset)


def load_run(folder: str | Path) -> Run:
    """Load a results folder. Raises ``StoreError`` if it does not exist or is damaged."""
    from mafs_bench.runs.store import read_run

    return Run(read_run(Path(folder)))


def stored_of(run: Run | str | Path) -> StoredRun:
    """The stored run behind a ``Run`` or a results folder."""
    return run.stored if isinstance(run, Run) else load_run(run).stored
