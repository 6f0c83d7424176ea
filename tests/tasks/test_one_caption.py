"""One caption per image leaves fused retrieval nothing to find, which is said."""

from __future__ import annotations

import json
from pathlib import Path

import PIL.Image
import pytest

from mafs_bench.datasets.resolve import resolve
from mafs_bench.errors import UsageError
from mafs_bench.runs.plan import RunRequest, make_plan
from mafs_bench.tasks import TASKS


def folder(root: Path, *captions: list[str]) -> Path:
    lines = []
    for n, texts in enumerate(captions):
        PIL.Image.new("RGB", (40, 40), (20 * n, 0, 0)).save(root / f"{n}.png")
        lines.append(json.dumps({"image": f"{n}.png", "captions": texts}))
    (root / "mine.jsonl").write_text("\n".join(lines))
    return root


def test_fused_retrieval_says_why_it_has_nothing_to_ask(tmp_path: Path) -> None:
    root = str(folder(tmp_path, ["one"], ["two"], ["three"]))
    plan = make_plan(RunRequest("chance", "clean", dataset=root))
    assert "fused-retrieval" not in [task.name for task in plan.tasks]
    assert any(
        "fused-retrieval: every image of" in line and "has one caption" in line for line in plan.left_out
    )
    with pytest.raises(UsageError, match="has one caption: a query is an image with one of its captions"):
        make_plan(RunRequest("chance", "clean", dataset=root, tasks=("fused-retrieval",)))


@pytest.mark.parametrize("captions", [(["one", "two"], ["three"]), (["one"], ["One "])])
def test_a_second_caption_or_an_equal_one_elsewhere_is_enough(
    tmp_path: Path, captions: tuple[list[str], ...]
) -> None:
    assert TASKS.get("fused-retrieval").refuse_dataset(resolve(str(folder(tmp_path, *captions)))) is None
