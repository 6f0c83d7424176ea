"""VQA, captioning and matching over the runner's view, with models small enough to know their answers."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mafs_bench.adapters.base import Embeddings
from mafs_bench.datasets.resolve import resolve
from mafs_bench.errors import UsageError
from mafs_bench.stats.intervals import intervals
from mafs_bench.stats.resampling import Resampling
from mafs_bench.tasks import captioning, get_task, matching, vqa
from mafs_bench.tasks.base import Pair
from mafs_bench.types import Corruption, Image, Relevance
from tests.support.numbers import Reader, numbers, view_of


class Matcher(Reader):
    def match_probabilities(self, images: Embeddings, texts: Embeddings) -> np.ndarray:
        assert len(images) <= 256
        return 0.1 + 0.8 * np.einsum("nd,nd->n", images.vectors, texts.vectors)


def pair_corruption(operator: str, rate: float) -> Corruption:
    return Corruption("test", operator, operator, "pair", "dropout", tuple({"rate": rate} for _ in range(5)))


def values(task: str, frame: pd.DataFrame) -> dict[str, float | None]:
    resampling = Resampling(frame["group"], n_resamples=50)
    return {name: made.value for name, made in intervals(get_task(task).metrics, frame, resampling).items()}


def test_vqa_scores_every_question() -> None:
    dataset = numbers(30)
    frame = vqa.score(Reader(), view_of(dataset, Reader()))
    assert list(frame.columns[:3]) == ["id", "group", "answer_type"]
    assert list(frame["answer"]) == [str(i) for i in range(30)]
    assert (frame["score"] == 1).all()
    assert (frame["length"] == len("which number")).all()
    found = values("vqa", frame)
    assert found["accuracy"] == found["accuracy_number"] == 1
    assert found["accuracy_other"] is None
    assert found["ece"] == pytest.approx(0.25)
    assert found["aurc"] == 0


def test_vqa_questions_that_cannot_be_changed_are_unscored() -> None:
    keyboard = Corruption("test", "keyboard", "keyboard", "text", "text-character", ({"rate": 0.1},) * 5)
    dataset = numbers(4)
    without_words = replace(
        dataset.samples[1], questions=(replace(dataset.samples[1].questions[0], text="no 1"),)
    )
    samples = (dataset.samples[0], without_words, *dataset.samples[2:])
    view = view_of(replace(dataset, samples=samples), Reader(), keyboard, 1)
    frame = vqa.score(Reader(), view)
    assert list(frame["score"].isna()) == [False, True, False, False]
    assert frame["answer"].isna().sum() == 1
    assert values("vqa", frame)["accuracy"] == 1


@pytest.mark.parametrize(
    "corruption",
    [
        None,
        Corruption("test", "gaussian_noise", "gaussian_noise", "image", "noise", ({"scale": 0.1},) * 5),
        pair_corruption("pair_shuffle", 0.2),
    ],
)
def test_the_record_of_the_inputs_is_the_same_for_pairs_and_for_images(corruption: Corruption | None) -> None:
    dataset = numbers(12)
    pairs = [Pair(f"{i}/{k}", i, f"number {i}") for i in range(12) for k in range(4)]
    as_pairs, as_images = (view_of(dataset, Reader(), corruption, 3) for _ in range(2))
    assert sum(len(batch.rows) for batch in as_pairs.pair_batches(pairs)) == 48
    as_images.pair_embeddings(pairs)
    assert as_pairs.content_hash() == as_images.content_hash()
    assert as_pairs.audit() == as_images.audit()


def test_captioning_holds_captions_against_all_references() -> None:
    frame = captioning.score(Reader(), view_of(numbers(20), Reader()))
    assert list(frame["caption"][:2]) == ["a scene with number 0", "a scene with number 1"]
    found = values("captioning", frame)
    assert found["bleu_4"] == pytest.approx(1, abs=1e-6)
    assert found["rouge_l"] == 1
    assert 4 < found["cider_d"] < 10


def test_context_captioning_keeps_the_context_out_of_the_references() -> None:
    class Echo(Reader):
        def caption(self, images: Sequence[Image], contexts: Sequence[str]) -> list[str]:
            return [context.removeprefix("a scene with ") for context in contexts]

    frame = captioning.score_with_context(Echo(), view_of(numbers(20), Echo()))
    assert frame["id"][3] == "3#0"
    assert values("context-captioning", frame)["rouge_l"] == 1
    shuffled = view_of(numbers(20), Echo(), pair_corruption("text_dropout", 0.6), 1)
    dropped = values("context-captioning", captioning.score_with_context(Echo(), shuffled))["rouge_l"]
    assert dropped is not None
    assert 0.1 < dropped < 0.8


def test_context_captioning_needs_two_captions() -> None:
    dataset = numbers(2)
    single = replace(dataset, samples=tuple(replace(s, captions=s.captions[:1]) for s in dataset.samples))
    with pytest.raises(UsageError, match="two captions per image"):
        captioning.score_with_context(Reader(), view_of(single, Reader()))


def test_matching_is_balanced_and_deranged() -> None:
    dataset = numbers(41)
    pairs, label = matching.matching_pairs(dataset)
    assert label.sum() * 2 == len(pairs) == 82
    assert len({pair.id for pair in pairs}) == 82
    for pair, matched in zip(pairs, label, strict=True):
        assert (int(pair.text.split()[-1]) == pair.sample) == bool(matched)
    foreign = [pair.text.split()[-1] for pair, matched in zip(pairs, label, strict=True) if not matched]
    assert len(set(foreign)) == 41


def test_matching_asks_the_same_again() -> None:
    assert matching.matching_pairs(numbers(20))[0] == matching.matching_pairs(numbers(20))[0]


def test_matching_never_takes_a_true_caption() -> None:
    everywhere = Relevance(tuple(np.array([i - i % 2, i - i % 2 + 1]) for i in range(12) for _ in range(2)))
    for pair, matched in zip(*matching.matching_pairs(numbers(12, everywhere)), strict=True):
        owner = int(pair.text.split()[-1])
        assert (owner // 2 == pair.sample // 2) == bool(matched)


def test_one_image_has_no_mismatched_pair() -> None:
    frame = matching.score(Reader(), view_of(numbers(1), Reader()))
    assert list(frame["label"]) == [1]
    assert values("matching", frame)["auroc"] is None
    assert values("matching", frame)["pair_accuracy"] is None


def test_matching_without_probabilities() -> None:
    found = values("matching", matching.score(Reader(), view_of(numbers(50), Reader())))
    assert found == {"auroc": 1, "pair_accuracy": 1, "ece": None, "aurc": None}


def test_matching_with_probabilities() -> None:
    frame = matching.score(Matcher(), view_of(numbers(50), Matcher()))
    found = values("matching", frame)
    assert found["ece"] == pytest.approx(0.1, abs=1e-6)
    assert (found["auroc"], found["pair_accuracy"], found["aurc"]) == (1, 1, 0)


@pytest.mark.parametrize("operator", ["image_dropout", "text_dropout", "pair_shuffle"])
def test_matching_feels_pair_corruptions(operator: str) -> None:
    view = view_of(numbers(50), Reader(), pair_corruption(operator, 0.6), 1)
    assert 0.4 < values("matching", matching.score(Reader(), view))["auroc"] < 0.9


@pytest.mark.parametrize("operator", ["image_dropout", "pair_shuffle"])
def test_vqa_feels_pair_corruptions(operator: str) -> None:
    view = view_of(numbers(50), Reader(), pair_corruption(operator, 0.6), 1)
    assert 0.2 < values("vqa", vqa.score(Reader(), view))["accuracy"] < 0.6


SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "coco-mini"


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared photos are not here")
def test_real_captions_as_captions() -> None:
    dataset = resolve(str(SHARED), limit=20)

    class Parrot(Reader):
        def caption(self, images: Sequence[Image], contexts: Sequence[str]) -> list[str]:
            start = getattr(self, "start", 0)
            self.start = start + len(images)
            return [sample.captions[0] for sample in dataset.samples[start : self.start]]

    frame = captioning.score(Parrot(), view_of(dataset, Parrot()))
    assert values("captioning", frame)["bleu_4"] == pytest.approx(1, abs=1e-6)
    assert json.loads(frame.to_json(orient="records"))[0]["caption"] == dataset.samples[0].captions[0]
