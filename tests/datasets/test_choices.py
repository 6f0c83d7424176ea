"""Multiple-choice questions: VLMEvalKit's tables, JSONL, and those of scenes."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PILImage

from mafs_bench.datasets.resolve import resolve
from mafs_bench.datasets.scenes.world import (
    BACKGROUNDS,
    COLOURS,
    COUNTS,
    POSITIONS,
    SHAPES,
    TEXTURES,
    make_world,
    scenes_of,
)
from mafs_bench.errors import DataError

PIXELS = np.arange(40 * 50 * 3, dtype=np.uint8).reshape(40, 50, 3)


def png(pixels: np.ndarray = PIXELS) -> bytes:
    buffer = io.BytesIO()
    PILImage.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def write(folder: Path, *rows: dict[str, str]) -> Path:
    columns = dict.fromkeys(key for row in rows for key in row)
    lines = ["\t".join(columns), *("\t".join(row.get(c, "") for c in columns) for row in rows)]
    file = folder / "Bench.tsv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


ROW = {
    "index": "7",
    "image": base64.b64encode(png()).decode(),
    "question": "What is it?",
    "hint": "look",
    "A": "a dog",
    "B": "a cat",
    "C": "",
    "answer": "B",
    "category": "object",
}


def test_a_table_is_read_and_questions_on_one_image_are_one_sample(tmp_path: Path) -> None:
    (tmp_path / "own.png").write_bytes(png(255 - PIXELS))
    again = {
        **ROW,
        "index": "8",
        "image": "7",
        "question": "And?",
        "C": "a cow",
        "answer": "C",
        "hint": "nan",
    }
    file = {**ROW, "index": "9", "image": "", "image_path": "own.png"}
    data = resolve(str(write(tmp_path, ROW, again, file)))
    assert [sample.id for sample in data.samples] == ["7", "9"]
    first, second = data.samples[0].choices
    assert (first.id, first.options, first.answer) == ("7", ("a dog", "a cat"), 1)
    assert (first.category, first.hint) == ("object", "look")
    assert (second.id, second.options[second.answer], second.hint) == ("8", "a cow", "")
    assert np.array_equal(data.samples[0].image.load(), PIXELS)
    assert np.array_equal(data.samples[1].image.load(), 255 - PIXELS)
    assert len(resolve(str(tmp_path / "Bench.tsv"), limit=1).samples) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"answer": "D"}, "index 7: answer = 'D'; allowed: one of A, B, or an option's text"),
        ({"answer": ""}, r"1 rows have no answer \(index 7\)"),
        ({"B": ""}, "1 options; allowed: 2 to 26"),
        ({"B": "A Dog"}, "are not all different"),
        ({"question": " "}, "the question is empty"),
        ({"image": ""}, "neither image nor image_path"),
        ({"image": "!" * 80}, "not base64"),
        ({"index": ""}, "is empty or there twice"),
    ],
)
def test_a_wrong_row_is_refused_in_one_line(tmp_path: Path, change: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        resolve(str(write(tmp_path, {**ROW, **change})))
    assert "\n" not in str(caught.value)


def test_lacking_columns_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no column 'answer'"):
        resolve(str(write(tmp_path, {key: value for key, value in ROW.items() if key != "answer"})))


def test_an_image_that_is_none_is_named_when_it_is_read(tmp_path: Path) -> None:
    broken = {**ROW, "image": base64.b64encode(b"no image " * 20).decode()}
    data = resolve(str(write(tmp_path, broken)))
    with pytest.raises(DataError, match="image of index 7"):
        data.samples[0].image.load()


def test_jsonl(tmp_path: Path) -> None:
    (tmp_path / "own.png").write_bytes(png())
    line = {"image": "own.png", "choices": [{"question": "Which?", "options": ["x", "y"], "answer": "y"}]}
    (tmp_path / "mine.jsonl").write_text(json.dumps(line) + "\n")
    (choice,) = resolve(str(tmp_path)).samples[0].choices
    assert (choice.options, choice.answer) == (("x", "y"), 1)
    line["choices"][0]["answer"] = "z"
    (tmp_path / "mine.jsonl").write_text(json.dumps(line) + "\n")
    with pytest.raises(DataError, match="line 1, choice 0: answer = 'z'"):
        resolve(str(tmp_path))


def true_values(scene, text: str) -> set[str]:
    """Whatever the scene's ground truth makes true of a question, by another way than the one that wrote it."""
    groups = [
        {
            "shape": SHAPES[g[0]],
            "color": COLOURS[g[1]],
            "pattern": TEXTURES[g[3]],
            "count": COUNTS[g[4]],
            "place": POSITIONS[g[5]],
        }
        for g in scene.groups
    ]
    if "background" in text:
        return {BACKGROUNDS[scene.background]}

    def named(group: dict[str, str]) -> bool:
        words = text.rstrip("?")
        by_shape = words.endswith((group["shape"], f"{group['shape']}s", f"{group['shape']}es"))
        return by_shape or f" {group['color']} " in words or words.endswith(group["place"])

    wanted = (
        "color" if text.startswith("What color") else "shape" if text.startswith("Which shape") else
        "place" if text.startswith("Where") else "count" if text.startswith("How many") else "pattern"
    )  # fmt: skip
    return {group[wanted] for group in groups if named(group)}


def test_of_the_options_on_scenes_one_is_true() -> None:
    samples, scenes = resolve("scenes", limit=300).samples, scenes_of(make_world("test"))
    places = []
    for sample, scene in zip(samples, scenes, strict=False):
        assert len(sample.choices) == 2
        for choice in sample.choices:
            assert len(set(choice.options)) == 4
            assert set(choice.options) & true_values(scene, choice.text) == {choice.options[choice.answer]}
            places.append(choice.answer)
    assert np.bincount(places, minlength=4).min() > 0.2 * len(places)
    assert len({choice.id for sample in samples for choice in sample.choices}) == 600
