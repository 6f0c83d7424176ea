"""The schemas of a bundle's files and of a board. Unknown keys, NaN and infinity are refused."""

from __future__ import annotations

import json
import tomllib
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from mafs_bench.types import MAX_PIXELS, condition_label

Text = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]*$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f`<>|]*$")]
"""A name that is also shown inside Markdown."""
LongText = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{0,79}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Link = Annotated[str, StringConstraints(pattern=r"^https?://[^\s<>\"'`]{3,300}$")]
Severity = Annotated[int, Field(ge=1, le=5)]
Count = Annotated[int, Field(ge=0, le=10**15)]


class Schema(BaseModel):
    """Base of all schemas: no unknown keys, no type conversion, only finite numbers."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Card(Schema):
    """``card.toml``: a description of the model."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._+@()/:-]{0,59}$")]
    link: Link
    licence: Annotated[str, StringConstraints(max_length=100, pattern=r"^[A-Za-z0-9][^\x00-\x1f\x7f`<>|]*$")]
    parameters: Count
    training_data: LongText
    contact: Text | None = None
    reads: Annotated[tuple[Literal["image", "text"], ...], Field(min_length=1)] | None = None
    """The modalities that the model reads; None: all that the task has."""
    backbone: Digest | None = None
    """The ``weights`` hash of the backbone."""


class Manifest(Schema):
    """``manifest.json``: the board that the bundle is for, and the SHA-256 of every other file."""

    format: Literal[1]
    board: Slug
    files: Annotated[dict[str, Digest], Field(max_length=20)]


class Spec(Schema):
    """``spec.json``: ``RunSpec``, field by field."""

    model: Name
    weights: Text
    dataset: Text
    split: Text
    revision: Text
    limit: Annotated[int, Field(ge=1)] | None
    tasks: tuple[Text, ...]
    suite: Text
    suite_hash: Digest
    corruptions: tuple[Text, ...]
    severities: tuple[Severity, ...]
    seed: Count
    precision: Literal["fp32", "bf16", "fp16"]
    engine: Literal["native", "reference"]
    on_error: Literal["fail", "skip"]
    missing: dict[Text, Text]
    sources: Annotated[dict[Text, Text], Field(default_factory=dict)]
    clipscore: Annotated[dict[Text, Text], Field(default_factory=dict)]
    packages: dict[Text, Text]
    notes: tuple[LongText, ...]
    format: Literal[1, 2] = 1
    probe: Annotated[dict[Text, Any], Field(default_factory=dict)]
    clipscore_probe: Annotated[dict[Text, Any], Field(default_factory=dict)]
    modules: Annotated[dict[Text, Digest], Field(default_factory=dict, max_length=1000)]
    frame: Text = "native"
    decoders: Annotated[dict[Text, Text], Field(default_factory=dict, max_length=100)]
    images: Digest | Literal[""] = ""
    device: Annotated[tuple[Text, ...], Field(max_length=100)] = ()
    tf32: bool = False
    prompts: Annotated[dict[Text, Text], Field(default_factory=dict, max_length=100)]
    language: Text = "en"
    trust_remote_code: bool = False
    suite_file: Annotated[str, StringConstraints(max_length=1000)] = ""
    assets: Annotated[dict[Text, Digest], Field(default_factory=dict, max_length=100)]
    max_pixels: Annotated[int, Field(ge=1)] = MAX_PIXELS
    excluded: tuple[Text, ...] = ()
    skipped: Annotated[dict[Text, LongText], Field(default_factory=dict)]
    model_args: Annotated[dict[Text, Text], Field(default_factory=dict, max_length=100)]
    first_stage: Annotated[dict[Text, Text], Field(default_factory=dict, max_length=2)]
    usage: Annotated[dict[Text, float], Field(default_factory=dict, max_length=100)]
    dataset_path: Literal[""] = ""
    data_root: Literal[""] = ""
    """Folders of the submitter's machine are not submitted."""


