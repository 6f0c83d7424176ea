"""Prompt files: what is refused, how they are filled, and how answers are cut."""

import hashlib
from importlib import resources

import pytest

from mafs_bench.errors import UnknownNameError, UsageError
from mafs_bench.prompts import DEFAULT, load_prompts

SHA256 = "06c4fa43a514d07e1825da94bf1114a4011e1162f5a0c748b4743732e5580e74"
"""Of ``prompts@1``: a published file never changes."""


def _text() -> str:
    return (resources.files("mafs_bench.prompts") / f"{DEFAULT}.toml").read_text(encoding="utf-8")


def test_the_published_file_is_frozen() -> None:
    assert hashlib.sha256(_text().encode()).hexdigest() == SHA256
    assert load_prompts().record() == {"name": "prompts@1", "sha256": SHA256}


def test_texts_are_filled_in_one_pass() -> None:
    vqa = load_prompts().tasks["vqa"]
    assert vqa.fill(question="What is {question}?").startswith("What is {question}?\n")
    assert vqa.fill(question="") == vqa.text.replace("{question}", "")


def test_options_are_lettered_and_the_hint_is_left_out_where_there_is_none() -> None:
    choice = load_prompts().tasks["multiple-choice"]
    bare = choice.fill_choice("Which?", ["a {hint}", "b"])
    assert bare == "Which?\nA. a {hint}\nB. b\nAnswer with the letter of the right option."
    assert choice.fill_choice("Which?", ["a", "b"], "look").startswith("Hint: look\nWhich?")
    with pytest.raises(UsageError, match="27 options"):
        choice.fill_choice("Which?", ["x"] * 27)


@pytest.mark.parametrize(
    ("generated", "answer"),
    [
        (" Yes.", "Yes"),
        ("two\nBecause there are two.", "two"),
        ("\n red ", "red"),
        ("3.5", "3.5"),
        ("wait...", "wait.."),
        ("", ""),
        ("The answer is no", "The answer is no"),
    ],
)
def test_answers_are_cut_by_the_stated_rules_alone(generated: str, answer: str) -> None:
    assert load_prompts().tasks["vqa"].cut(generated) == answer


def test_a_caption_keeps_its_period() -> None:
    assert load_prompts().tasks["captioning"].cut(" A dog runs.\nIt is brown.") == "A dog runs."


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("version = 1", "version = 0", "version = 0"),
        ("{question}\\nAnswer the", "Answer the", r"\[vqa\] text has the fields none; allowed: {question}"),
        ("{caption}", "{captoin}", "fields captoin; allowed: {caption}"),
        ('"trailing_period"]', '"period"]', "allowed: a list of strip"),
        ("max_new_tokens = 16", "max_new_tokens = 0", "max_new_tokens = 0"),
        ('no = "no"', 'no = "Yes"', "yes and no are both"),
        ("[vqa]", "[vga]", "unknown key 'vga'.*vqa"),
        ("[vqa]", "[vqa", "Expected .]. at the end of a table"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(tmp_path, old: str, new: str, message: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(_text().replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UsageError, match=message) as caught:
        load_prompts(str(file))
    assert "\n" not in str(caught.value)


def test_a_file_of_ones_own_has_its_own_name_and_hash(tmp_path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(_text().replace('name = "prompts"', 'name = "mine"'), encoding="utf-8")
    found = load_prompts(str(file))
    assert found.id == "mine@1"
    assert found.digest != SHA256


def test_unknown_names_and_missing_files() -> None:
    with pytest.raises(UnknownNameError, match="prompts@1"):
        load_prompts("prompts@7")
    with pytest.raises(UsageError, match="No such file"):
        load_prompts("/nowhere/mine.toml")
