"""The central types, all frozen. Nothing here imports torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from mafs_bench.limits import MAX_PIXELS as MAX_PIXELS

if TYPE_CHECKING:
    import pandas as pd

Image = npt.NDArray[np.uint8]
"""An RGB image: uint8, (H, W, 3)."""

Box = tuple[int, int, int, int]
"""(x0, y0, x1, y1) in pixels, the end exclusive."""

FloatArray = npt.NDArray[np.float32]
Modality = Literal["image", "text", "pair"]
Params = Mapping[str, Any]
"""The parameters of one severity of one corruption, as its TOML block gives them."""


ROW_KEYS = ("id", "direction")
"""The columns that name a row of per-sample scores, those of them that a task has."""


def row_keys(columns: Iterable[Hashable]) -> list[str]:
    """Those of ``ROW_KEYS`` that are among the columns of a frame."""
    present = set(columns)
    return [name for name in ROW_KEYS if name in present]


SEVERITIES = (1, 2, 3, 4, 5)
"""The graded severities; 0 is the clean condition."""


class ImageSource(Protocol):
    """Where an image comes from. Small and picklable: worker processes call ``load``."""

    @property
    def name(self) -> str:
        """Its name in error messages (the path of a file, the id of a scene)."""

    def load(self) -> Image:
        """Decode the image. Raises ``DataError`` with its name if that fails."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question about an image with its human answers (ten in VQAv2)."""

    id: str
    text: str
    answers: tuple[str, ...]
    question_type: str = ""
    answer_type: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """One multiple-choice question on an image; ``answer`` is the position of the right option."""

    id: str
    text: str
    options: tuple[str, ...]
    answer: int
    category: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """One image with its captions and questions.

    ``group`` is the unit of clustering: samples of one group are resampled together. ``boxes`` are the boxes of
    objects, if the data set has them.
    """

    id: str
    group: str
    image: ImageSource
    captions: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()
    boxes: tuple[Box, ...] = ()
    choices: tuple[Choice, ...] = ()

    def caption_id(self, index: int) -> str:
        """The id of caption ``index``: ``<sample>#<index>``, as in Flickr's token files."""
        return f"{self.id}#{index}"


@dataclass(frozen=True, slots=True)
class Relevance:
    """Which captions are true of which images, beyond each caption's own image.

    ``caption_images[k]`` has the sorted positions (in ``Dataset.samples``) of the images of which caption ``k`` is
    true; captions are numbered consecutively over the samples. ``image_captions`` has the captions of each image if
    the judgements of the two directions differ; None: the inverse. ``image_totals``, for human judgements, counts the
    captions of each image including those outside the split: the R of mAP@R.
    """

    caption_images: tuple[npt.NDArray[np.int64], ...]
    image_captions: tuple[npt.NDArray[np.int64], ...] | None = None
    image_totals: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Dataset:
    """One split of a data set, with images not yet decoded.

    ``revision`` identifies the content: a pinned commit, or a hash of annotations and images.
    ``relevance`` is None if captions count as true of their own image only.
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
    """The visual domain (``photo``, ``scenes``), which a bundled model must match."""
    notes: tuple[str, ...] = ()
    """Remarks that a reader of the numbers needs; recorded with every run."""
    language: str = ""
    """Of its texts, as an ISO 639-1 code; ``und`` where it cannot be told. Empty: not looked at yet."""
    read_boxes: Callable[[Dataset], Dataset] | None = field(default=None, repr=False, compare=False)
    """Returns this data set with boxes, if they are in a file too large to be read unless a corruption needs it;
    picklable."""


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Training data of a model, as its card or file states it.

    name, split, revision: of the data set; the split may be a part such as ``val[0:500]``. images: their number.
    """

    name: str
    split: str
    revision: str
    images: int

    @classmethod
    def of(cls, dataset: Dataset) -> TrainingData:
        """Training data that is this data set."""
        return cls(dataset.name, dataset.split, dataset.revision, len(dataset.samples))

    @classmethod
    def read(cls, tables: Iterable[Mapping[str, object]]) -> tuple[TrainingData, ...]:
        """Read from plain JSON. Raises ``ValueError``."""
        try:
            return tuple(
                cls(str(t["name"]), str(t["split"]), str(t["revision"]), int(str(t["images"])))
                for t in tables
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"no training data: {type(error).__name__}: {error}") from error

    def to_table(self) -> dict[str, str | int]:
        """As plain JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Corruption:
    """One corruption of a suite: one TOML block.

    ``levels`` are the parameters of severities 1 to 5, in that order, or of severity 1 only for a corruption without
    grades (a flip).
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

    @property
    def severities(self) -> tuple[int, ...]:
        """Its severities: 1 to 5, or only 1."""
        return SEVERITIES[: len(self.levels)]


