"""Outputs of transformers 5.23 on small random BLIP models, in its own reading and in the official one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mafs_bench.adapters.base import Settings
from mafs_bench.adapters.blip.adapter import PROMPT, Blip
from mafs_bench.adapters.blip.models import (
    Answering,
    Captioning,
    Retrieval,
    load_answering,
    load_captioning,
    load_preprocess,
    load_retrieval,
)
from mafs_bench.adapters.blip.sources import resolve
from mafs_bench.adapters.blip.text import decoder_token, encoder_token, padded, unpadded

GOLDEN = Path(__file__).parents[2].parent / "shared" / "golden"
FOLDER = str(GOLDEN / "blip_tiny")
TOLERANCE = 1e-4

pytestmark = pytest.mark.skipif(
    not (GOLDEN / "blip.npz").is_file(), reason="the golden outputs of BLIP are not beside the repository"
)


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    with np.load(GOLDEN / "blip.npz") as stored:
        return {key: stored[key] for key in stored.files}


@pytest.fixture(scope="module")
def facts() -> dict[str, Any]:
    return dict(json.loads((GOLDEN / "blip.json").read_text()))


@pytest.fixture(scope="module")
def images() -> list[Any]:
    with np.load(GOLDEN / "albef_retrieval.npz") as stored:
        return [stored[f"image_{i}"] for i in range(6)]


@pytest.fixture(scope="module")
def retrieval() -> Retrieval:
    return load_retrieval(resolve(FOLDER)["itm"], "cpu")


@pytest.fixture(scope="module")
def captioning() -> Captioning:
    return load_captioning(resolve(FOLDER)["caption"], "cpu")


@pytest.fixture(scope="module")
def answering() -> Answering:
    return load_answering(resolve(FOLDER)["vqa"], "cpu")


@pytest.fixture(scope="module")
def adapter() -> Blip:
    return Blip.load(FOLDER, Settings())


def close(actual: Any, expected: Any) -> None:
    np.testing.assert_allclose(actual, expected, rtol=0, atol=TOLERANCE)


def pixels(golden: dict[str, Any], n: int = 6) -> torch.Tensor:
    return torch.tensor(golden["pixel_values"][:n])


def test_pixels(golden: dict[str, Any], images: list[Any]) -> None:
    preprocess = load_preprocess(resolve(FOLDER)["itm"])
    close(np.stack([preprocess(image) for image in images]), golden["pixel_values"])


def test_caption_ids(retrieval: Retrieval, golden: dict[str, Any], facts: dict[str, Any]) -> None:
    tokens = padded(retrieval.tokenizer, facts["captions"])
    np.testing.assert_array_equal(tokens[:, 0], golden["caption_ids"])
    np.testing.assert_array_equal(tokens[:, 1], golden["caption_mask"])


def test_contrast(retrieval: Retrieval, golden: dict[str, Any]) -> None:
    ids, mask = torch.tensor(golden["caption_ids"]), torch.tensor(golden["caption_mask"])
    with torch.inference_mode():
        vectors = retrieval.image_features(retrieval.image_states(pixels(golden)))
        close(vectors @ retrieval.text_features(ids, mask).T, golden["itc"])


def test_matching_reads_enc_as_the_official_model_does(retrieval: Retrieval, golden: dict[str, Any]) -> None:
    ids, mask = torch.tensor(golden["caption_ids"]), torch.tensor(golden["caption_mask"])
    with torch.inference_mode():
        states = retrieval.image_states(pixels(golden))
        ours = torch.stack([retrieval.match(state.expand(8, -1, -1), ids, mask) for state in states])
    close(ours, golden["itm_enc"])
    assert np.abs(ours.numpy() - golden["itm_cls"]).max() > 0.1


def test_transformers_own_matching_reads_cls(retrieval: Retrieval, golden: dict[str, Any]) -> None:
    ids, mask = torch.tensor(golden["caption_ids"]), torch.tensor(golden["caption_mask"])
    with torch.inference_mode():
        theirs = [
            retrieval.model(input_ids=ids, attention_mask=mask, pixel_values=image.expand(8, -1, -1, -1))
            for image in pixels(golden)
        ]
    close(torch.stack([output.itm_score for output in theirs]), golden["itm_cls"])


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("prompt", ["", PROMPT])
def test_captions(captioning: Captioning, golden: dict[str, Any], prompt: str, beams: int) -> None:
    ids = [decoder_token(captioning.config), *captioning.tokenizer(prompt)["input_ids"][1:-1]]
    with torch.inference_mode():
        states = captioning.image_states(pixels(golden))
        written = captioning.write(states, torch.tensor([ids] * 6), num_beams=beams, max_new_tokens=12)
    key = f"cap_prompt_beam{beams}" if prompt else f"cap_beam{beams}"
    np.testing.assert_array_equal(written, golden[key])


@pytest.mark.parametrize("beams", [1, 3])
def test_answers_one_by_one(
    answering: Answering, golden: dict[str, Any], facts: dict[str, Any], beams: int
) -> None:
    """The stored answers were made as transformers does it, with ``[CLS]`` first."""
    cls = answering.tokenizer.cls_token_id
    questions = unpadded(answering.tokenizer, facts["questions"], cls)
    with torch.inference_mode():
        states = answering.image_states(pixels(golden, 4))
        written = [
            answering.write(
                answering.question_states(states[row : row + 1], torch.tensor([ids])),
                num_beams=beams,
                max_new_tokens=6,
            )[0]
            for row, ids in enumerate(questions)
        ]
    np.testing.assert_array_equal(torch.stack(written), golden[f"vqa_single_beam{beams}"])


@pytest.mark.parametrize("beams", [1, 3])
def test_padding_changes_what_transformers_answers(
    answering: Answering, golden: dict[str, Any], facts: dict[str, Any], beams: int
) -> None:
    encoded = answering.tokenizer(facts["questions"], padding="longest", return_tensors="pt")
    written = answering.model.generate(
        **{key: encoded[key] for key in ("input_ids", "attention_mask")},
        pixel_values=pixels(golden, 4),
        num_beams=beams,
        max_new_tokens=6,
    )
    np.testing.assert_array_equal(written, golden[f"vqa_batch_beam{beams}"])
    differs = not np.array_equal(golden[f"vqa_batch_beam{beams}"], golden[f"vqa_single_beam{beams}"])
    assert differs == (beams == 3)


def test_questions_begin_with_enc(answering: Answering, facts: dict[str, Any]) -> None:
    rows = unpadded(answering.tokenizer, facts["questions"], encoder_token(answering.config))
    assert {row[0] for row in rows} == {146}
    assert encoder_token(answering.config) == decoder_token(answering.config) + 1


@pytest.mark.parametrize("vocabulary", [(), ("yes", "no", "red", "two", "on the beach", "green grass")])
def test_no_answer_depends_on_its_batch(
    adapter: Blip, images: list[Any], facts: dict[str, Any], vocabulary: tuple[str, ...]
) -> None:
    adapter.prepare_answers(vocabulary)
    questions = [*facts["questions"], facts["questions"][0], ""]
    together = adapter.answer(images, questions, np.ones((6, 2), dtype=bool))
    alone = [
        adapter.answer([image], [question], np.ones((1, 2), dtype=bool))[0]
        for image, question in zip(images, questions, strict=True)
    ]
    assert together == alone
    assert all(0 < answer.confidence <= 1 for answer in together)
    assert not vocabulary or {answer.text for answer in together} <= set(vocabulary)


def test_reranking_adds_the_similarity(
    adapter: Blip, retrieval: Retrieval, images: list[Any], facts: dict[str, Any]
) -> None:
    encoded, texts = adapter.encode_images(images), adapter.encode_texts(facts["captions"][:6])
    with torch.inference_mode():
        ids, mask = torch.tensor(texts.states["tokens"]).unbind(dim=1)
        logits = retrieval.match(torch.tensor(encoded.states["tokens"]), ids, mask)
    close(
        adapter.score_pairs(encoded, texts), logits[:, 1].numpy() + np.diag(encoded.vectors @ texts.vectors.T)
    )
    close(adapter.match_probabilities(encoded, texts), logits.softmax(dim=-1)[:, 1])


def test_captions_hold_neither_context_nor_prompt(adapter: Blip, images: list[Any]) -> None:
    captions = adapter.caption(images[:3], ["", "two dogs", "people at a table"])
    assert len(captions) == 3
    assert not any(PROMPT in caption or "dec" in caption.lower().split() for caption in captions)
    assert captions[0] == adapter.caption(images[:1], [""])[0]
