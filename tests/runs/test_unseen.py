"""What of a corruption of texts a model cannot see is on record, and said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mafs_bench.adapters.base import Adapter, Settings
from mafs_bench.adapters.load import load
from mafs_bench.report.summary import print_summary, remarks
from mafs_bench.runs.encoder import Encoder
from mafs_bench.runs.store import read_run, results_json, write_atomically
from mafs_bench.runs.unseen import unseen_tokens, unseen_vectors
from mafs_bench.runs.view import ConditionParts, ConditionView
from mafs_bench.tasks import retrieval
from mafs_bench.types import Condition, Corruption
from tests.support.fake_run import write_run
from tests.support.numbers import numbers

CONTEXT = 6


class Letters(Adapter):
    """Reads the lower-case letters of the first words, as far as its context goes."""

    def read_tokens(self, texts: Sequence[str], *, cut: bool = True) -> Sequence[Sequence[int]] | None:
        return [[*text.lower().replace(" ", "").encode()][: CONTEXT if cut else None] for text in texts]

    def encode_images(self, images: Sequence[np.ndarray]) -> np.ndarray:
        return np.eye(64, dtype=np.float32)[[int(image[0, 0, 0]) for image in images]]

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        return np.eye(64, dtype=np.float32)[[sum(self.read(text)) % 64 for text in texts]]

    def read(self, text: str) -> Sequence[int]:
        tokens = Letters.read_tokens(self, [text])
        assert tokens is not None
        return tokens[0]


class Silent(Letters):
    """Does not tell its tokens."""

    def read_tokens(self, texts: Sequence[str], *, cut: bool = True) -> None:
        return None


CLEAN = ["a red dog", "a red dog", "a red dog runs", "same"]
CORRUPTED = ["A RED  dog", "a rad dog", "a red dog rums", "same"]


def test_same_tokens_and_changes_beyond_the_cut_are_told_apart() -> None:
    shares = unseen_tokens(Letters(), CLEAN, CORRUPTED)
    assert shares == {"texts_unseen": pytest.approx(2 / 3), "texts_beyond_cut": pytest.approx(1 / 3)}


def test_nothing_changed_has_no_share() -> None:
    assert unseen_tokens(Letters(), CLEAN, CLEAN) == {"texts_unseen": None}


def test_vectors_tell_where_tokens_are_not_told() -> None:
    assert unseen_tokens(Silent(), CLEAN, CORRUPTED) is None
    before, after = (Silent().encode_texts(texts) for texts in (CLEAN, CORRUPTED))
    assert unseen_vectors(CLEAN, CORRUPTED, before, after) == {"texts_unseen": pytest.approx(2 / 3)}


@pytest.mark.parametrize("adapter", [Letters(), Silent()])
def test_a_cell_records_it(adapter: Adapter) -> None:
    dataset = numbers(8)
    dataset = replace(
        dataset, samples=tuple(replace(s, captions=("number one and no other",)) for s in dataset.samples)
    )
    casing = Corruption("test", "casing", "casing", "text", "text", ({"rate": 1.0},) * 5)
    view = ConditionView(
        Encoder(adapter, dataset, 0, 4, 0),
        Condition("test", "casing", 3, 0),
        ConditionParts.of([(casing, 3)]),
    )
    retrieval.score(adapter, view)
    assert view.audit()["texts_changed"] == 1
    assert view.audit()["texts_unseen"] == 1
    assert view.audit().get("texts_beyond_cut", 0) == 0


def test_the_clean_condition_has_none() -> None:
    view = ConditionView(
        Encoder(Letters(), numbers(4), 0, 4, 0), Condition("test", None, 0, 0), ConditionParts.of([])
    )
    retrieval.score(Letters(), view)
    assert "texts_unseen" not in view.audit()


@pytest.mark.parametrize("spec", ["clip", "albef", "blip", "mafs-clip"])
def test_bundled_models_tell_their_tokens(spec: str) -> None:
    model = load(spec, Settings())
    long = " ".join(["red"] * 124)
    texts = ["a red dog", "A  RED DOG", f"{long} dog", f"{long} cat"]
    shares = unseen_tokens(model, texts[:1], texts[1:2])
    assert shares == {"texts_unseen": 1.0, "texts_beyond_cut": 0.0}
    assert unseen_tokens(model, texts[2:3], texts[3:]) == {"texts_unseen": 1.0, "texts_beyond_cut": 1.0}
    assert unseen_tokens(model, texts[:1], ["a rad dog"]) == {"texts_unseen": 0.0, "texts_beyond_cut": 0.0}


def test_it_is_said_once_per_corruption(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_run(tmp_path / "run", severities=(1, 5))
    cells = [
        replace(cell, audit={"texts_unseen": 0.2 * cell.severity, "texts_beyond_cut": 0.1})
        if cell.corruption == "keyboard"
        else cell
        for cell in read_run(folder).results
    ]
    write_atomically(folder / "results.json", results_json(cells).encode())
    assert remarks(read_run(folder)) == [
        "keyboard: the model reads 100% of the changed texts (severity 5) as it reads the clean ones, 10% because "
        "the change is beyond its context"
    ]
    print_summary(folder, folder / "curves.png")
    assert capsys.readouterr().out.count("as it reads the clean ones") == 1
    assert json.loads((folder / "results.json").read_text())
