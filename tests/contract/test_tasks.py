"""Every task: what it declares, and the frame that it gives of any data set and condition."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mafs_bench.adapters.base import CAPABILITIES, Adapter, Answer, ChoiceAsked, Embeddings, Fused
from mafs_bench.errors import UnknownNameError
from mafs_bench.runs.encoder import Encoder
from mafs_bench.runs.view import ConditionParts, ConditionView
from mafs_bench.stats.intervals import intervals
from mafs_bench.stats.resampling import Resampling, unscored_rows
from mafs_bench.tasks import TASKS
from mafs_bench.tasks.base import Task
from mafs_bench.types import Choice, Condition, Corruption, Dataset, Image, Question, Sample

N = 12


class Grey:
    def __init__(self, level: int) -> None:
        self.level = level

    @property
    def name(self) -> str:
        return f"grey {self.level}"

    def load(self) -> Image:
        return np.full((32, 32, 3), self.level, dtype=np.uint8)


class Everything(Adapter):
    """Can do everything with one image or one text at a time, badly."""

    name, weights = "everything", "0"

    def encode_images(self, images: Sequence[Image]) -> np.ndarray:
        return unit(np.array([[image.mean() + 1, 64, 7] for image in images]))

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        return unit(np.array([[sum(text.encode()) % 97 + 1, len(text), 7] for text in texts]))

    def fuse(self, images: Embeddings, texts: Embeddings) -> Fused:
        return Fused(unit(images.vectors + texts.vectors), {"alpha_image": np.full(len(images), 0.5)})

    def prepare_answers(self, vocabulary: Sequence[str]) -> None:
        self.vocabulary = vocabulary

    def answer(self, images: Sequence[Image], questions: Sequence[str], present: np.ndarray) -> list[Answer]:
        return [Answer(self.vocabulary[len(question) % 2], 0.5) for question in questions]

    def choose(
        self, images: Sequence[Image], asked: Sequence[ChoiceAsked], present: np.ndarray
    ) -> list[np.ndarray]:
        return [np.full(len(one.options), 1 / len(one.options), dtype=np.float32) for one in asked]

    def caption(self, images: Sequence[Image], contexts: Sequence[str]) -> list[str]:
        return [
            f"{context} grey number {int(image.mean())}"
            for image, context in zip(images, contexts, strict=True)
        ]


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def dataset() -> Dataset:
    samples = tuple(
        Sample(
            f"s{i}",
            f"g{i}",
            Grey(10 * i),
            (f"grey number {10 * i}", f"the number is {10 * i}"),
            (Question(f"q{i}", f"is it {i}", ("yes",) * 7 + ("no",) * 3, answer_type="yes/no"),),
            choices=(Choice(f"c{i}", f"which is it {i}", ("this", "that", "none"), i % 3, "kind"),),
        )
        for i in range(N)
    )
    return Dataset("toy", "test", "0", "", "", samples, answer_vocabulary=("yes", "no"))


def frame_of(task: Task, *conditions: tuple[Corruption, int]) -> pd.DataFrame:
    adapter = Everything()
    encoder = Encoder(adapter, dataset(), seed=0, batch_size=5, workers=0)
    name = conditions[0][0].name if conditions else None
    condition = Condition("test", name, conditions[0][1] if conditions else 0, 0)
    return task.score(adapter, ConditionView(encoder, condition, ConditionParts.of(list(conditions))))


def pair_corruption(operator: str, family: str, **params: float) -> Corruption:
    return Corruption("test", operator, operator, "pair", family, tuple(params for _ in range(5)))


@pytest.fixture(params=TASKS.names())
def task(request: pytest.FixtureRequest) -> Task:
    found = TASKS.get(request.param)
    assert found.name == request.param
    return found


def test_declares_itself(task: Task) -> None:
    assert task.primary_metric in task.metrics
    assert {metric.task for metric in task.metrics} == {task.name}
    assert len({metric.name for metric in task.metrics}) == len(task.metrics)
    assert task.but_not <= {metric.name for metric in task.metrics}
    with pytest.raises(UnknownNameError, match=f"metric of {task.name}"):
        task.metric("no such metric")
    assert all(need <= set(CAPABILITIES) for need in task.needs)
    assert task.reads <= {"image", "text", "options"}
    assert task.requires in {"captions", "questions", "choices"}


def test_refuses_what_it_cannot_do(task: Task) -> None:
    assert "the model does not implement" in (task.refuse_adapter(frozenset()) or "")
    bare = replace(
        dataset(), samples=tuple(replace(s, captions=(), questions=(), choices=()) for s in dataset().samples)
    )
    assert f"toy has no {task.requires}" == task.refuse_dataset(bare)
    assert task.refuse_dataset(dataset()) is None
    shuffled = task.refuse_corruption(pair_corruption("pair_shuffle", "misalignment", rate=0.5))
    assert (shuffled is None) == task.joint_input
    for modality in ("image", "text"):
        dropped = task.refuse_corruption(pair_corruption(f"{modality}_dropout", "dropout", rate=0.5))
        assert (dropped is None) == (modality in task.reads)


def test_frame(task: Task) -> None:
    frame = frame_of(task)
    assert {"id", "group", "score"} <= set(frame.columns)
    assert {column.name for column in task.columns} <= set(frame.columns)
    assert not frame.duplicated(task.row_keys).any()
    assert set(frame["group"]) == {f"g{i}" for i in range(N)}
    assert frame["score"].notna().all()
    pd.testing.assert_frame_equal(frame, frame_of(task))


def test_every_row_has_its_input_and_its_meaning(task: Task) -> None:
    frame = frame_of(task)
    asked = {pair.id: pair for pair in task.inputs(dataset())}
    assert set(frame["id"]) == set(asked)
    groups = [dataset().samples[asked[name].sample].group for name in frame["id"]]
    assert list(frame["group"]) == groups
    unscored = frame.assign(score=np.nan, margin=np.nan)
    for values in (task.goodness(frame), task.wrong(frame), task.trace(frame)):
        assert (values.shape, values.dtype) == ((len(frame),), np.dtype(np.float64))
    assert set(np.unique(task.wrong(frame)[~np.isnan(task.wrong(frame))])) <= {0.0, 1.0}
    assert np.isnan(task.goodness(unscored)).all()
    assert np.isnan(task.wrong(unscored)).all()


def test_every_metric_reads_the_frame(task: Task) -> None:
    frame = frame_of(task)
    found = intervals(task.metrics, frame, Resampling(frame["group"], n_resamples=20))
    for metric in task.metrics:
        value = found[metric.name].value
        assert value is None or metric.low <= value <= metric.high
    assert found[task.primary].value is not None


def test_ids_stay_under_corruption(task: Task) -> None:
    corruption = pair_corruption("either_dropout", "dropout", rate=0.5)
    clean, dropped = frame_of(task), frame_of(task, (corruption, 1))
    assert list(dropped["id"]) == list(clean["id"])
    assert not unscored_rows(task.primary_metric, dropped).any()
