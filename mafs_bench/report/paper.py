"""The published averages of arXiv 2212.08044, recomputed from what the paper itself prints."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from mafs_bench.report.tables import PER_CENT, Column, Table
from mafs_bench.stats.robustness import DEFINITIONS, mmi

_HALF_DIGIT = 0.05
"""The paper prints one decimal."""
_ROUNDING = 1e-9
AGREES, ROUNDED, DISAGREES = "agrees", "agrees within rounding", "DISAGREES"


@dataclass(frozen=True, slots=True)
class Published:
    """Printed numbers: clean score, average under perturbations of one modality, MMI in per cent."""

    task: str
    dataset: str
    model: str
    modality: str
    clean: float
    average: float
    mmi: float

    @property
    def recomputed(self) -> float:
        """MMI in per cent, from the printed clean score and average."""
        return 100 * float(mmi(self.clean, [self.average]))

    @property
    def possible(self) -> tuple[float, float]:
        """The MMI that the unrounded scores behind the printed ones may have."""
        worst = mmi(self.clean + _HALF_DIGIT, [self.average - _HALF_DIGIT])
        best = mmi(self.clean - _HALF_DIGIT, [self.average + _HALF_DIGIT])
        return 100 * float(best), 100 * float(worst)

    @property
    def verdict(self) -> str:
        """Whether the printed MMI is the recomputed one to its one decimal, could be, or cannot be."""
        if abs(self.recomputed - self.mmi) <= _HALF_DIGIT + _ROUNDING:
            return AGREES
        low, high = self.possible
        inside = low - _HALF_DIGIT - _ROUNDING <= self.mmi <= high + _HALF_DIGIT + _ROUNDING
        return ROUNDED if inside else DISAGREES


def load_published() -> list[Published]:
    """Read the data file that ships with the package."""
    file = resources.files("mafs_bench.report") / "data" / "arxiv-2212.08044.toml"
    return [
        Published(
            row["task"], row["dataset"], row["model"], modality, row["clean"], cell["average"], cell["mmi"]
        )
        for row in tomllib.loads(file.read_text(encoding="utf-8"))["rows"]
        for modality in ("image", "text")
        if (cell := row.get(modality)) is not None
    ]


def paper_table(published: Sequence[Published]) -> Table:
    """Every printed MMI beside the recomputed one."""
    columns = (
        *(Column(name) for name in ("task", "data set", "model", "perturbed")),
        Column("clean", PER_CENT, "RSUM for retrieval, CIDEr for captioning, as printed"),
        Column("average", PER_CENT, "over the perturbations, as printed"),
        Column("MMI printed", PER_CENT, "in per cent"),
        Column(
            "MMI recomputed",
            PER_CENT,
            f"{DEFINITIONS['mmi'].formula}, in per cent, from the two columns before",
        ),
        Column("verdict"),
    )
    rows = [
        (p.task, p.dataset, p.model, p.modality, p.clean, p.average, p.mmi, p.recomputed, p.verdict)
        for p in published
    ]
    disagreeing = [p for p in published if p.verdict == DISAGREES]
    notes = (
        "The cells behind the averages are not printed here: averages are taken as they stand.",
        f"{len(published)} printed MMI recomputed; {len(disagreeing)} cannot come from the printed scores"
        + "".join(f"; {p.model} on {p.dataset} ({p.task}, {p.modality})" for p in disagreeing),
    )
    return Table("Qiu et al., arXiv 2212.08044, against itself", columns, rows, notes)
