"""Training data of a model, from the card next to its weights."""

from __future__ import annotations

import json
from pathlib import Path

from mafs_bench.types import TrainingData


def training_data_of(folder: Path) -> tuple[TrainingData, ...]:
    """``training_data`` of ``folder/card.json``, which the project's own recipes write; nothing where there is none."""
    try:
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        return TrainingData.read(card["training_data"])
    except (OSError, ValueError, KeyError, TypeError):
        return ()
