"""CLIPScore through a run's view against the paper's formula on open_clip's own features."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mafs_bench.adapters.base import Adapter, Settings
from mafs_bench.adapters.clip import Clip
from mafs_bench.corruptions import suite as suites
from mafs_bench.metrics.clip_score import clip_scores, ref_clip_scores
from mafs_bench.runs.encoder import ClipJudge, Encoder
from mafs_bench.runs.view import ConditionParts, ConditionView
from mafs_bench.stats.intervals import intervals
from mafs_bench.stats.resampling import Resampling
from mafs_bench.tasks import captioning, get_task
from mafs_bench.types import Condition, Dataset, Image, Sample

GOLDEN = Path(__file__).parents[2].parent / "shared" / "golden"
needs_golden = pytest.mark.skipif(
    not (GOLDEN / "open_clip.npz").is_file(),
    reason="the golden outputs of open_clip are not beside the repository",
)
WORDS = ["a red car", "two dogs on a beach", "", "someone who rides a bicycle through the rain"]


@dataclass(frozen=True)
class Stored:
    """One of the golden pictures."""

    number: int

    @property
    def name(self) -> str:
        return f"image_{self.number}"

    def load(self) -> Image:
        return np.load(GOLDEN / "albef_retrieval.npz")[self.name]


class Writer(Adapter):
    """Writes a caption that depends on the picture that it is given."""

    name, weights = "writer", ""

    def caption(self, images: list[Image], contexts: list[str]) -> list[str]:
        return [WORDS[int(image.astype(int).sum()) % len(WORDS)] for image in images]


def dataset() -> Dataset:
    samples = [Sample(f"s{i}", f"s{i}", Stored(i), (*tuple(WORDS[: 1 + i % 3]), f"{i}")) for i in range(6)]
    return Dataset("stored", "test", "0", "", "", tuple(samples))


def frame_of(task: captioning.Task, corruption: str | None, judged: bool) -> pd.DataFrame:
    judge = Clip.load(f"local-dir:{GOLDEN / 'clip_tiny'}", Settings())
    data = dataset()
    chosen = [(suites.load("core@1").select(corruption)[0], 5)] if corruption else []
    encoder = Encoder(Writer(), data, seed=0, batch_size=4, workers=0)
    encoder.judge = ClipJudge(Encoder(judge, data, seed=0, batch_size=4, workers=0)) if judged else None
    condition = Condition("core@1", corruption, 5 if corruption else 0, 0)
    return task.score(encoder.adapter, ConditionView(encoder, condition, ConditionParts.of(chosen)))


def expected(captions: list[str], references: list[tuple[str, ...]]) -> tuple[np.ndarray, np.ndarray]:
    """The paper's two formulas, on features of ``open_clip`` alone and the clean pictures."""
    import open_clip
    import torch
    from PIL import Image as PILImage

    name = f"local-dir:{GOLDEN / 'clip_tiny'}"
    model, _, transform = open_clip.create_model_and_transforms(name)
    tokenizer = open_clip.get_tokenizer(name)
    model.eval()

    def texts(sentences: list[str]) -> torch.Tensor:
        prompts = tokenizer([f"A photo depicts {sentence}" for sentence in sentences])
        return torch.nn.functional.normalize(model.encode_text(prompts), dim=-1)

    with torch.no_grad():
        pixels = torch.stack([transform(PILImage.fromarray(Stored(i).load())) for i in range(6)])
        images = torch.nn.functional.normalize(model.encode_image(pixels), dim=-1)
        ours = texts(captions)
        score = 2.5 * torch.clamp((images * ours).sum(-1), min=0)
        nearest = [float((texts(list(r)) @ ours[i]).max().clamp(min=0)) for i, r in enumerate(references)]
    score = score.double().numpy()
    return score, np.array(
        [2 * s * r / (s + r) if s + r else 0.0 for s, r in zip(score, nearest, strict=True)]
    )


@needs_golden
@pytest.mark.parametrize("corruption", [None, "gaussian_noise", "image_dropout"])
@pytest.mark.parametrize("task", [captioning.TASK, captioning.CONTEXT_TASK], ids=lambda task: task.name)
def test_captions_of_corrupted_images_are_judged_by_the_clean_ones(task, corruption) -> None:
    if task.refuse_corruption(suites.load("core@1").select(corruption or "gaussian_noise")[0]):
        pytest.skip("not applicable")
    frame = frame_of(task, corruption, judged=True)
    first = 1 if task is captioning.CONTEXT_TASK else 0
    score, with_references = expected(
        list(frame["caption"]), [sample.captions[first:] for sample in dataset().samples]
    )
    np.testing.assert_allclose(frame["clip_score"], score, atol=1e-5)
    np.testing.assert_allclose(frame["ref_clip_score"], with_references, atol=1e-5)
    found = intervals(get_task(task.name).metrics, frame, Resampling(frame["group"], n_resamples=50))
    assert found["clip_score"].value == pytest.approx(score.mean(), abs=1e-5)
    assert found["ref_clip_score"].value == pytest.approx(with_references.mean(), abs=1e-5)


@needs_golden
def test_without_a_judge_there_is_no_number() -> None:
    frame = frame_of(captioning.TASK, None, judged=False)
    found = intervals(get_task("captioning").metrics, frame, Resampling(frame["group"], n_resamples=50))
    for name in ("clip_score", "ref_clip_score"):
        assert name not in frame
        assert found[name].value is None
        assert (found[name].n, found[name].n_unscored) == (0, len(frame))


def unit(*vectors: list[float]) -> np.ndarray:
    rows = np.array(vectors, dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_known_values() -> None:
    images, captions = unit([1, 0], [1, 0], [1, 0]), unit([1, 0], [1, 1], [-1, 0])
    scores = clip_scores(images, captions)
    np.testing.assert_allclose(scores, [2.5, 2.5 / np.sqrt(2), 0])
    references = [unit([1, 0], [0, 1]), unit([1, -1]), unit([1, 0])]
    np.testing.assert_allclose(
        ref_clip_scores(scores, captions, references), [2 * 2.5 / 3.5, 0, 0], atol=1e-7
    )
    metric = {metric.name: metric for metric in get_task("captioning").metrics}
    assert metric["clip_score"].high == scores[0]
    assert metric["ref_clip_score"].high == pytest.approx(2 * 2.5 / 3.5)
