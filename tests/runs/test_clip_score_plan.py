"""``--clipscore``: refused before any weight is read where it makes no sense, recorded where it does."""

from dataclasses import replace

import pytest

from mafs_bench.adapters.base import Adapter
from mafs_bench.adapters.load import resolve_settings
from mafs_bench.adapters.probe import Probe
from mafs_bench.errors import UnknownNameError, UsageError
from mafs_bench.report.commands import run_command
from mafs_bench.runs.execute import load_judge
from mafs_bench.runs.plan import RunRequest, make_plan
from mafs_bench.runs.record import make_spec
from mafs_bench.runs.store import spec_of
from tests.support.toy import TOY_ADAPTER

SETTINGS = resolve_settings("cpu")
PROBE = Probe("fp32", {}, {}, {})
REQUEST = RunRequest("blip", "clean", limit=4, tasks=("captioning",), clipscore=TOY_ADAPTER)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (
            {"clipscore": f"{__file__}:Writer"},
            UsageError,
            "the model does not implement encode_images and encode_texts",
        ),
        ({"clipscore": "clipp"}, UnknownNameError, "clip"),
        ({"tasks": ("retrieval",)}, UsageError, "this run writes none"),
    ],
)
def test_what_cannot_judge_is_refused(change, error, words) -> None:
    with pytest.raises(error, match=words):
        make_plan(replace(REQUEST, **change))


def test_the_judge_is_in_the_record() -> None:
    plan = make_plan(REQUEST)
    judge = load_judge(plan, resolve_settings("cpu"))
    writer = Writer()
    spec = make_spec(plan, writer, judge, SETTINGS, PROBE, [])
    assert spec.clipscore == {"model": TOY_ADAPTER, "weights": judge.weights}
    assert spec.digest() != make_spec(plan, writer, None, SETTINGS, PROBE, []).digest()
    command = {"dataset": "scenes", "split": "test", "tasks": ["captioning"], "suite": "core@1"}
    options = {"corruption": "clean", "severities": [1], "seed": 0, "limit": 4}
    written = run_command(model="blip", clipscore=TOY_ADAPTER, **command, **options)
    assert f"--clipscore {TOY_ADAPTER}" in written


def test_a_record_from_before_has_no_judge() -> None:
    plan = make_plan(replace(REQUEST, clipscore=""))
    table = dict(vars(make_spec(plan, Writer(), None, SETTINGS, PROBE, [])))
    del table["clipscore"]
    assert spec_of(table).clipscore == {}


class Writer(Adapter):
    """Writes captions and cannot judge any."""

    name, weights = "writer", "w"

    def caption(self, images: list, contexts: list[str]) -> list[str]:
        return ["" for _ in images]