CLEAN_LABEL = "clean"


def condition_label(corruption: str | None, severity: int) -> str:
    """``clean`` or ``<corruption>-<severity>``: the name of a condition and of its file."""
    return CLEAN_LABEL if corruption is None else f"{corruption}-{severity}"


@dataclass(frozen=True, slots=True)
class JointCorruption:
    """Image corruption ``image`` at ``image_severity``, together with text corruption ``text``."""

    image: str
    image_severity: int
    text: str

    @property
    def name(self) -> str:
        """The name of its cells' ``corruption``; ``RunSpec.joints`` has the parts."""
        return f"{self.image}@{self.image_severity}+{self.text}"


@dataclass(frozen=True, slots=True)
class Condition:
    """One corruption at one severity. ``corruption`` is None and ``severity`` 0 for the clean condition."""

    suite: str
    corruption: str | None
    severity: int
    seed: int

    @property
    def label(self) -> str:
        """``clean`` or ``<corruption>-<severity>``; also the name of its file."""
        return condition_label(self.corruption, self.severity)

    @classmethod
    def parse(cls, label: str, suite: str = "", seed: int = 0) -> Condition:
        """Parse a label. Raises ``ValueError`` for an invalid one.

        >>> Condition.parse("gaussian_noise-3").severity
        3
        """
        if label == CLEAN_LABEL:
            return cls(suite, None, 0, seed)
        corruption, _, severity = label.rpartition("-")
        if not corruption or severity not in map(str, SEVERITIES):
            raise ValueError(
                f"condition {label!r}; allowed: {CLEAN_LABEL}, or CORRUPTION-SEVERITY as in fog-3"
            )
        return cls(suite, corruption, int(severity), seed)


