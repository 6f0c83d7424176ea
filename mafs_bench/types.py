"""The central types, all frozen. Nothing here imports torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

Image = npt.NDArray[np.uint8]
"""An RGB picture: uint8, (H, W, 3)."""

Box = tuple[int, int, int, int]
"""(x0, y0, x1, y1) in pixels, the end exclusive."""

FloatArray = npt.NDArray[np.float32]
Modality = Literal["image", "text", "pair"]
Params = Mapping[str, Any]
"""The parameters of one severity of one corruption, as its TOML block gives them."""

SEVERITIES = (1, 2, 3, 4, 5)
"""The graded severities; 0 is the clean condition."""


class ImageSource(Protocol):
    """Where a picture comes from. Small and picklable: worker processes call ``load``."""

    @property
    def name(self) -> str:
        """What an error message calls it (a file's path, a scene's id)."""

    def load(self) -> Image:
        """Decode the picture. Raises ``DataError`` naming it when that fails."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question on an image with the ten answers that people gave (VQAv2's layout)."""

    id: str
    text: str
    answers: tuple[str, ...]
    question_type: str = ""
    answer_type: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """One image with everything that is said of it.

    ``group`` is the unit of clustering: samples of one group are resampled together. ``boxes`` stand
    around what the captions speak of, where the data set has them.
    """

    id: str
    group: str
    image: ImageSource
    captions: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()
    boxes: tuple[Box, ...] = ()

    def caption_id(self, index: int) -> str:
        """Name caption ``index``: ``<sample>#<index>``, as Flickr's token files do."""
        return f"{self.id}#{index}"


@dataclass(frozen=True, slots=True)
class Relevance:
    """Which captions are true of which images, beyond the captions' own.

    ``caption_images[k]`` holds the sorted positions (in ``Dataset.samples``) of the images of which
    caption ``k`` is true; captions are numbered through, sample by sample. ``image_captions`` holds the
    captions of each image where the judgements of the two directions differ; None: the inverse.
    ``image_totals``, where people judged, counts those of each image, captions outside the split included:
    the R of mAP@R.
    """

    caption_images: tuple[npt.NDArray[np.int64], ...]
    image_captions: tuple[npt.NDArray[np.int64], ...] | None = None
    image_totals: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Dataset:
    """One split of a data set, images not yet decoded.

    ``revision`` identifies the content: a pinned commit, or a hash of annotations and images.
    ``relevance`` is None where a caption is held to be true of its own image only.
    """

    name: str
    split: str
    revision: str
    licence: str
    citation: str
    samples: tuple[Sample, ...]
    relevance: Relevance | None = None
    answer_vocabulary: tuple[str, ...] = ()
    domain: str = ""
    """The visual domain (``photo``, ``scenes``): bundled models are held against it."""
    notes: tuple[str, ...] = ()
    """What a reader of numbers on it must know; recorded with every run."""
    read_boxes: Callable[[Dataset], Dataset] | None = field(default=None, repr=False, compare=False)
    """Gives this data set with the boxes of its samples, where they lie in a file that is too large to be read
    unless a corruption needs it; picklable."""


@dataclass(frozen=True, slots=True)
class Corruption:
    """One corruption of a suite: one TOML block.

    ``levels`` holds the parameters of severities 1 to 5, in that order.
    """

    suite: str
    name: str
    operator: str
    modality: Modality
    family: str
    levels: tuple[Params, ...]
    aliases: tuple[str, ...] = ()
    unit: str = ""
    source: str = ""
    monotone: bool = True
    meaning_changing: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """One column of the grid. ``corruption`` is None and ``severity`` 0 for the clean condition."""

    suite: str
    corruption: str | None
    severity: int
    seed: int

    @property
    def label(self) -> str:
        """``clean`` or ``<corruption>-<severity>``: the name of its file."""
        return "clean" if self.corruption is None else f"{self.corruption}-{self.severity}"


@dataclass(frozen=True, slots=True)
class Metric:
    """A number of a cell, defined so that it can be resampled.

    ``columns(frame)`` gives sufficient statistics a row, float64 (n, k); rows of NaN are unscored.
    ``value(sums)`` turns their sums (..., k) over scored rows into the metric (...), NaN where undefined.
    A metric that is no function of sums gives ``weighted(frame, weights)`` instead: weights (r, n) of
    resampled row counts to values (r,). ``rows(frame)`` says which rows belong to it, bool (n,); None: all.
    """

    name: str
    task: str
    low: float
    high: float
    higher_is_better: bool
    source: str
    columns: Callable[[pd.DataFrame], npt.NDArray[np.float64]] | None = None
    value: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]] | None = None
    weighted: Callable[[pd.DataFrame, npt.NDArray[np.float64]], npt.NDArray[np.float64]] | None = None
    rows: Callable[[pd.DataFrame], npt.NDArray[np.bool_]] | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric's value with its interval; None where nothing could be scored."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    n_unscored: int


@dataclass(frozen=True)
class RunSpec:
    """Everything that decides a run's numbers, resolved. Two equal specs give equal results."""

    model: str
    weights: str
    dataset: str
    split: str
    revision: str
    limit: int | None
    tasks: tuple[str, ...]
    suite: str
    suite_hash: str
    corruptions: tuple[str, ...]
    severities: tuple[int, ...]
    seed: int
    precision: str = "fp32"
    engine: str = "native"
    on_error: str = "fail"
    missing: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    """``ORG/NAME@COMMIT`` of each part of the model that comes from the hub."""
    clipscore: Mapping[str, str] = field(default_factory=dict)
    """The judge of CLIPScore: its spec (``model``) and the hash of its ``weights``; empty where none was named."""
    packages: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, no spaces that vary."""
        return json.dumps(asdict(self), sort_keys=True, indent=2) + "\n"

    def digest(self) -> str:
        """SHA-256 of the canonical JSON, hexadecimal."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


@dataclass(frozen=True)
class CellResult:
    """One task under one condition: what ``results.json`` holds of it."""

    task: str
    dataset: str
    corruption: str | None
    severity: int
    seed: int
    metrics: Mapping[str, Estimate]
    content_hash: str
    audit: Mapping[str, float | int | str | None] = field(default_factory=dict)
