"""The samples that a corruption hurt most, with what the model was shown: made again from the seed."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from mafs_bench.corruptions import suite as suites
from mafs_bench.corruptions.engine import applies, corrupt_image, corrupt_text
from mafs_bench.datasets.resolve import resolve
from mafs_bench.errors import MafsBenchError
from mafs_bench.report.html import data_uri
from mafs_bench.runs.boxes import with_boxes
from mafs_bench.runs.frame import in_frame, load_with_boxes
from mafs_bench.runs.store import StoredRun
from mafs_bench.tasks import get_task
from mafs_bench.tasks.base import Pair
from mafs_bench.types import Box, CellResult, Corruption, Dataset, Image, JointCorruption, RunSpec

CONDITIONS_A_TASK = 3
EXAMPLES_A_CONDITION = 2
_WIDEST = 256
"""Longest side of an embedded image, in pixels."""


@dataclass(frozen=True, slots=True)
class Example:
    """One sample, clean and corrupted. Images are data URLs; ``said`` is what the model wrote, if kept.

    ``text_corrupted`` is None if the text was not changed.
    """

    task: str
    condition: str
    id: str
    direction: str
    score_clean: float
    score_corrupted: float
    image_clean: str
    image_corrupted: str | None
    text_clean: str
    text_corrupted: str | None
    said_clean: str | None
    said_corrupted: str | None


@dataclass(frozen=True)
class Examples:
    """The examples of a run, and what could not be shown and why."""

    shown: tuple[Example, ...] = ()
    left_out: tuple[str, ...] = field(default=())


def worst_examples(run: StoredRun, data_root: Path | None) -> Examples:
    """Find and remake the examples; returns a reason instead if the data set is not available."""
    try:
        dataset = resolve(
            run.spec.dataset_path or run.spec.dataset,
            run.spec.split,
            data_root or (Path(run.spec.data_root) if run.spec.data_root else None),
            run.spec.limit,
            keep_unusable=run.spec.on_error == "skip",
            max_pixels=run.spec.max_pixels,
        )
        suite = suites.suite_of(run.spec)
        corruptions = suite.corruptions
        dataset = with_boxes(dataset, [corruptions[name] for name in run.spec.corruptions])
        dataset = in_frame(dataset, suite.frame)
    except MafsBenchError as problem:
        return Examples(left_out=(f"the inputs cannot be made again: {problem}",))
    if dataset.revision != run.spec.revision:
        return Examples(left_out=(f"{dataset.name} here is another revision than the run's",))
    try:
        shown = [example for task in run.spec.tasks for example in _of_task(run, task, dataset, corruptions)]
    except MafsBenchError as problem:
        return Examples(left_out=(f"the inputs cannot be made again: {problem}",))
    pairs = [name for name in run.spec.corruptions if corruptions[name].modality == "pair"]
    reason = f"not remade, as they act on pairs of the whole split: {', '.join(pairs)}"
    return Examples(tuple(shown), (reason,) if pairs else ())


def _of_task(
    run: StoredRun, task: str, dataset: Dataset, corruptions: Mapping[str, Corruption]
) -> list[Example]:
    cells = [cell for cell in run.results if cell.task == task]
    clean = next((cell for cell in cells if cell.corruption is None), None)
    hardest = max((cell.severity for cell in cells), default=0)
    candidates = [
        (cell, parts)
        for cell in cells
        if cell.severity == hardest and (parts := _parts(cell, run.spec.joints, corruptions))
    ]
    if clean is None or not candidates:
        return []
    before = run.frame(clean)
    compared = [(cell, parts, _losses(task, before, run.frame(cell))) for cell, parts in candidates]
    compared.sort(key=lambda item: -np.nan_to_num(item[2]["loss"].mean(), nan=-np.inf))
    asked = {pair.id: pair for pair in get_task(task).inputs(dataset)}
    return [
        _example(run, dataset, parts, cell, asked[row["id"]], row)
        for cell, parts, losses in compared[:CONDITIONS_A_TASK]
        for _, row in _worst(losses).iterrows()
        if row["id"] in asked
    ]


def _parts(
    cell: CellResult, joints: Mapping[str, JointCorruption], corruptions: Mapping[str, Corruption]
) -> dict[str, tuple[Corruption, int]]:
    """Modality -> corruption and severity; empty where one acts on pairs. A joint cell has two."""
    joint = joints.get(cell.corruption or "")
    named = {str(cell.corruption): cell.severity}
    if joint is not None:
        named = {joint.image: joint.image_severity, joint.text: cell.severity}
    parts = {str(corruptions[n].modality): (corruptions[n], s) for n, s in named.items() if n in corruptions}
    return {} if "pair" in parts else parts


def _losses(task: str, clean: pd.DataFrame, corrupted: pd.DataFrame) -> pd.DataFrame:
    """Match rows and take how much worse each got; above 0 is a loss."""
    chosen = get_task(task)
    before = clean.assign(goodness=chosen.goodness(clean))
    after = corrupted.assign(goodness=chosen.goodness(corrupted))
    both = before.merge(after, on=chosen.row_keys, suffixes=("", "_corrupted"))
    return both.assign(loss=both["goodness"] - both["goodness_corrupted"])


def _worst(losses: pd.DataFrame) -> pd.DataFrame:
    """The rows that lost most, one a group; equal losses in order of their ids."""
    ordered = losses[losses["loss"] > 0].sort_values(["loss", "id"], ascending=[False, True])
    return ordered.drop_duplicates("group").head(EXAMPLES_A_CONDITION)


_DIRECTIONS = {"t2i": "text to images", "i2t": "image to texts"}


def _example(
    run: StoredRun,
    dataset: Dataset,
    parts: Mapping[str, tuple[Corruption, int]],
    cell: CellResult,
    pair: Pair,
    row: pd.Series,
) -> Example:
    sample = dataset.samples[pair.sample]
    image, boxes = load_with_boxes(sample.image, sample.boxes)
    return Example(
        cell.task,
        cell.label,
        pair.id,
        _DIRECTIONS.get(row.get("direction", ""), ""),
        float(row["score"]),
        float(row["score_corrupted"]),
        embed(image),
        _corrupted_image(image, boxes, parts, run.spec, sample.id),
        pair.text,
        _corrupted_text(pair, parts, run.spec),
        *(_said(row, ending) for ending in ("", "_corrupted")),
    )


def _corrupted_image(
    image: Image,
    boxes: Sequence[Box],
    parts: Mapping[str, tuple[Corruption, int]],
    spec: RunSpec,
    sample_id: str,
) -> str | None:
    if "image" not in parts:
        return None
    corruption, severity = parts["image"]
    if not applies(corruption, boxes):
        return None
    (made,) = corrupt_image(
        image,
        corruption,
        (severity,),
        seed=spec.seed,
        sample_id=sample_id,
        engine=spec.engine,
        boxes=boxes,
    )
    return embed(made)


def _corrupted_text(pair: Pair, parts: Mapping[str, tuple[Corruption, int]], spec: RunSpec) -> str | None:
    if "text" not in parts or not pair.text:
        return None
    corruption, severity = parts["text"]
    return corrupt_text(
        pair.text,
        corruption,
        (severity,),
        seed=spec.seed,
        sample_id=pair.id,
        language=spec.language,
    )[0]


def _said(row: pd.Series, ending: str) -> str | None:
    said = next((row[name + ending] for name in ("answer", "caption") if name + ending in row), None)
    return said if isinstance(said, str) else None


def embed(image: Image) -> str:
    """Encode an image as a data URL: WebP, no side longer than 256 px."""
    from PIL import Image as PilImage

    thumbnail = PilImage.fromarray(image)
    thumbnail.thumbnail((_WIDEST, _WIDEST))
    sink = io.BytesIO()
    thumbnail.save(sink, "WEBP", quality=80)
    return data_uri(sink.getvalue(), "image/webp")
