"""The published averages of arXiv 2212.08044, recomputed from what the paper itself prints."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from mafs_bench.errors import DataError
from mafs_bench.report.tables import PER_CENT, Column, Table
from mafs_bench.stats.robustness import DEFINITIONS, mmi

_HALF_DIGIT = 0.05
"""The paper prints one decimal."""
_ROUNDING = 1e-9
AGREES, ROUNDED, DISAGREES = "agrees", "agrees within rounding", "DISAGREES"


class _Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Perturbed(_Checked):
    """What is printed of one modality's perturbations: the cells (none: not known), their average, MMI in per cent."""

    average: float
    mmi: float
    cells: tuple[float, ...] = ()


class _Row(_Checked):
    task: str
    dataset: str
    model: str
    clean: float = Field(gt=0)
    image: Perturbed | None = None
    text: Perturbed | None = None


class _File(_Checked):
    source: str
    rows: tuple[_Row, ...]


class Published(_Checked):
    """Printed numbers: the clean score, and those under perturbations of one modality."""

    task: str
    dataset: str
    model: str
    modality: str
    clean: float
    printed: Perturbed

    @property
    def recomputed_average(self) -> float | None:
        """The mean of the printed cells; None where they are not known."""
        cells = self.printed.cells
        return sum(cells) / len(cells) if cells else None

    @property
    def recomputed(self) -> float:
        """MMI in per cent, from the printed clean score and average."""
        return 100 * float(mmi(self.clean, [self.printed.average]))

    @property
    def possible(self) -> tuple[float, float]:
        """The MMI that the unrounded scores behind the printed ones may have."""
        average = self.printed.average
        worst = mmi(self.clean + _HALF_DIGIT, [average - _HALF_DIGIT])
        best = mmi(self.clean - _HALF_DIGIT, [average + _HALF_DIGIT])
        return 100 * float(best), 100 * float(worst)

    @property
    def verdict(self) -> str:
        """Whether what is printed is what is recomputed to its one decimal, could be, or cannot be."""
        low, high = self.possible
        verdicts = [_judge(self.printed.mmi, self.recomputed, low, high)]
        if (mean := self.recomputed_average) is not None:
            verdicts.append(_judge(self.printed.average, mean, mean - _HALF_DIGIT, mean + _HALF_DIGIT))
        return max(verdicts, key=(AGREES, ROUNDED, DISAGREES).index)


def _judge(printed: float, recomputed: float, low: float, high: float) -> str:
    """``low`` and ``high``: what the number may be, given that it was made from rounded ones."""
    allowed = _HALF_DIGIT + _ROUNDING
    if abs(recomputed - printed) <= allowed:
        return AGREES
    return ROUNDED if low - allowed <= printed <= high + allowed else DISAGREES


def load_published(file: Path | None = None) -> list[Published]:
    """Read the data file that ships with the package, or one of the same layout.

    Raises ``DataError`` for a file that is not there or not of that layout.
    """
    shipped: Traversable = resources.files("mafs_bench.report") / "data" / "arxiv-2212.08044.toml"
    try:
        table = tomllib.loads((file or shipped).read_text(encoding="utf-8"))
        rows = TypeAdapter(_File).validate_python(table).rows
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(f"{file}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: {error}") from None
    return [
        Published(
            task=row.task,
            dataset=row.dataset,
            model=row.model,
            modality=modality,
            clean=row.clean,
            printed=printed,
        )
        for row in rows
        for modality, printed in (("image", row.image), ("text", row.text))
        if printed is not None
    ]


def paper_table(published: Sequence[Published]) -> Table:
    """Every printed average and MMI beside the recomputed one."""
    known = any(p.printed.cells for p in published)
    columns = (
        *(Column(name) for name in ("task", "data set", "model", "perturbed")),
        Column("clean", PER_CENT, "RSUM for retrieval, CIDEr for captioning, as printed"),
        Column("average", PER_CENT, "over the perturbations, as printed"),
        *([Column("average recomputed", PER_CENT, "mean of the printed cells")] if known else []),
        Column("MMI printed", PER_CENT, "in per cent"),
        Column(
            "MMI recomputed",
            PER_CENT,
            f"{DEFINITIONS['mmi'].formula}, in per cent, from the printed clean score and average",
        ),
        Column("verdict"),
    )
    rows = [
        (
            *(p.task, p.dataset, p.model, p.modality, p.clean, p.printed.average),
            *([p.recomputed_average] if known else []),
            *(p.printed.mmi, p.recomputed, p.verdict),
        )
        for p in published
    ]
    disagreeing = [p for p in published if p.verdict == DISAGREES]
    without = sum(not p.printed.cells for p in published)
    notes = (
        f"{without} of {len(published)} averages are used as printed: their cells are not in the file.",
        f"{len(published)} printed MMI recomputed; {len(disagreeing)} cannot come from the printed scores"
        + "".join(f"; {p.model} on {p.dataset} ({p.task}, {p.modality})" for p in disagreeing),
    )
    return Table("Qiu et al., arXiv 2212.08044, against itself", columns, rows, notes)
