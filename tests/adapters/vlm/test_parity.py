"""Every architecture against ``generate`` itself, one sample at a time; and against its own other batch sizes."""

from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from PIL import Image as PILImage

from mafs_bench.adapters.base import Settings
from mafs_bench.adapters.load import load
from mafs_bench.adapters.vlm.adapter import VisionLanguage
from mafs_bench.prompts import load_prompts
from tests.support.tiny_vlms import KINDS, write

QUESTIONS = [
    "What is this?",
    "Is there a dog in the picture? Answer yes or no.",
    "",
    "Which of these, if any of them, is what the people in the picture look at?",
    "Why",
]
"""Of lengths that no two share, so that all but the longest are padded."""
SIZES = [(96, 96), (60, 150), (130, 48), (224, 224), (64, 64)]
"""For models that cut images up, so that their numbers of image tokens differ."""
TOKENS = 8


def images() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    small = [rng.integers(0, 256, (4, 4, 3), dtype=np.uint8) for _ in SIZES]
    return [
        np.array(PILImage.fromarray(s).resize(size[::-1], PILImage.Resampling.BICUBIC))
        for s, size in zip(small, SIZES, strict=True)
    ]


@pytest.fixture(scope="module", params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("vlm") / request.param, request.param)


@pytest.fixture(scope="module")
def adapter(folder: Path) -> VisionLanguage:
    found = load(f"hf:{folder}", Settings(model_args={"max_new_tokens": str(TOKENS)}))
    assert isinstance(found, VisionLanguage)
    return found


@pytest.fixture(scope="module")
def expected(folder: Path) -> list[dict[str, object]]:
    """What transformers' own calls give: the prompt by its chat template, and plain greedy generation."""
    model = transformers.AutoModelForImageTextToText.from_pretrained(folder).eval()
    processor = transformers.AutoProcessor.from_pretrained(folder)
    found = []
    for image, question in zip(images(), QUESTIONS, strict=True):
        message = load_prompts().tasks["vqa"].text.replace("{question}", question)
        shown = PILImage.fromarray(image)
        if processor.chat_template is None:
            mark = "<image>" if folder.name == "paligemma" else ""
            inputs = processor(images=shown, text=mark + message, return_tensors="pt")
        else:
            content = [{"type": "image", "image": shown}, {"type": "text", "text": message}]
            inputs = processor.apply_chat_template(
                [{"role": "user", "content": content}],
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
            )
        given = model.generate(
            **inputs,
            do_sample=False,
            max_new_tokens=TOKENS,
            pad_token_id=0,
            output_logits=True,
            return_dict_in_generate=True,
        )
        new = given.sequences[0][-len(given.logits) :].tolist()
        first = torch.stack(given.logits)[:, 0].log_softmax(-1)
        chosen = [float(first[i, token]) for i, token in enumerate(new)]
        found.append({"ids": new, "first": first[0].numpy(), "confidence": np.exp(np.mean(chosen))})
    return found


def messages() -> list[str]:
    return [load_prompts().tasks["vqa"].fill(question=question) for question in QUESTIONS]


def test_answers_are_token_for_token_those_of_generate(
    adapter: VisionLanguage, expected: list[dict[str, object]]
) -> None:
    made = adapter._model.generate(images(), messages(), TOKENS)
    assert [list(one.ids) for one in made] == [one["ids"] for one in expected]
    assert len({one.ids for one in made}) > 1, "a model that says the same of everything tests nothing"
    confidences = [one["confidence"] for one in expected]
    assert np.allclose([one.confidence for one in made], confidences, atol=1e-5)


def test_first_tokens_are_those_of_generate(
    adapter: VisionLanguage, expected: list[dict[str, object]]
) -> None:
    first = adapter._model.first_token(images(), messages())
    assert np.abs(first - np.stack([one["first"] for one in expected])).max() < 1e-4


def test_nothing_depends_on_the_batch_size(adapter: VisionLanguage, record_property) -> None:
    shown, there = images(), np.ones((len(QUESTIONS), 2), dtype=bool)

    def asked(size: int) -> tuple[list[str], list[str], np.ndarray]:
        parts = [slice(i, i + size) for i in range(0, len(QUESTIONS), size)]
        answers = [a for p in parts for a in adapter.answer(shown[p], QUESTIONS[p], there[p])]
        captions = [c for p in parts for c in adapter.caption(shown[p], QUESTIONS[p])]
        numbers = np.concatenate([adapter.match_pairs(shown[p], QUESTIONS[p], there[p]) for p in parts])
        confident = [answer.confidence for answer in answers]
        return [answer.text for answer in answers], captions, np.concatenate([numbers, confident])

    alone = asked(1)
    for size in (2, 3, len(QUESTIONS)):
        together = asked(size)
        assert together[:2] == alone[:2]
        difference = float(np.abs(together[2] - alone[2]).max())
        record_property(f"batch of {size}", difference)
        assert difference < 1e-5


def test_a_missing_image_is_text_alone_or_the_blank(adapter: VisionLanguage, folder: Path) -> None:
    """In one batch with images that are there, and as if it were asked alone."""
    shown, there = images(), np.ones((len(QUESTIONS), 2), dtype=bool)
    there[1::2, 0] = False
    mixed = [answer.text for answer in adapter.answer(shown, QUESTIONS, there)]
    for row, text in enumerate(mixed):
        part = slice(row, row + 1)
        assert adapter.answer(shown[part], QUESTIONS[part], there[part])[0].text == text
    alone = folder.name not in ("paligemma", "blip-2")
    assert adapter.missing["image"] == ("a prompt of text alone" if alone else "blank")
    other = [255 - image for image in shown]
    changed = [answer.text for answer in adapter.answer(other, QUESTIONS, there)]
    if alone:
        assert changed[1::2] == mixed[1::2]
