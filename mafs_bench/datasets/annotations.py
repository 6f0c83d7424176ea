"""Readers of annotation files for captioned images.

Formats: Karpathy's split JSON (``dataset_*.json``), the official COCO captions JSON, Flickr's token file
(``image.jpg#0<TAB>caption``), Kaggle's tables of Flickr8k and Flickr30k, and JSONL
(``{"image": ..., "captions": [...], "questions": [{"question": ..., "answers": [...]}]}``). Each reader returns
the entries in file order. A faulty file raises one ``DataError`` with the file and the position of the fault.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from mafs_bench.datasets.caption_tables import read_caption_table, read_lines
from mafs_bench.datasets.choice_rules import make_choice
from mafs_bench.errors import DataError
from mafs_bench.types import Choice, Question


@dataclass(frozen=True, slots=True)
class Entry:
    """One image as an annotation file describes it.

    ``file`` is the image name in the annotations (possibly with folders); ``split`` is "" if the format has no
    splits; ``caption_ids`` are COCO's caption ids, if the format has them.
    """

    id: str
    file: str
    captions: tuple[str, ...]
    split: str = ""
    caption_ids: tuple[int, ...] = ()
    questions: tuple[Question, ...] = ()
    choices: tuple[Choice, ...] = ()


def read_entries(path: Path) -> list[Entry]:
    """Read a file in any of the formats. Raises ``DataError`` with the file and the fault."""
    reader = _READERS.get(path.suffix)
    if reader is None:
        raise DataError(
            f"{path}: allowed: .json (Karpathy or COCO captions), .jsonl, and Flickr's .token, .txt and .csv"
        )
    entries = reader(path)
    if not entries:
        raise DataError(f"{path} lists no images")
    _refuse_duplicates(path, entries)
    for entry in entries:
        refuse_unwritable(path, (entry.id, entry.file))
    return entries


def read_text(path: Path) -> str:
    """Decode a UTF-8 file. Raises ``DataError`` with the line that is not UTF-8, or with the system's error."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}, line {line}: not UTF-8 (byte 0x{raw[error.start]:02x})") from error


def read_json(path: Path, without: str | None = None) -> Any:
    """Parse a JSON file. Raises ``DataError`` with the line and column of malformed JSON.

    The key ``without`` is dropped from every object as soon as it is read, to save memory.
    """
    return _parse(path, read_text(path), first_line=1, without=without)


def name_some(names: Sequence[str], shown: int = 3) -> str:
    """Join the first few names: ``a, b, c, …``."""
    return ", ".join(names[:shown]) + (", …" if len(names) > shown else "")


