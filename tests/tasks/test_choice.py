"""Multiple choice: scores of models whose preferences are known."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

import mafs_bench as mb
from mafs_bench.adapters.base import Adapter, ChoiceAsked
from mafs_bench.datasets.resolve import resolve
from mafs_bench.errors import AdapterError, UsageError
from mafs_bench.tasks.choice import permuted
from mafs_bench.types import Sample

N = 24


def samples() -> list[Sample]:
    """Scenes of which no two questions are equal."""
    return [
        replace(sample, choices=tuple(replace(c, text=f"{c.id}: {c.text}") for c in sample.choices))
        for sample in resolve("scenes", limit=N).samples
    ]


class Chooser(Adapter):
    """Prefers a letter, or the text of the right option."""

    weights = "0" * 64

    def __init__(self, letter: int | None) -> None:
        self.name = f"chooser {letter}"
        self.letter = letter
        self.right = {
            (choice.text, frozenset(choice.options)): choice.options[choice.answer]
            for sample in samples()
            for choice in sample.choices
        }
        self.asked: list[ChoiceAsked] = []

    def choose(
        self, images: Sequence[np.ndarray], asked: Sequence[ChoiceAsked], present: np.ndarray
    ) -> list[np.ndarray]:
        self.asked += asked
        return [self._shares(one) for one in asked]

    def _shares(self, one: ChoiceAsked) -> np.ndarray:
        options = list(one.options)
        right = self.right.get((one.question, frozenset(options)), options[0])
        shares = np.full(len(options), 0.1, dtype=np.float32)
        shares[self.letter if self.letter is not None else options.index(right)] = 0.7
        return shares


def run(model: Adapter, tmp_path, corruption: str = "clean", suite: str = "choice@1", **options) -> mb.Run:
    found = {"dataset": samples(), "progress": False, "suite": suite, "out": tmp_path / model.name, **options}
    return mb.run(model, corruption, found.pop("severity", 5), **found)


@pytest.mark.parametrize("task", ["multiple-choice", "multiple-choice-circular"])
def test_who_knows_the_answer_is_right_in_every_rotation(tmp_path, task: str) -> None:
    model = Chooser(None)
    scores = run(model, tmp_path, task=task).scores(task)
    assert scores["score"].tolist() == [1.0] * 2 * N
    assert np.allclose(scores["confidence"], 0.7)
    shown = [one.options for one in model.asked if one.question in {q for q, _ in model.right}]
    assert len(shown) == 2 * N * (4 if "circular" in task else 1)


def test_who_prefers_a_letter_is_right_once_and_never_in_all_rotations(tmp_path) -> None:
    first = [float(choice.answer == 0) for sample in samples() for choice in sample.choices]
    found = run(Chooser(0), tmp_path, task="multiple-choice-circular")
    scores = found.scores("multiple-choice-circular")
    assert scores["once"].tolist() == first
    assert scores["score"].tolist() == [0.0] * 2 * N
    table = found.table().set_index("metric")["value"]
    assert table["accuracy"] == pytest.approx(np.mean(first))
    assert table["circular_accuracy"] == 0
    assert table["ece"] == pytest.approx(abs(0.7 - np.mean(first)), abs=1e-6)


def test_other_orders_cost_only_who_goes_by_position(tmp_path) -> None:
    knows, guesses = (
        run(model, tmp_path, "option_shuffle", task="multiple-choice")
        for model in (Chooser(None), Chooser(0))
    )
    assert knows.scores("multiple-choice", "option_shuffle")["score"].tolist() == [1.0] * 2 * N
    clean = guesses.scores("multiple-choice")
    shuffled = guesses.scores("multiple-choice", "option_shuffle")
    assert (clean["chosen"] == 0).all()
    assert (shuffled["chosen"] != 0).any()


def test_corruptions_of_texts_change_the_question_alone(tmp_path) -> None:
    model = Chooser(0)
    run(model, tmp_path, "keyboard", suite="core@1", task="multiple-choice")
    own = {choice.text: choice.options for s in samples() for choice in s.choices}
    options = {choice.options for s in samples() for choice in s.choices}
    corrupted = [one for one in model.asked if one.question not in own and one.options in options]
    assert len(corrupted) > N
    known = {word for one in options for word in one}
    assert all(set(one.options) <= known for one in corrupted)


def test_option_shuffle_needs_options(tmp_path) -> None:
    with pytest.raises(UsageError, match="its input has no options"):
        mb.run("chance", "option_shuffle", 3, suite="choice@1", task="matching", limit=4, progress=False)


def test_orders_are_all_reached_and_never_the_own() -> None:
    assert permuted(4, -1) == [0, 1, 2, 3]
    found = {tuple(permuted(4, draw)) for draw in range(200)}
    assert len(found) == 23
    assert (0, 1, 2, 3) not in found
    assert all(sorted(order) == [0, 1, 2, 3] for order in found)
    assert {tuple(permuted(2, draw)) for draw in range(9)} == {(1, 0)}


def test_probabilities_that_are_none_are_named(tmp_path) -> None:
    class Wrong(Chooser):
        def _shares(self, one: ChoiceAsked) -> np.ndarray:
            return np.full(len(one.options), 0.5, dtype=np.float32)

    with pytest.raises(AdapterError, match=r"question 0: the probabilities add up to 2\.000; allowed: 1"):
        run(Wrong(0), tmp_path, task="multiple-choice")
