"""Captions that are the same text: positives of each other in retrieval, never negatives in matching."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from mafs_bench.stats.intervals import intervals
from mafs_bench.stats.resampling import Resampling
from mafs_bench.tasks import fused_retrieval, get_task, matching, retrieval
from mafs_bench.tasks.base import relevant_captions, same_text, true_captions
from mafs_bench.types import Corruption, Dataset, Relevance
from tests.support.numbers import Reader, numbers, view_of

ANIMALS = ("dog", "cat", "bird")
VARIANTS = ("a photo of a {}", "A photo of a {}", " a photo of a {} ")


def animals(n: int = 12) -> Dataset:
    """Each third image is of the same animal, and so says its only caption."""
    made = numbers(n)
    samples = tuple(
        replace(sample, captions=(VARIANTS[i // 3 % 3].format(ANIMALS[i % 3]),))
        for i, sample in enumerate(made.samples)
    )
    return replace(made, samples=samples)


class Perfect(Reader):
    """Knows which animal is which."""

    def encode_images(self, images: Sequence[np.ndarray]) -> np.ndarray:
        return np.eye(3, dtype=np.float32)[[int(image[0, 0, 0]) % 3 for image in images]]

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        return np.eye(3, dtype=np.float32)[[ANIMALS.index(text.split()[-1]) for text in texts]]


def values(task: str, frame: pd.DataFrame) -> dict[str, float | None]:
    resampling = Resampling(frame["group"], n_resamples=20)
    return {name: made.value for name, made in intervals(get_task(task).metrics, frame, resampling).items()}


def test_a_perfect_model_is_perfect() -> None:
    found = values("retrieval", retrieval.score(Perfect(), view_of(animals(), Perfect())))
    assert (found["t2i_r1"], found["i2t_r1"]) == (1, 1)
    found = values("matching", matching.score(Perfect(), view_of(animals(), Perfect())))
    assert (found["auroc"], found["pair_accuracy"]) == (1, 1)


def test_equal_texts_are_true_of_each_others_images() -> None:
    truth = relevant_captions(animals())
    assert [list(images) for images in truth[:3]] == [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]]
    assert [list(captions) for captions in true_captions(animals())[:2]] == [[0, 3, 6, 9], [1, 4, 7, 10]]
    assert same_text(" STRASSE\n") == same_text("straße")


def test_equal_texts_join_what_a_data_set_says_is_true() -> None:
    said = Relevance(tuple(np.array(images) for images in ([0, 1], [1], [2], [3], [4], [5])))
    truth = relevant_captions(replace(animals(6), relevance=said))
    assert [list(images) for images in truth] == [[0, 1, 3], [1, 4], [2, 5], [0, 1, 3], [1, 4], [2, 5]]


def test_the_word_of_people_stands_alone() -> None:
    judged = Relevance(tuple(np.array([i]) for i in range(6)), image_totals=(1,) * 6)
    truth = relevant_captions(replace(animals(6), relevance=judged))
    assert [list(images) for images in truth] == [[0], [1], [2], [3], [4], [5]]
    pairs, label = matching.matching_pairs(replace(animals(6), relevance=judged))
    for pair, matched in zip(pairs, label, strict=True):
        assert (pair.text.split()[-1] == ANIMALS[pair.sample % 3]) == bool(matched)


def test_where_all_captions_are_equal_there_is_no_negative() -> None:
    one = replace(animals(), samples=tuple(replace(s, captions=("a dog",)) for s in animals().samples))
    pairs, label = matching.matching_pairs(one)
    assert len(pairs) == label.sum() == 12


def test_fused_queries_find_an_equal_text() -> None:
    class Fusing(Perfect):
        def fuse(self, images, texts):  # type: ignore[no-untyped-def]
            from mafs_bench.adapters.base import Fused

            return Fused(images.vectors)

    frame = fused_retrieval.score(Fusing(), view_of(animals(), Fusing()))
    assert (frame["score"] == 1).all()


def test_an_image_is_a_query_only_where_a_caption_changed() -> None:
    """Only the captions with a long word can be misspelt; the others, and their images, are as they were."""
    made = numbers(10)
    samples = tuple(
        replace(sample, captions=(f"elephants {i}", f"42 {i}") if i < 4 else (f"17 {i}",))
        for i, sample in enumerate(made.samples)
    )
    keyboard = Corruption("test", "keyboard", "keyboard", "text", "text-character", ({"rate": 1.0},) * 5)
    frame = retrieval.score(Reader(), view_of(replace(made, samples=samples), Reader(), keyboard, 1))
    scored = frame[frame["score"].notna()]
    assert list(scored[scored["direction"] == "i2t"]["id"]) == ["0", "1", "2", "3"]
    assert list(scored[scored["direction"] == "t2i"]["id"]) == ["0#0", "1#0", "2#0", "3#0"]
    assert len(frame) == 10 + 14
    clean = retrieval.score(Reader(), view_of(replace(made, samples=samples), Reader()))
    assert clean["score"].notna().all()
