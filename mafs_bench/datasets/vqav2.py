"""VQAv2: open questions on COCO's photos, ten answers per question.

From a folder (``root``) in the official layout: ``v2_OpenEnded_mscoco_val2014_questions.json``,
``v2_mscoco_val2014_annotations.json`` and ``val2014/COCO_val2014_*.jpg`` (and the same for train); otherwise
val from the hub. The candidate answers are the most frequent answers in train if its annotations are present,
otherwise those in the split itself, which favours models that rank candidates; a note in the data set says which.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mafs_bench.datasets.annotations import Entry, field, name_some, read_json
from mafs_bench.datasets.hub import HubImage, HubTable, open_rows, text_columns
from mafs_bench.datasets.instances import add_boxes
from mafs_bench.datasets.local import first_file, read_local
from mafs_bench.errors import DataError, UnknownNameError
from mafs_bench.types import Dataset, ImageSource, Question, Sample

LICENCE = "questions and answers CC BY 4.0 (visualqa.org); photos as COCO's"
CITATION = "Goyal et al., Making the V in VQA Matter, CVPR 2017 (arXiv 1612.00837)"
HUB = HubTable("lmms-lab/VQAv2", "32665d35052eb4a6d4414851c3c829a72754915a", "data/validation-*.parquet")
SPLITS = ("val", "train")
EXPECTED = {"val": 40504, "train": 82783}
"""Number of images in the complete splits (214,354 and 443,757 questions)."""

N_ANSWERS = 3129
"""Size of the usual vocabulary: answers given at least nine times (Anderson et al., CVPR 2018)."""


def load(variant: str, split: str, *, root: Path | None = None, limit: int | None = None) -> Dataset:
    """Load "val" or "train"; ``limit`` counts images. Images are decoded on demand.

    Raises ``UnknownNameError`` and ``DataError``.
    """
    if variant:
        raise UnknownNameError("variant of vqav2", variant, [])
    if split not in SPLITS:
        raise UnknownNameError("split of vqav2 (the test answers are not public)", split, SPLITS)
    if root is None:
        return _from_hub(split, limit)
    files, questions = read_questions(root, split)
    vocabulary, source, origin = read_vocabulary(root, split)
    entries = [
        Entry(str(image), image_file(split, image), (), questions=tuple(of_image))
        for image, of_image in questions.items()
    ]
    samples, revision = read_local([*files, source], root, entries, limit)
    return Dataset(
        language="en",
        name="vqav2",
        split=split,
        revision=revision,
        licence=LICENCE,
        citation=CITATION,
        samples=samples,
        answer_vocabulary=vocabulary,
        domain="photo",
        notes=_notes(origin, split, len(vocabulary)),
        read_boxes=partial(add_boxes, root, [f"{split}2014"]),
    )


def read_questions(root: Path, split: str) -> tuple[tuple[Path, Path], dict[int, list[Question]]]:
    """The two files of a split, and the questions per image in file order. Raises ``DataError``."""
    asked = _file(root, f"v2_OpenEnded_mscoco_{split}2014_questions.json")
    answered = _annotations(root, split)
    records = field(asked, read_json(asked), "questions", list, "top level")
    answers = {a["question_id"]: a for a in _records(answered)}
    numbers = [field(asked, q, "question_id", int, f"question {i}") for i, q in enumerate(records)]
    bare = [str(number) for number in numbers if number not in answers]
    if bare:
        raise DataError(f"{answered} lacks the answers of {len(bare)} questions: {name_some(bare)}")
    questions: dict[int, list[Question]] = {}
    for position, record in enumerate(records):
        image = field(asked, record, "image_id", int, f"question {position}")
        text = field(asked, record, "question", str, f"question {position}")
        made = _question(record["question_id"], text, answers[record["question_id"]])
        questions.setdefault(image, []).append(made)
    if not questions:
        raise DataError(f"{asked} contains no questions")
    return (asked, answered), questions


def image_file(split: str, image: int) -> str:
    """COCO's file name for an image: ``val2014/COCO_val2014_000000000042.jpg``."""
    return f"{split}2014/COCO_{split}2014_{image:012d}.jpg"


def read_vocabulary(root: Path, split: str) -> tuple[tuple[str, ...], Path, str]:
    """The most frequent answers, the file they come from (train's if present), and its split."""
    try:
        source, origin = _annotations(root, "train"), "train"
    except DataError:
        source, origin = _annotations(root, split), split
    answers = most_frequent(record["multiple_choice_answer"] for record in _records(source))
    return answers, source, origin


def most_frequent(answers: Iterable[str]) -> tuple[str, ...]:
    """The ``N_ANSWERS`` most frequent answers, most frequent first, ties in alphabetical order."""
    counted = sorted(Counter(answers).items(), key=lambda item: (-item[1], item[0]))
    return tuple(answer for answer, _ in counted[:N_ANSWERS])


def most_common_answers(answers: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """``most_frequent`` of the majority answer to each question; of equally common answers the first one."""
    return most_frequent(Counter(given).most_common(1)[0][0] for given in answers)


def _notes(origin: str, split: str, n: int) -> tuple[str, ...]:
    flattered = ", which favours models that rank them" if origin == split != "train" else ""
    return (f"vqav2: the {n:,} candidate answers are the most frequent of {origin}{flattered}",)


def _annotations(root: Path, split: str) -> Path:
    return _file(root, f"v2_mscoco_{split}2014_annotations.json")


def _file(root: Path, name: str) -> Path:
    return first_file(root, [name, f"annotations/{name}", f"questions/{name}"])


def _records(path: Path) -> list[dict[str, Any]]:
    """The annotations in a file, with the fields that are used checked."""
    records = field(path, read_json(path), "annotations", list, "top level")
    for position, record in enumerate(records):
        field(path, record, "question_id", int, f"annotation {position}")
        field(path, record, "multiple_choice_answer", str, f"annotation {position}")
        for answer in field(path, record, "answers", list, f"annotation {position}"):
            field(path, answer, "answer", str, f"annotation {position}")
    return list(records)


def _question(number: int, text: str, annotation: dict[str, Any]) -> Question:
    return Question(
        id=str(number),
        text=text.strip(),
        answers=tuple(answer["answer"] for answer in annotation["answers"]),
        question_type=annotation.get("question_type", ""),
        answer_type=annotation.get("answer_type", ""),
    )


def _samples(
    questions: dict[int, list[Question]], images: dict[int, Any], limit: int | None
) -> tuple[Sample, ...]:
    kept = list(questions.items())[:limit]
    return tuple(
        Sample(str(image), str(image), images[image], questions=tuple(asked)) for image, asked in kept
    )


def _from_hub(split: str, limit: int | None) -> Dataset:
    layout = "--data-root DIR with the official questions, annotations and val2014/"
    if split != "val":
        raise DataError(f"the hub has vqav2's val only, asked for {split}; needs {layout}")
    rows = open_rows(HUB.url, layout)
    questions: dict[int, list[Question]] = {}
    images: dict[int, ImageSource] = {}
    for index, row in enumerate(text_columns(rows)):
        questions.setdefault(row["image_id"], []).append(_question(row["question_id"], row["question"], row))
        images.setdefault(row["image_id"], HubImage(rows, index, f"{HUB.repository}[{index}]"))
    vocabulary = most_frequent(rows["multiple_choice_answer"])
    return Dataset(
        language="en",
        name="vqav2",
        split="val",
        revision=HUB.revision,
        licence=LICENCE,
        citation=CITATION,
        samples=_samples(questions, images, limit),
        answer_vocabulary=vocabulary,
        domain="photo",
        notes=_notes(split, split, len(vocabulary)),
    )
