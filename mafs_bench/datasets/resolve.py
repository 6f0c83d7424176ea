"""Load the data set that a user names with ``--dataset``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mafs_bench.datasets import DATASETS
from mafs_bench.datasets.annotations import refuse_unwritable
from mafs_bench.datasets.choices import load_table
from mafs_bench.datasets.folder import load_folder
from mafs_bench.datasets.local import require_usable
from mafs_bench.datasets.pixel_limit import with_max_pixels
from mafs_bench.datasets.slices import from_image, parse_slice
from mafs_bench.errors import DataError, UnknownNameError
from mafs_bench.language import language_of
from mafs_bench.registry import is_file_reference
from mafs_bench.types import MAX_PIXELS, Dataset

_DEFAULT_SPLIT = {"vqav2": "val"}
"""VQAv2's test answers are not public, so its default split is val."""


def resolve(
    spec: str,
    split: str | None = None,
    root: Path | None = None,
    limit: int | None = None,
    *,
    max_pixels: int = MAX_PIXELS,
    keep_unusable: bool = False,
) -> Dataset:
    """Load ``name``, ``name:variant``, ``file.py:function``, a folder, or an annotation file.

    ``split`` None means "test" ("val" for VQAv2); it may be a part such as ``test[500:800]``. ``root`` is the folder
    of a named data set. Registered names take precedence over paths. Images of more than ``max_pixels`` pixels are
    refused when they are read. Entries without an image or a text are refused here, unless ``keep_unusable`` is set:
    then reading their image fails. Raises ``UnknownNameError`` with close matches, ``DataError`` for data that cannot
    be read.
    """
    dataset = with_language(_resolve_part(spec, split, root, limit))
    _refuse_unwritable(dataset)
    if not keep_unusable:
        require_usable(dataset)
    return dataset if max_pixels == MAX_PIXELS else with_max_pixels(dataset, max_pixels)


def own_path(spec: str) -> str:
    """Where the data set of ``spec`` lies, absolute, if it is a file or folder of the user's; "" for a registered one.

    A ``file.py:function`` keeps the name of its function.
    """
    if is_file_reference(spec):
        file, _, function = spec.rpartition(":")
        return f"{Path(file).expanduser().resolve()}:{function}"
    if spec.partition(":")[0] in DATASETS.names():
        return ""
    path = Path(spec).expanduser()
    return str(path.resolve()) if path.exists() else ""


def with_language(dataset: Dataset) -> Dataset:
    """The data set with its language decided, over all its texts at once, where nobody has stated it."""
    if dataset.language:
        return dataset
    texts = (
        text
        for sample in dataset.samples
        for text in (*sample.captions, *(question.text for question in sample.questions))
    )
    return replace(dataset, language=language_of(texts))


def _refuse_unwritable(dataset: Dataset) -> None:
    """Apply ``refuse_unwritable`` to all ids and texts, including those from a user's function."""
    for sample in dataset.samples:
        asked = [text for question in sample.questions for text in (question.text, *question.answers)]
        ids = (sample.id, sample.group, *(question.id for question in sample.questions))
        ids += tuple(choice.id for choice in sample.choices)
        offered = [text for c in sample.choices for text in (c.text, c.hint, c.category, *c.options)]
        refuse_unwritable(dataset.name, ids, (*sample.captions, *asked, *offered))


def _resolve_part(spec: str, split: str | None, root: Path | None, limit: int | None) -> Dataset:
    if split is None or "[" not in split:
        return _resolve_whole(spec, split, root, limit)
    name, start, stop = parse_slice(split)
    ends = [end for end in (stop, None if limit is None else start + limit) if end is not None]
    return from_image(_resolve_whole(spec, name, root, min(ends, default=None)), start, split)


def _resolve_whole(spec: str, split: str | None, root: Path | None, limit: int | None) -> Dataset:
    name, _, variant = (spec, "", "") if is_file_reference(spec) else spec.partition(":")
    if name in DATASETS.names() or is_file_reference(spec):
        load = DATASETS.get(name)
        loaded: Dataset = load(variant, split or _DEFAULT_SPLIT.get(name, "test"), root=root, limit=limit)
        return loaded
    path = Path(spec).expanduser()
    if path.suffix == ".tsv" and path.is_file():
        return load_table(path, split, limit)
    if path.exists():
        return load_folder(path, split, limit)
    if "/" in spec:
        raise DataError(f"{spec}: no such folder or annotation file")
    raise UnknownNameError("data set", spec, DATASETS.names())
