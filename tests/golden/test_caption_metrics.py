"""Caption tokens and metrics against stored outputs of pycocoevalcap 1.2 with its Java tokenizer."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from mafs_bench.metrics.caption_tokens import tokenize
from mafs_bench.metrics.captioning import CAPTIONING_METRICS, caption_statistics
from mafs_bench.metrics.java_metrics import SWITCH_OFF
from mafs_bench.types import Metric

GOLDEN = json.loads((Path(__file__).parent / "caption_metrics.json").read_text(encoding="utf-8"))
IMAGES = list(GOLDEN["refs"])
BY_NAME = {metric.name: metric for metric in CAPTIONING_METRICS}


@pytest.mark.parametrize("image", IMAGES)
def test_tokens(image: str) -> None:
    assert [" ".join(tokenize(text)) for text in GOLDEN["refs"][image]] == GOLDEN["gts_tok"][image]
    assert [" ".join(tokenize(text)) for text in GOLDEN["hyps"][image]] == GOLDEN["res_tok"][image]


def expected(metric: Metric) -> tuple[float, list[float]]:
    if metric.name.startswith("bleu"):
        order = int(metric.name[-1]) - 1
        return GOLDEN["scores"]["Bleu"][order], GOLDEN["per_image"]["Bleu"][order]
    key = {"cider_d": "CIDEr", "rouge_l": "ROUGE_L"}[metric.name]
    return GOLDEN["scores"][key], GOLDEN["per_image"][key]


@pytest.mark.parametrize("name", ["cider_d", "rouge_l", "bleu_1", "bleu_2", "bleu_3", "bleu_4"])
def test_corpus_and_images(name: str) -> None:
    frame = caption_statistics(
        [GOLDEN["hyps"][image][0] for image in IMAGES], [GOLDEN["refs"][image] for image in IMAGES]
    )
    metric = BY_NAME[name]
    columns = metric.columns(frame)
    corpus, images = expected(metric)
    assert metric.value(columns.sum(0)) == pytest.approx(corpus, abs=1e-9)
    np.testing.assert_allclose(metric.value(columns), images, atol=1e-9)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("java") is None, reason="there is no Java")
def test_meteor(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pycocoevalcap", reason="pycocoevalcap is not installed")
    monkeypatch.delenv(SWITCH_OFF, raising=False)
    hypotheses: list[str | None] = [GOLDEN["hyps"][image][0] for image in IMAGES]
    references = [GOLDEN["refs"][image] for image in IMAGES]
    metric = BY_NAME["meteor"]
    columns = metric.columns(caption_statistics(hypotheses, references))
    assert metric.value(columns.sum(0)) == pytest.approx(GOLDEN["scores"]["METEOR"], abs=1e-9)
    np.testing.assert_allclose(metric.value(columns), GOLDEN["per_image"]["METEOR"], atol=1e-9)
    holed = metric.columns(caption_statistics([None, *hypotheses[1:]], references))
    assert list(np.isnan(holed).any(axis=1)) == [True] + [False] * (len(IMAGES) - 1)


def test_java_metrics_are_not_available_rather_than_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH_OFF, "1")
    frame = caption_statistics(["a man"], [["a man", "a dog"]])
    for name in ("meteor", "spice"):
        assert np.isnan(BY_NAME[name].columns(frame)).any()
