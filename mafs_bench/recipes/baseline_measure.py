"""What a bundled baseline can do, measured by the benchmark itself and written into its card."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mafs_bench.corruptions.suite import CLEAN_ONLY
from mafs_bench.files import write_text
from mafs_bench.runs.execute import Resources, execute
from mafs_bench.runs.plan import RunRequest, make_plan

SPLIT = "val"
IMAGES = 100
TASKS = {
    "retrieval": ("t2i_r1", "t2i_r10", "i2t_r1", "i2t_r10"),
    "matching": ("auroc",),
    "vqa": ("accuracy",),
    "captioning": ("cider_d", "bleu_4"),
}


class Silent:
    """A progress display that shows nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: None


def add_measured(card: Path, model: str) -> None:
    """Run every task that the model can do on clean validation scenes; add the numbers to the card."""
    plan = make_plan(RunRequest(model, CLEAN_ONLY, split=SPLIT, limit=IMAGES))
    with TemporaryDirectory() as folder:
        finished = execute(plan, Resources(), Path(folder) / "run", Silent())
    measured = {
        f"{cell.task} {name}": cell.metrics[name].value
        for cell in finished.results
        for name in TASKS.get(cell.task, ())
        if name in cell.metrics
    }
    name = model.partition(":")[0]
    about = {
        "command": f"mafs-bench run --model {name} --corruption {CLEAN_ONLY} --split {SPLIT} --limit {IMAGES}",
        "data": f"scenes, split {SPLIT}, first {IMAGES} images, clean",
        **measured,
    }
    stored = json.loads(card.read_text(encoding="utf-8"))
    write_text(card, json.dumps({**stored, "measured": about}, indent=2) + "\n")