IntervalRule = Literal["proportion", "logit", "percentile", "bootstrap-t"]
"""Kind of 95 % interval of a metric; ``mafs_bench.stats.intervals`` defines each kind."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of a cell, defined so that it can be resampled.

    ``columns(frame)`` gives sufficient statistics per row, float64 (n, k); rows of NaN are unscored.
    ``value(sums)`` maps their sums (..., k) over scored rows to the metric (...), NaN if undefined.
    A metric that is not a function of sums has ``weighted(frame, weights)`` instead, from resampled row counts (r, n)
    to values (r,), and optionally ``influence(frame)``: the influence of each row, float64 (n,), which sums to 0.
    ``rows(frame)`` selects its rows, bool (n,); None: all. ``interval`` is the kind of interval. ``chance(frame)`` is
    the score of guessing; None: the lower end of the range.
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
    influence: Callable[[pd.DataFrame], npt.NDArray[np.float64]] | None = None
    chance: Callable[[pd.DataFrame], float] | None = None
    interval: IntervalRule = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric's value with its interval.

    value is None if nothing could be scored; low and high also if there are too few samples for an interval.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    n_unscored: int


RECORD_FORMAT = 2
"""The current format of records."""


SCORED_ON_TRAINING_DATA = "is scored on images that it was trained on"
"""Part of every such note, which is shown under every table."""


@dataclass(frozen=True)
class RunSpec:
    """A run's record: every resolved choice that determines its numbers, and measurements of the model.

    The fields in ``MEASURED`` are measured while the model runs: ``probe`` is compared within a tolerance; ``device``,
    ``modules`` and ``images`` describe where and on what it ran. The others must be equal for two runs in one folder.
    On another device, rounding can still change a score.

    format: of the record; 1 for runs of mafs-bench 0.1, whose identity is the hash of one file.
    weights: SHA-256 of the model's weights as it declares them, else of its source, class and argument.
    probe: the model's answers to bundled inputs, a table of ``adapters.probe.Probe``; empty: not recorded.
    modules: SHA-256 of each module that a user's adapter imported from its own folder, by path relative to it.
    frame: the size to which images are brought before they are corrupted; ``native``: unchanged.
    decoders: versions of the libraries that decode images.
    images: SHA-256 over the decoded images, clean, in the order of the samples; "" until the run has seen them.
    device: kind and name of every device that was used. precision: "fp32", "bf16" or "fp16" (computed by
    autocast). tf32: whether matrix products or convolutions of fp32 were allowed to round to TF32.
    prompts: name and SHA-256 of the prompt file that questions are put with, and its path where it is the user's own;
    empty for none. model_args: further settings of the model (``--model-args``). first_stage: the dual encoder whose
    best candidates the model puts in order, its spec (``model``) and the hash of its ``weights``; empty for none.
    usage: what the answers of a served model cost: requests, those that the cache answered, tokens, seconds.
    language: of the texts, as an ISO 639-1 code; "und" where neither user nor texts tell.
    trust_remote_code: whether the model ran code of its repository.
    dataset_path: where a data set lies that is the user's own, a folder or a file; "" for a registered one.
    data_root: the folder of a registered data set's official layout, "" where none was named.
    suite_file: path of a suite that is the user's own; "" for a published one. Its hash is ``suite_hash``.
    sources: ``ORG/NAME@COMMIT`` of each part of the model that comes from the hub.
    clipscore: the judge of CLIPScore, its spec (``model``) and the hash of its ``weights``; empty for none.
    clipscore_probe: the judge's answers, as ``probe``.
    max_pixels: images of more pixels were refused.
    assets: SHA-256 of the weights that corruptions use (style transfer, translation).
    excluded: ids of samples that the user left out of all cells. skipped: ids of those that cannot be used, with the
    reason; no cell has them.
    packages: version of every package that can change a number, and whether Java programs scored captions.
    """

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
    clipscore: Mapping[str, str] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    format: int = RECORD_FORMAT
    probe: Mapping[str, object] = field(default_factory=dict)
    clipscore_probe: Mapping[str, object] = field(default_factory=dict)
    modules: Mapping[str, str] = field(default_factory=dict)
    frame: str = "native"
    decoders: Mapping[str, str] = field(default_factory=dict)
    images: str = ""
    device: tuple[str, ...] = ()
    tf32: bool = False
    prompts: Mapping[str, str] = field(default_factory=dict)
    language: str = "en"
    trust_remote_code: bool = False
    suite_file: str = ""
    assets: Mapping[str, str] = field(default_factory=dict)
    max_pixels: int = MAX_PIXELS
    excluded: tuple[str, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    model_args: Mapping[str, str] = field(default_factory=dict)
    first_stage: Mapping[str, str] = field(default_factory=dict)
    usage: Mapping[str, float] = field(default_factory=dict)
    dataset_path: str = ""
    data_root: str = ""

    @property
    def joints(self) -> Mapping[str, JointCorruption]:
        """Name -> parts of each joint corruption that the run can have: of one image and one text corruption."""
        if len(self.corruptions) != 2:
            return {}
        image, text = self.corruptions
        parts = [JointCorruption(image, severity, text) for severity in self.severities]
        return {joint.name: joint for joint in parts}

    @property
    def training_notes(self) -> tuple[str, ...]:
        """The notes which state that the model was trained on data it is scored on."""
        return tuple(note for note in self.notes if SCORED_ON_TRAINING_DATA in note)

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, no spaces that vary."""
        return json.dumps(asdict(self), sort_keys=True, indent=2) + "\n"

    def digest(self) -> str:
        """Hexadecimal SHA-256 of the canonical JSON without measured fields: equal for reruns of one command."""
        kept = {name: value for name, value in asdict(self).items() if name not in MEASURED}
        return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


MEASURED = frozenset(
    {"probe", "clipscore_probe", "modules", "images", "device", "notes", "usage", "dataset_path", "data_root"}
)
"""Fields of ``RunSpec`` that are measured while a model runs, that only describe other fields in words, or that say
where data lies whose content ``revision`` identifies."""


@dataclass(frozen=True)
class CellResult:
    """One task under one condition, as in ``results.json``."""

    task: str
    dataset: str
    corruption: str | None
    severity: int
    seed: int
    metrics: Mapping[str, Estimate]
    content_hash: str
    audit: Mapping[str, float | int | str | None] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The label of its condition."""
        return condition_label(self.corruption, self.severity)
