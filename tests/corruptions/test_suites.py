"""Suite files: what is read from them, what is refused and in which words."""

from __future__ import annotations

from pathlib import Path

import pytest

from mafs_bench.corruptions import suite as suites
from mafs_bench.corruptions.suite import Suite
from mafs_bench.errors import SuiteError, UnknownNameError, UsageError

HEAD = 'name = "mine"\nversion = 2\n'
BLOCK = """
[corruptions.typos]
operator = "keyboard"
modality = "text"
family = "text-char"
aliases = ["slips"]
levels = { rate = [0.1, 0.2, 0.3, 0.4, 0.5] }
"""
FOG = """
[corruptions.fog]
operator = "fog"
modality = "image"
family = "weather"
levels = { strength = [1, 2, 3, 4.5, 6] }
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "mine.toml"
    file.write_text(text)
    return file


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return suites.parse(write(tmp_path, HEAD + BLOCK + FOG))


def test_a_block_becomes_a_corruption(suite: Suite) -> None:
    typos = suite.corruptions["typos"]
    assert suite.id == typos.suite == "mine@2"
    assert (typos.operator, typos.modality, typos.family, typos.aliases) == (
        "keyboard",
        "text",
        "text-char",
        ("slips",),
    )
    assert [level["rate"] for level in typos.levels] == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert typos.monotone
    assert not typos.meaning_changing


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (("levels =", "colour = 3\nlevels ="), r"unknown key 'corruptions.typos.colour'"),
        (('family = "text-char"', 'familly = "text-char"'), r"Did you mean 'corruptions.typos.family'"),
        (('family = "text-char"', ""), r"corruptions.typos.family is missing"),
        (('"text"', '"sound"'), r"modality = 'sound'; allowed: image, text, pair"),
        (("0.4, 0.5]", "0.4]"), r"levels.rate = \[0.1, 0.2, 0.3, 0.4\]; allowed: a list of five values"),
        (("0.5]", "1.5]"), r"levels.rate has 1.5; allowed: above 0, at most 1"),
        (("0.1,", "0,"), r"levels.rate has 0; allowed: above 0, at most 1"),
        (("0.1,", "nan,"), r"levels.rate has nan"),
        (("0.1,", "true,"), r"levels.rate = \[True, .*; allowed: five numbers"),
        (("0.2,", '"a",'), r"levels.rate = .*; allowed: five numbers"),
        (("levels = {", "levels = 3 #"), r"levels = 3; allowed: five values per parameter"),
        (('"keyboard"', "4"), r"operator = 4; allowed: a string"),
        (('["slips"]', '"slips"'), r"aliases = 'slips'; allowed: a list of strings"),
        (("levels =", "monotone = 1\nlevels ="), r"monotone = 1; allowed: true or false"),
        (("version = 2", "version = 0"), r"version = 0; allowed: a whole number from 1"),
        (("version = 2", 'version = "2"'), r"version = '2'; allowed"),
        (('name = "mine"', "name = 1"), r"name = 1; allowed: a non-empty string"),
        (('name = "mine"', 'nam = "mine"'), r"name = None"),
        (("version = 2", "version = 2\nlicense = 1"), r"unknown key 'license'"),
        (("levels = {", "levels = {{"), r"mine.toml: "),
    ],
)
def test_a_bad_file_is_refused_naming_file_key_value_and_what_is_allowed(
    tmp_path: Path, edit: tuple[str, str], message: str
) -> None:
    text = HEAD + BLOCK
    assert edit[0] in text
    with pytest.raises(SuiteError, match=message) as refused:
        suites.parse(write(tmp_path, text.replace(*edit)))
    assert "mine.toml" in str(refused.value)


def test_a_file_without_blocks_or_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="at least one"):
        suites.parse(write(tmp_path, HEAD))
    with pytest.raises(SuiteError, match=r"absent.toml"):
        suites.load(str(tmp_path / "absent.toml"))


@pytest.mark.parametrize(
    ("request_", "names"),
    [
        ("typos", ["typos"]),
        ("slips", ["typos"]),
        ("text-char", ["typos"]),
        ("image", ["fog"]),
        ("all", ["typos", "fog"]),
        ("fog, typos", ["fog", "typos"]),
        ("fog,weather,fog", ["fog"]),
    ],
)
def test_select_takes_names_aliases_families_modalities_and_lists(
    suite: Suite, request_: str, names: list[str]
) -> None:
    assert [corruption.name for corruption in suite.select(request_)] == names


@pytest.mark.parametrize(("request_", "close"), [("fgo", "fog"), ("wether", "weather"), ("slip", "slips")])
def test_an_unknown_name_brings_the_nearest(suite: Suite, request_: str, close: str) -> None:
    with pytest.raises(UnknownNameError, match=f"'{close}'") as unknown:
        suite.select(request_)
    assert close in unknown.value.close


def test_nothing_asked_for_is_refused(suite: Suite) -> None:
    with pytest.raises(UnknownNameError):
        suite.select(" , ")


@pytest.mark.parametrize("request_", ["joint:fog+typos", "joint:typos + fog", "joint:weather+slips"])
def test_joint_gives_the_image_and_the_text_corruption(suite: Suite, request_: str) -> None:
    assert [corruption.name for corruption in suite.joint(request_)] == ["fog", "typos"]


@pytest.mark.parametrize("request_", ["joint:fog", "joint:fog+fog", "joint:fog+typos+fog"])
def test_joint_refuses_anything_else(suite: Suite, request_: str) -> None:
    with pytest.raises(UsageError, match="one image and one text corruption"):
        suite.joint(request_)


def test_load_finds_published_suites_by_id_and_by_name() -> None:
    assert suites.load("core").digest == suites.load("core@2").digest
    assert {"core@1", "imagenet-c@1", "mm-robustness-2022@1", "smoke@1"} <= set(suites.published())
    with pytest.raises(UnknownNameError, match="core@2"):
        suites.load("cor@1")


@pytest.mark.parametrize("name", suites.published())
def test_every_published_suite_is_valid_and_named_like_its_file(name: str) -> None:
    suite = suites.load(name)
    assert suite.id == name
    assert suite.description


def test_line_ends_do_not_change_the_digest(tmp_path: Path) -> None:
    unix = suites.parse(write(tmp_path, HEAD + BLOCK)).digest
    (tmp_path / "mine.toml").write_bytes((HEAD + BLOCK).replace("\n", "\r\n").encode())
    assert suites.parse(tmp_path / "mine.toml").digest == unix


def test_a_suite_states_its_frame_and_older_ones_are_native(tmp_path: Path) -> None:
    assert suites.load("core@2").frame == 256
    assert {suites.load(name).frame for name in ("core@1", "imagenet-c@1", "mm-robustness-2022@1")} == {None}
    file = tmp_path / "mine.toml"
    file.write_text(HEAD.replace("\n", '\nframe = "native"\n', 1) + BLOCK)
    assert suites.parse(file).frame is None
    for bad in ("8", "true", '"large"', "256.0"):
        file.write_text(HEAD.replace("\n", f"\nframe = {bad}\n", 1) + BLOCK)
        with pytest.raises(
            SuiteError, match=r'frame = .* allowed: a whole number from 64 to 4096, or "native"'
        ):
            suites.parse(file)


def test_a_corruption_that_does_not_grade_has_one_severity() -> None:
    flip = suites.load("core@2").corruptions["horizontal_flip"]
    assert (flip.severities, len(flip.levels)) == ((1,), 1)
    assert suites.load("core@2").corruptions["fog"].severities == (1, 2, 3, 4, 5)
