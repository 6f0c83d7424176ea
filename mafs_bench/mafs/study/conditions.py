"""The conditions of the study, grouped by the kind of corruption and by what was seen in training."""

from __future__ import annotations

from dataclasses import dataclass

from mafs_bench.corruptions.suite import Suite
from mafs_bench.mafs.embedding import SEEN_IMAGE, SEEN_TEXT
from mafs_bench.types import Condition, Corruption

SEEN_FAMILIES = ("noise", "blur", "text-char")
GROUPS = ("clean", "noisy, seen", "noisy, unseen", "missing", "mismatched")
CORRUPTIONS = (
    *SEEN_IMAGE,
    *SEEN_TEXT,
    "pixelate",
    "jpeg_compression",
    "contrast",
    "fog",
    "snow",
    "brightness",
    "occlusion",
    "synonym",
    "word_deletion",
    "word_swap",
    "text_token_dropout",
    "truncation",
    "image_dropout",
    "text_dropout",
    "pair_shuffle",
)
"""Families noise, blur and text-char are seen in training; the others are not."""


@dataclass(frozen=True)
class StudyCell:
    """One condition with its corruption (None: clean) and its group."""

    group: str
    corruption: Corruption | None
    condition: Condition

    @property
    def corruptions(self) -> tuple[tuple[Corruption, int], ...]:
        """The corruption with its severity; empty for clean."""
        return () if self.corruption is None else ((self.corruption, self.condition.severity),)


def study_cells(suite: Suite, seed: int, severities: tuple[int, ...]) -> list[StudyCell]:
    """All cells, clean first."""
    cells = [StudyCell("clean", None, Condition(suite.id, None, 0, seed))]
    for name in CORRUPTIONS:
        corruption = suite.corruptions[name]
        for severity in severities:
            cells.append(
                StudyCell(group_of(corruption), corruption, Condition(suite.id, name, severity, seed))
            )
    return cells


def group_of(corruption: Corruption) -> str:
    """The group of a corruption: noisy (seen or unseen family), missing or mismatched."""
    if corruption.modality == "pair":
        return "missing" if corruption.family == "dropout" else "mismatched"
    return "noisy, seen" if corruption.family in SEEN_FAMILIES else "noisy, unseen"
