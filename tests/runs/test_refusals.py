"""What an adapter cannot do is refused, or left out, before any weight is read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mafs_bench.adapters import model_names
from mafs_bench.corruptions.suite import CLEAN_ONLY
from mafs_bench.errors import UsageError, WeightsError
from mafs_bench.runs.plan import RunRequest, make_plan
from mafs_bench.tasks import TASKS

CANNOT = {
    *((name, task) for name in model_names() for task in ("multiple-choice", "multiple-choice-circular")),
    *((name, task) for name in ("clip", "siglip", "chance") for task in ("captioning", "context-captioning")),
    *(("api", task) for task in ("retrieval", "fused-retrieval")),
    *((name, task) for name in ("albef",) for task in ("captioning", "context-captioning")),
    *(
        (f"clip+{fusion}", task)
        for fusion in ("image-only", "text-only", "qmf", "pdf", "tmc", "concat")
        for task in ("captioning", "context-captioning")
    ),
}


@pytest.mark.parametrize("task", TASKS.names())
@pytest.mark.parametrize("model", sorted({*model_names()} - {"hf"}))
def test_every_pair_is_decided_though_the_weights_are_not_there(
    model: str, task: str, tmp_path: Path
) -> None:
    (tmp_path / "garbage.pth").write_bytes(b"no weights")
    for argument in (tmp_path / "garbage.pth", tmp_path / "absent.pth"):
        request = RunRequest(f"{model}:{argument}", CLEAN_ONLY, tasks=(task,), limit=2)
        if (model, task) not in CANNOT:
            assert [planned.name for planned in make_plan(request).tasks] == [task]
            continue
        with pytest.raises(UsageError, match=f"cannot do {task}: the model does not implement ") as caught:
            make_plan(request)
        assert "\n" not in str(caught.value)


def test_what_hf_can_do_is_decided_by_the_config_though_the_weights_are_not_there(tmp_path: Path) -> None:
    def planned(kind: str, task: str) -> list[str]:
        (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
        request = RunRequest(f"hf:{tmp_path}", CLEAN_ONLY, tasks=(task,), limit=2)
        return [task.name for task in make_plan(request).tasks]

    for task in ("vqa", "captioning", "context-captioning", "matching", "retrieval"):
        assert planned("llava", task) == [task]
    for task in ("vqa", "matching", "retrieval", "fused-retrieval"):
        assert planned("clip", task) == [task]
    for kind, task in (("clip", "captioning"), ("llava", "fused-retrieval")):
        with pytest.raises(UsageError, match=f"cannot do {task}: the model does not implement "):
            planned(kind, task)
    with pytest.raises(WeightsError, match="no such folder"):
        make_plan(RunRequest(f"hf:{tmp_path}/absent", CLEAN_ONLY, limit=2))


def test_the_refusal_comes_before_the_data_are_read(tmp_path: Path) -> None:
    request = RunRequest(
        "chance", CLEAN_ONLY, dataset="coco", data_root=tmp_path / "none", tasks=("captioning",)
    )
    with pytest.raises(
        UsageError, match="chance cannot do captioning: the model does not implement caption or"
    ):
        make_plan(request)


def test_the_command_refuses_in_one_line_and_in_seconds(tmp_path: Path) -> None:
    """A file of 4 TB, none of it written: whoever began to read it would not come back in time."""
    huge = tmp_path / "huge.pth"
    with huge.open("wb") as file:
        file.truncate(4 << 40)
    words = ["run", "--model", f"albef:{huge}", "--corruption", CLEAN_ONLY, "--task", "captioning"]
    done = subprocess.run(
        [sys.executable, "-m", "mafs_bench", *words],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"mafs-bench: albef:{huge} cannot do captioning: the model does not implement caption or caption_embedded"
    ]
    assert not (tmp_path / "runs").exists()
