"""Caption tokens and metrics against stored outputs of pycocoevalcap 1.2 with its Java tokenizer."""

import json
from pathlib import Path

import numpy as np
import pytest

from mafs_bench.metrics.caption_tokens import tokenize
from mafs_bench.metrics.captioning import CAPTIONING_METRICS, caption_statistics
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