def field(path: Path, record: Any, key: str, kind: type, where: str) -> Any:
    """Return ``record[key]``, checked for its type. Raises ``DataError`` if it is missing or of another type."""
    value = record.get(key) if isinstance(record, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        found = "is missing" if value is None else f"is {type(value).__name__}"
        raise DataError(f"{path}, {where}: {key!r} {found}, must be {kind.__name__}")
    return value


def _parse(path: Path, text: str, first_line: int, without: str | None = None) -> Any:
    def pruned(record: dict[str, Any]) -> dict[str, Any]:
        record.pop(without, None)  # type: ignore[arg-type]
        return record

    try:
        return json.loads(text, object_hook=None if without is None else pruned)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        raise DataError(f"{path}, line {line}, column {error.colno}: malformed JSON: {error.msg}") from error
    except (RecursionError, ValueError) as error:  # nested too deeply, or a number with too many digits
        raise DataError(f"{path}, line {first_line}: malformed JSON: {error}") from error


def _read_json(path: Path) -> list[Entry]:
    content = read_json(path)
    images = field(path, content, "images", list, "top level")
    if "annotations" in content:
        return list(_coco_entries(path, images, field(path, content, "annotations", list, "top level")))
    return [_karpathy_entry(path, image, position) for position, image in enumerate(images)]


def _karpathy_entry(path: Path, image: Any, position: int) -> Entry:
    where = f"image {position}"
    name = field(path, image, "filename", str, where)
    sentences = field(path, image, "sentences", list, where)
    return Entry(
        id=str(image.get("cocoid", name)),
        file=str(PurePosixPath(str(image.get("filepath", ""))) / name),
        captions=_captions(
            [field(path, sentence, "raw", str, f"{where} ({name})") for sentence in sentences]
        ),
        split=field(path, image, "split", str, f"{where} ({name})"),
        caption_ids=tuple(sentence.get("sentid", -1) for sentence in sentences),
    )


def _coco_entries(path: Path, images: list[Any], annotations: list[Any]) -> Iterator[Entry]:
    captions: dict[int, list[str]] = {}
    for position, annotation in enumerate(annotations):
        where = f"annotation {position}"
        image_id = field(path, annotation, "image_id", int, where)
        captions.setdefault(image_id, []).append(field(path, annotation, "caption", str, where))
    for position, image in enumerate(images):
        image_id = field(path, image, "id", int, f"image {position}")
        name = field(path, image, "file_name", str, f"image {position}")
        yield Entry(str(image_id), name, _captions(captions.pop(image_id, [])))
    if captions:
        unlisted = name_some([*map(str, captions)])
        raise DataError(f"{path}: captions of {len(captions)} images that are not listed: {unlisted}")


def _read_table(path: Path) -> list[Entry]:
    captions = read_caption_table(path, read_text(path))
    return [Entry(name, name, _captions(texts)) for name, texts in captions.items()]


def _read_jsonl(path: Path) -> list[Entry]:
    lines = enumerate(read_lines(read_text(path)), start=1)
    return [_jsonl_entry(path, line, number) for number, line in lines if line.strip()]


def _jsonl_entry(path: Path, line: str, number: int) -> Entry:
    record = _parse(path, line, first_line=number)
    where = f"line {number}"
    name = field(path, record, "image", str, where)
    own = str(record.get("id", name))
    asked = field(path, record, "questions", list, where) if "questions" in record else []
    offered = field(path, record, "choices", list, where) if "choices" in record else []
    captioned = "captions" in record or not (asked or offered)
    texts = _strings(path, record, "captions", where) if captioned else []
    questions = tuple(
        _jsonl_question(path, q, f"{own}?{k}", f"{where}, question {k}") for k, q in enumerate(asked)
    )
    choices = tuple(
        _jsonl_choice(path, c, f"{own}?choice{k}", f"{where}, choice {k}") for k, c in enumerate(offered)
    )
    split = str(record.get("split", ""))
    return Entry(own, name, _captions(texts), split, questions=questions, choices=choices)


def _jsonl_question(path: Path, record: Any, own: str, where: str) -> Question:
    text = field(path, record, "question", str, where).strip()
    answers = _strings(path, record, "answers", where)
    if not text or not answers:
        raise DataError(f"{path}, {where}: needs a question and at least one answer")
    return Question(str(record.get("id", own)), text, tuple(answers))


def _jsonl_choice(path: Path, record: Any, own: str, where: str) -> Choice:
    return make_choice(
        f"{path}, {where}",
        str(record.get("id", own)) if isinstance(record, dict) else own,
        field(path, record, "question", str, where),
        _strings(path, record, "options", where),
        field(path, record, "answer", str, where),
        str(record.get("category", "")),
        str(record.get("hint", "")),
    )


def _strings(path: Path, record: Any, key: str, where: str) -> list[str]:
    texts: list[str] = field(path, record, key, list, where)
    if not all(isinstance(text, str) for text in texts):
        raise DataError(f"{path}, {where}: {key!r} must be a list of strings")
    return texts


def _captions(texts: Sequence[str]) -> tuple[str, ...]:
    """Strip the whitespace around some of COCO's captions."""
    return tuple(text.strip() for text in texts)


def _refuse_duplicates(path: Path, entries: Sequence[Entry]) -> None:
    seen: set[str] = set()
    twice = [entry.id for entry in entries if entry.id in seen or seen.add(entry.id)]  # type: ignore[func-returns-value]
    if twice:
        raise DataError(f"{path} lists {len(twice)} images more than once: {name_some(twice)}")


def refuse_unwritable(where: object, names: Iterable[str], texts: Iterable[str] = ()) -> None:
    """Refuse text that cannot be written to a file or table: lone surrogates, and NUL in names.

    Raises ``DataError`` that begins with ``where``.
    """
    for name in names:
        if "\0" in name:
            raise DataError(
                f"{where}: {name[:60]!a} contains a NUL character, which is not allowed in a name"
            )
        _refuse_surrogates(where, name)
    for text in texts:
        _refuse_surrogates(where, text)


def _refuse_surrogates(where: object, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise DataError(
            f"{where}: {text[:60]!a} contains a lone surrogate, which is not a character"
        ) from None


_READERS: dict[str, Callable[[Path], list[Entry]]] = {
    ".json": _read_json,
    ".jsonl": _read_jsonl,
    ".token": _read_table,
    ".txt": _read_table,
    ".csv": _read_table,
}