class Aggregate(Schema):
    """An estimate of ``results.json``."""

    value: float | None
    low: float | None
    high: float | None
    n: Count
    n_unscored: Count


class Cell(Schema):
    """One row of ``results.json``."""

    task: Text
    dataset: Text
    corruption: Text | None
    severity: Annotated[int, Field(ge=0, le=5)]
    seed: Count
    metrics: Annotated[dict[Text, Aggregate], Field(max_length=100)]
    content_hash: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16,128}$")]
    audit: dict[Text, float | int | str | None]

    @property
    def label(self) -> str:
        """The condition, as ``Condition.label`` names it."""
        return condition_label(self.corruption, self.severity)


class Board(Schema):
    """``board.toml``: the settings shared by all submissions to a board.

    ``revision``, ``rows`` and ``n`` are empty until the board is opened. rows: SHA-256 of ``rows.parquet``, which
    says which rows exist and where each corruption applies. n: rows per condition. archive: takes no new entry.
    ungraded: corruptions that have severity 1 alone. mean: what it ranks by. "plain" is the mean over all cells;
    "balanced" weighs families equally, with every cell brought to all rows (``stats.robustness.balanced_mean`` and
    ``on_all_rows``).
    """

    title: Text
    about: LongText
    task: Text
    metric: Text
    dataset: Text
    split: Text
    suite: Text
    suite_hash: Digest
    corruptions: tuple[Text, ...]
    severities: tuple[Severity, ...]
    ungraded: tuple[Text, ...] = ()
    mean: Literal["plain", "balanced"] = "plain"
    seed: Count
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    limit: Annotated[int, Field(ge=1)] | None = None
    archive: bool = False
    revision: str = ""
    rows: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$")] = ""
    n: Count = 0

    @property
    def is_open(self) -> bool:
        """Whether its rows are pinned."""
        return bool(self.rows)

    @property
    def conditions(self) -> tuple[str, ...]:
        """The labels of all conditions, clean first."""
        return ("clean", *(label for c in self.corruptions for label in self.labels_of(c)))

    def severities_of(self, corruption: str) -> tuple[int, ...]:
        """The severities of the board that a corruption has."""
        return (1,) if corruption in self.ungraded else self.severities

    def labels_of(self, corruption: str) -> tuple[str, ...]:
        """The labels of a corruption's conditions."""
        return tuple(f"{corruption}-{severity}" for severity in self.severities_of(corruption))


class Verification(Schema):
    """What the maintainers know of an entry, in ``verified.toml``.

    manifest: SHA-256 of the ``manifest.json`` that was looked at. model, cells, agreement, version: what was run
    again, the least share of rows of a cell that agreed, and by which mafs-bench; empty where nothing was.
    accepted: why the entry is ranked although it was flagged.
    """

    manifest: Digest
    model: str = ""
    cells: tuple[Text, ...] = ()
    agreement: Annotated[float, Field(ge=0, le=1)] | None = None
    version: str = ""
    accepted: Annotated[str, StringConstraints(max_length=300, pattern=r"^[^\x00-\x1f\x7f`<>|]*$")] = ""

    @property
    def is_verified(self) -> bool:
        """Whether a part of it was rerun and agreed."""
        return bool(self.cells)


Model = TypeVar("Model", bound=Schema)


def from_toml(schema: type[Model], raw: bytes) -> Model:
    """Parse TOML. Raises ``ValueError`` (pydantic's ``ValidationError``, or the TOML or Unicode error)."""
    try:
        table = json.dumps(tomllib.loads(raw.decode()), default=str)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return schema.model_validate_json(table)


def to_toml(table: Schema) -> str:
    """Write a flat table: strings, numbers and lists look the same in TOML as in JSON."""
    content: dict[str, Any] = table.model_dump(mode="json", exclude_none=True)
    return "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in content.items())
