"""What must hold for every text operator of every published suite.

Run as a program, this file stores the golden cells anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mafs_bench.corruptions import OPERATORS
from mafs_bench.corruptions import suite as suites
from mafs_bench.corruptions.audit import audit_text
from mafs_bench.corruptions.base import TextOperator
from mafs_bench.corruptions.engine import corrupt_text
from mafs_bench.types import Corruption

GOLDEN = Path(__file__).parents[1] / "golden" / "text_cells.json"
SEVERITIES = (1, 2, 3, 4, 5)
CAPTIONS = (
    "A man in a red shirt is riding a big brown horse near the beach .",
    "Two young girls aren't playing with the old woman's dogs on the left side of the park .",
    "A sleigh driven by a woman is pulled by three white horses .",
    "The kids watch a small black cat jumping over a hot stove, in front of the house!",
)
PROTECTED = (
    "https://example.org/a?b=c",
    "www.example.org/x",
    "ann.b@example.org",
    "<image>",
    "{answer}",
    "42",
)
_REWRITES = "nlpaug_"
"""The reference operators take every text apart and join it again; that they do is part of them."""


def _all_corruptions() -> list[Corruption]:
    found = {
        f"{suite}:{corruption.name}": corruption
        for suite in suites.published()
        if suite != "core-512@1"  # the blocks of core@2
        for corruption in suites.load(suite).corruptions.values()
        if corruption.modality == "text" and corruption.operator != "back_translation"
    }
    return list(found.values())


ALL = _all_corruptions()
OURS = [corruption for corruption in ALL if not corruption.operator.startswith(_REWRITES)]
each = pytest.mark.parametrize("corruption", ALL, ids=lambda c: f"{c.suite}:{c.name}")
each_of_ours = pytest.mark.parametrize("corruption", OURS, ids=lambda c: f"{c.suite}:{c.name}")


def corrupt(text: str, corruption: Corruption, severities: tuple[int, ...] = SEVERITIES) -> list[str | None]:
    return corrupt_text(text, corruption, severities, seed=7, sample_id="1.jpg#0")


def test_every_registered_text_operator_is_in_a_published_suite() -> None:
    registered = {name for name in OPERATORS.names() if isinstance(OPERATORS.get(name), TextOperator)}
    assert registered == {corruption.operator for corruption in ALL} | {"back_translation"}


@each
def test_severity_zero_is_the_identity(corruption: Corruption) -> None:
    assert corrupt(CAPTIONS[0], corruption, (0,)) == [CAPTIONS[0]]


@each
def test_some_caption_changes_and_what_is_applicable_does_not_depend_on_the_severity(
    corruption: Corruption,
) -> None:
    outputs = [corrupt(caption, corruption) for caption in CAPTIONS]
    assert all(len({text is None for text in row}) == 1 for row in outputs)
    assert any(row[4] not in (None, caption) for row, caption in zip(outputs, CAPTIONS, strict=True)), (
        "nothing changed"
    )


@each
def test_a_severity_alone_gives_what_all_five_together_give(corruption: Corruption) -> None:
    together = corrupt(CAPTIONS[1], corruption)
    assert [corrupt(CAPTIONS[1], corruption, (severity,))[0] for severity in SEVERITIES] == together


@each
def test_error_rates_do_not_fall_with_severity_where_declared_monotone(corruption: Corruption) -> None:
    if not corruption.monotone:
        pytest.skip("declared not monotone")
    for caption in CAPTIONS:
        rates = [
            audit_text(caption, text)["character_error_rate"]
            for text in corrupt(caption, corruption)
            if text is not None
        ]
        assert rates == sorted(rates)


@each_of_ours
def test_an_applicable_text_really_changes(corruption: Corruption) -> None:
    for caption in CAPTIONS:
        assert caption not in corrupt(caption, corruption)


@each_of_ours
def test_protected_spans_stay_as_they_are(corruption: Corruption) -> None:
    text = " ".join(f"{caption} {span}" for caption, span in zip(CAPTIONS * 2, PROTECTED, strict=False))
    for made in corrupt(text, corruption):
        if made is None:
            continue
        kept = [span for span in PROTECTED if re.search(rf"(?<!\w){re.escape(span)}(?!\w)", made)]
        dropped = {"42"} if corruption.operator == "text_token_dropout" else set()
        assert set(PROTECTED) - set(kept) <= dropped


@each_of_ours
def test_text_without_letters_is_not_applicable_or_only_added_to(corruption: Corruption) -> None:
    for text in ("", "   ", "42 + 8 = 50", "<image>", "https://example.org"):
        for made in corrupt(text, corruption):
            assert made is None or text in made or corruption.operator in ("whitespace", "text_token_dropout")


@each
@settings(max_examples=12, deadline=None)
@given(text=st.text(st.characters(exclude_categories=("Cs",)), max_size=60))
def test_any_unicode_gives_valid_text_that_is_not_emptied(corruption: Corruption, text: str) -> None:
    for made in corrupt(text, corruption):
        if made is not None:
            assert made.encode().decode() == made
            assert made.strip() or not text.strip()


@each
@pytest.mark.parametrize(
    "text",
    [
        "Ένας άνδρας ιππεύει ένα άλογο στην παραλία",
        "Мужчина едет на большой лошади у моря",
        "رجل يركب حصانا كبيرا قرب الشاطئ",
        "ילד קטן רץ עם הכלב שלו בפארק",
        "一个男人在海边骑着一匹大马",
        "👩‍👩‍👧‍👦 family 🏳️‍🌈 at the bea\u0301ch e\u0301te\u0301 👍🏽",
    ],
)
def test_other_scripts_are_corrupted_or_not_applicable(corruption: Corruption, text: str) -> None:
    first, second = corrupt(text, corruption), corrupt(text, corruption)
    assert first == second
    assert all(made is None or made.encode().decode() == made for made in first)


@each
def test_a_caption_of_ten_thousand_words(corruption: Corruption) -> None:
    text = "A man in a red shirt is riding two big horses <image> near the left beach . " * 660
    made = corrupt(text, corruption, (5,))[0]
    assert made is None or (made != text and made.strip())


def cell_digests(corruption: Corruption) -> list[str]:
    """SHA-256 a severity over captions, one with protected spans and digits, and other scripts."""
    texts = (*CAPTIONS, " ".join((CAPTIONS[0], *PROTECTED)), "Der modern rnclvv_1 café — ЖИЗНЬ 3D 🐕", "")
    made = zip(*(corrupt(text, corruption) for text in texts), strict=True)
    return [hashlib.sha256(repr(cell).encode()).hexdigest() for cell in made]


@each
def test_golden_cells(corruption: Corruption) -> None:
    assert json.loads(GOLDEN.read_text())[f"{corruption.suite}:{corruption.name}"] == cell_digests(corruption)


DIGEST = """
import hashlib, sys
sys.path.insert(0, sys.argv[1])
from test_text_operators import digest_of_all
print(digest_of_all())
"""


def digest_of_all() -> str:
    made = [corrupt(caption, corruption) for corruption in ALL for caption in CAPTIONS]
    return hashlib.sha256(repr(made).encode()).hexdigest()


def test_another_process_with_another_hash_seed_gives_the_same_bytes() -> None:
    run = subprocess.run(
        [sys.executable, "-c", DIGEST, os.path.dirname(__file__)],
        env={**os.environ, "PYTHONHASHSEED": "12345"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == digest_of_all()


if __name__ == "__main__":
    rows = [f'"{c.suite}:{c.name}": {json.dumps(cell_digests(c))}' for c in ALL]
    GOLDEN.write_text("{\n" + ",\n".join(rows) + "\n}\n")
