"""Outputs of the official ALBEF code (salesforce/ALBEF, b9727e4) on small random models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mafs_bench.adapters.albef.adapter import Albef
from mafs_bench.adapters.albef.checkpoint import read_checkpoint
from mafs_bench.adapters.albef.images import Preprocess
from mafs_bench.adapters.albef.model import AlbefRetrieval, AlbefVqa
from mafs_bench.adapters.albef.text import Tokenizer, clean_caption, clean_question
from mafs_bench.adapters.base import Settings

GOLDEN = Path(__file__).parents[2].parent / "shared" / "golden"
TOLERANCE = 1e-4

pytestmark = pytest.mark.skipif(
    not (GOLDEN / "albef_retrieval.pth").is_file(), reason="the shared golden folder is not here"
)


def arrays(name: str) -> dict[str, Any]:
    with np.load(GOLDEN / f"{name}.npz") as stored:
        return {key: stored[key] for key in stored.files}


def facts(name: str) -> dict[str, Any]:
    return dict(json.loads((GOLDEN / f"{name}.json").read_text()))


@pytest.fixture(scope="module")
def retrieval() -> Albef:
    return Albef.load(str(GOLDEN / "albef_retrieval.pth"), Settings())


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    return arrays("albef_retrieval")


@pytest.fixture(scope="module")
def images(golden: dict[str, Any]) -> list[Any]:
    return [golden[f"image_{i}"] for i in range(6)]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.load(GOLDEN / "vocab.txt")


def close(actual: Any, expected: Any) -> None:
    np.testing.assert_allclose(actual, expected, rtol=0, atol=TOLERANCE)


def test_pixels(golden: dict[str, Any], images: list[Any]) -> None:
    close(np.stack([Preprocess(64)(image) for image in images]), golden["pixel_values"])


def test_captions_are_cleaned() -> None:
    stored = facts("albef_retrieval")
    assert [clean_caption(text) for text in stored["captions"]] == stored["pre_captions"]


def test_questions_are_cleaned() -> None:
    stored = facts("albef_vqa")
    assert [clean_question(text) for text in stored["questions"]] == stored["pre_questions"]


def test_caption_ids(golden: dict[str, Any], tokenizer: Tokenizer) -> None:
    ids, mask = tokenizer.captions(facts("albef_retrieval")["captions"])
    np.testing.assert_array_equal(ids, golden["input_ids"])
    np.testing.assert_array_equal(mask, golden["attention_mask"])


def test_question_and_answer_ids(tokenizer: Tokenizer) -> None:
    stored, golden = facts("albef_vqa"), arrays("albef_vqa")
    for kind, (ids, mask) in {
        "question": tokenizer.questions(stored["questions"]),
        "answer": tokenizer.answers(stored["answers"]),
    }.items():
        np.testing.assert_array_equal(ids, golden[f"{kind}_ids"])
        np.testing.assert_array_equal(mask, golden[f"{kind}_mask"])


def test_features(retrieval: Albef, golden: dict[str, Any], images: list[Any]) -> None:
    encoded = retrieval.encode_images(images)
    texts = retrieval.encode_texts(facts("albef_retrieval")["captions"])
    close(encoded.vectors, golden["image_feat"])
    close(texts.vectors, golden["text_feat"])
    close(encoded.vectors @ texts.vectors.T, golden["sim_i2t"])


def test_matching(retrieval: Albef, golden: dict[str, Any], images: list[Any]) -> None:
    pairs = np.indices((6, 8)).reshape(2, -1)
    aligned = (
        retrieval.encode_images(images).take(pairs[0]),
        retrieval.encode_texts(facts("albef_retrieval")["captions"]).take(pairs[1]),
    )
    logits = golden["itm_logits"].reshape(-1, 2)
    close(retrieval.score_pairs(*aligned), logits[:, 1])
    close(retrieval.match_probabilities(*aligned), torch.tensor(logits).softmax(dim=-1)[:, 1])


def test_reranking_is_by_the_matching_logit_alone(
    retrieval: Albef, golden: dict[str, Any], images: list[Any]
) -> None:
    assert retrieval.rerank == facts("albef_retrieval")["config"]["k_test"]
    encoded = retrieval.encode_images(images)
    texts = retrieval.encode_texts(facts("albef_retrieval")["captions"])
    similarities = torch.tensor(encoded.vectors @ texts.vectors.T)
    for expected, table in ((golden["score_i2t"], similarities), (golden["score_t2i"].T, similarities.T)):
        best = table.topk(retrieval.rerank, dim=1).indices.numpy()
        rows = np.repeat(np.arange(len(table)), retrieval.rerank)
        image, text = (rows, best.ravel()) if table is similarities else (best.ravel(), rows)
        reranked = np.full((6, 8), -100.0)
        reranked[image, text] = retrieval.score_pairs(encoded.take(image), texts.take(text))
        close(reranked, expected)


def test_other_resolution(retrieval: Albef, golden: dict[str, Any], images: list[Any]) -> None:
    model = read_checkpoint(GOLDEN / "albef_retrieval.pth").build(size=96)
    assert isinstance(model, AlbefRetrieval)
    texts = retrieval.encode_texts(facts("albef_retrieval")["captions"])
    ids, mask = torch.tensor(texts.states["tokens"]).unbind(dim=1)
    with torch.inference_mode():
        states = model.visual_encoder(torch.tensor(np.stack([Preprocess(96)(image) for image in images])))
        features = model.image_features(states)
        text_states = model.text_states(ids, mask)
        logits = [model.match(state.expand(8, -1, -1), text_states, mask) for state in states]
    close(features, golden["res96_image_feat"])
    close(features.numpy() @ texts.vectors.T, golden["res96_sim_i2t"])
    close(torch.stack(logits), golden["res96_itm_logits"])


@pytest.mark.parametrize("k", [5, 12])
def test_answer_ranking(k: int, images: list[Any], tokenizer: Tokenizer) -> None:
    stored, golden = facts("albef_vqa"), arrays("albef_vqa")
    model = read_checkpoint(GOLDEN / "albef_vqa.pth").build()
    assert isinstance(model, AlbefVqa)
    ids, mask = (torch.tensor(array) for array in tokenizer.questions(stored["questions"]))
    answers = [torch.tensor(array) for array in tokenizer.answers(stored["answers"])]
    with torch.inference_mode():
        pixels = torch.tensor(np.stack([Preprocess(64)(image) for image in images[:4]]))
        states = model.encode_questions(model.visual_encoder(pixels), ids, mask)
        order, shares = model.rank_answers(states, mask, *answers, k)
    close(states, golden["question_states"])
    np.testing.assert_array_equal(order, golden[f"topk_ids_{k}"])
    close(shares, golden[f"topk_probs_{k}"])


def test_answers(images: list[Any]) -> None:
    stored, golden = facts("albef_vqa"), arrays("albef_vqa")
    adapter = Albef.load(str(GOLDEN / "albef_vqa.pth"), Settings())
    adapter.prepare_answers(stored["answers"])
    answers = adapter.answer(images[:4], stored["questions"], np.ones((4, 2), dtype=bool))
    assert [answer.text for answer in answers] == [row["answer"] for row in stored["predictions"]]
    close([answer.confidence for answer in answers], golden["topk_probs_5"][:, 0])
