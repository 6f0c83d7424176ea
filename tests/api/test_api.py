"""The Python interface: names, objects in place of specs, frames out."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

import mafs_bench as mb
from mafs_bench.cli.run import run as command
from mafs_bench.runs.execute import Resources
from mafs_bench.runs.plan import RunRequest
from mafs_bench.types import Image

PUBLIC = {
    "Adapter", "Answer", "ComparedRuns", "DomainGaps", "Embeddings", "Fused", "GateResult", "Question", "Run", "Sample",
    "Suite", "__version__", "check", "compare", "corrupt_image", "corrupt_text", "domain_gap", "errors",
    "list_corruptions", "list_datasets", "list_models", "list_suites", "list_tasks", "load_run", "load_suite", "run",
    "write_baseline",
}  # fmt: skip


class Colours:
    """A plain object: the mean colour of an image, and of the colour words in a text."""

    WORDS: ClassVar = {
        "red": (1, 0, 0),
        "green": (0, 1, 0),
        "blue": (0, 0, 1),
        "yellow": (1, 1, 0),
        "white": (1, 1, 1),
    }

    def encode_images(self, images: list[Image]) -> np.ndarray:
        return self._unit(np.array([image.mean(axis=(0, 1)) for image in images]))

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        found = [
            [self.WORDS[w] for w in text.lower().split() if w in self.WORDS] or [(1, 1, 1)] for text in texts
        ]
        return self._unit(np.array([np.mean(colours, axis=0) for colours in found]))

    @staticmethod
    def _unit(vectors: np.ndarray) -> np.ndarray:
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def samples(n: int = 12) -> list[dict[str, object]]:
    colours = np.random.default_rng(0).integers(20, 256, (n, 3))
    return [
        {
            "id": f"s{k}",
            "image": np.full((40, 48, 3), colour, dtype=np.uint8),
            "captions": [f"a {('red', 'green', 'blue')[int(np.argmax(colour))]} field number {k}"],
        }
        for k, colour in enumerate(colours)
    ]


@pytest.fixture(scope="module")
def chance(tmp_path_factory: pytest.TempPathFactory) -> mb.Run:
    out = tmp_path_factory.mktemp("chance")
    return mb.run("chance", "gaussian,keyboard", "1,5", limit=10, out=out / "run", progress=False)


def test_the_public_names_are_pinned() -> None:
    assert set(mb.__all__) == PUBLIC
    assert set(dir(mb)) >= PUBLIC
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        mb.runn  # noqa: B018


@pytest.mark.parametrize("name", sorted(PUBLIC - {"__version__", "errors"}))
def test_every_public_name_is_documented(name: str) -> None:
    assert len(inspect.getdoc(getattr(mb, name)) or "") > 20


def test_importing_the_package_is_fast_and_loads_no_torch() -> None:
    program = (
        "import time, sys; start = time.process_time(); import mafs_bench as mb; mb.list_models; mb.errors; mb.Run; "
        "print(time.process_time() - start, 'torch' in sys.modules)"
    )
    found = [
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout.split()
        for _ in range(3)
    ]
    assert {torch for _, torch in found} == {"False"}
    assert min(float(seconds) for seconds, _ in found) < 0.3


def test_the_options_of_a_run_stand_in_one_place() -> None:
    """The signature, the command line and the two option classes agree, names and defaults."""
    api, cli = inspect.signature(mb.run).parameters, inspect.signature(command).parameters
    assert set(cli) - {"as_json", "quiet"} == set(api) - {"progress"}
    renamed = {"tasks": "task", "excluded": "exclude", "compile": "compiled", "cache_bytes": "cache_size"}
    for options in (RunRequest, Resources):
        for name in options.__dataclass_fields__:
            assert renamed.get(name, name) in api, name
    for name in set(cli) & set(api):
        given, shown = api[name].default, cli[name].default
        if given not in ((), None, inspect.Parameter.empty) and shown is not inspect.Parameter.empty:
            assert given == shown, name


def test_the_table_has_a_row_per_cell_and_metric(chance: mb.Run) -> None:
    table = chance.table()
    assert list(table.columns) == ["task", "corruption", "severity", "metric", "value", "low", "high", "n"]
    row = table.query(
        "task == 'retrieval' and corruption == 'gaussian_noise' and severity == 5 and metric == 't2i_r1'"
    ).iloc[0]
    assert 0 <= row["value"] <= 1
    assert len(table) == sum(len(cell.metrics) for cell in chance.stored.results)


def test_scores_are_per_sample_and_a_cell_that_is_not_there_is_named(chance: mb.Run) -> None:
    assert len(chance.scores("matching", "keyboard", 5)) == len(chance.scores("matching"))
    with pytest.raises(mb.errors.UnknownNameError, match="Did you mean 'matching'"):
        chance.scores("matchin")
    with pytest.raises(mb.errors.UsageError, match=r"severity 3 of keyboard; this run has 1, 5"):
        chance.scores("matching", "keyboard", 3)
    with pytest.raises(mb.errors.UnknownNameError, match="corruption of this run 'fog'"):
        chance.scores("matching", "fog", 5)


def test_a_run_shows_itself(chance: mb.Run) -> None:
    robustness = chance.robustness()
    assert {"task", "corruption", "clean", "mmi", "mmi_low", "ra", "auc", "n", "at_floor"} <= set(
        robustness.columns
    )
    with_chance = robustness[robustness["task"].isin(["retrieval", "matching"])]
    assert with_chance["at_floor"].all()
    assert with_chance["mmi"].isna().all()
    assert "<table" in chance._repr_html_()
    figure = chance.plot()
    assert {axes.get_title() for axes in figure.axes if axes.get_visible()} == set(chance.tasks)
    assert "--model chance" in chance.command


def test_a_stored_run_is_read_again(chance: mb.Run) -> None:
    again = mb.load_run(chance.folder)
    pd.testing.assert_frame_equal(again.table(), chance.table())
    with pytest.raises(mb.errors.StoreError):
        mb.load_run(chance.folder / "nothing")


def test_an_object_and_a_list_of_samples_run(tmp_path: Path) -> None:
    run = mb.run(
        Colours(),
        "brightness",
        [1, 5],
        dataset=samples(),
        task="retrieval",
        out=tmp_path / "run",
        progress=False,
    )
    assert run.spec.dataset == "samples"
    assert run.spec.model.endswith("Colours")
    ranks = run.table().query("corruption.isna() and metric == 't2i_meanr'")["value"]
    assert ranks.iloc[0] < 5  # 6.5 by chance among twelve


def test_what_is_wrong_with_samples_is_said() -> None:
    for item, message in (
        ({"captions": ["a"]}, "sample 0 has no image"),
        ({"image": np.zeros((4, 4)), "captions": ["a"]}, r"float64 \(4, 4\); allowed: uint8"),
        ({"image": "x.png", "captions": "a"}, "allowed: a list of texts"),
        ({"image": "x.png", "caption": ["a"]}, "unknown key 'caption'"),
    ):
        with pytest.raises(mb.errors.DataError, match=message):
            mb.run("chance", "fog", dataset=[item], progress=False)


def test_compare_and_check(chance: mb.Run, tmp_path: Path) -> None:
    other = mb.run("chance", "gaussian,keyboard", "1,5", limit=10, out=tmp_path / "b", progress=False)
    table = mb.compare(chance, other.folder, task="matching").table()
    assert set(table["task"]) == {"matching"}
    assert table["difference"].abs().max() == 0
    baseline = mb.write_baseline(chance, tmp_path / "baseline.parquet")
    result = mb.check(baseline, run=other, margin=1.0)
    assert (int(result.verdict), result.same_model) == (0, True)
    assert {"task", "verdict"} <= set(result.table().columns)
    with pytest.raises(mb.errors.UsageError, match="needs either"):
        mb.check(baseline)


def test_corrupting_one_image_or_text() -> None:
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    first, again = (mb.corrupt_image(image, "gaussian", 3, sample_id="a") for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, mb.corrupt_image(image, "gaussian", 3, sample_id="b"))
    assert mb.corrupt_text("two dogs run", "keyboard", severity=0) == "two dogs run"
    with pytest.raises(mb.errors.UnknownNameError, match="Did you mean 'fog'"):
        mb.corrupt_image(image, "fgo")
    with pytest.raises(mb.errors.UsageError, match="severity 7 of fog; allowed: 0, 1, 2, 3, 4, 5"):
        mb.corrupt_image(image, "fog", 7)
    with pytest.raises(mb.errors.UsageError, match="allowed: one text corruption"):
        mb.corrupt_text("two dogs", "fog")
    with pytest.raises(mb.errors.DataError, match="too small to corrupt"):
        mb.corrupt_image(image[:20], "fog")


def test_corrupting_with_core_2_happens_in_the_frame() -> None:
    image = np.zeros((60, 80, 3), dtype=np.uint8)
    assert mb.corrupt_image(image, "fog", 1, suite="core@2").shape == (256, 341, 3)


def test_lists() -> None:
    assert "mafs-clip" in mb.list_models()
    assert "vqa" in mb.list_tasks()
    assert "scenes" in mb.list_datasets()
    assert {"core@1", "core@2"} <= set(mb.list_suites())
    assert len(mb.list_corruptions("imagenet-c@1")) == 19
