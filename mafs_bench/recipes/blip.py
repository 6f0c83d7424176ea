"""A small BLIP for scenes, in the three folders that transformers reads.

The image encoder first learns to predict the contents of scenes and the text encoder those of captions, as the official
ones come from ImageNet and BERT. Then contrast, matching with hard negatives, captioning and answering at once (arXiv
2201.12086, section 3); the three models share their image encoder, and matching and questions share the text
encoder. No momentum distillation, no filtering of captions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import transformers
from torch import nn
from torch.nn import functional

from mafs_bench.adapters.albef.images import MEAN, STD
from mafs_bench.adapters.blip.adapter import PROMPT
from mafs_bench.adapters.blip.models import Preprocess, Retrieval, processor_class, quiet
from mafs_bench.adapters.blip.text import clean_caption, clean_question, decoder_token, encoder_token
from mafs_bench.recipes.baseline_data import (
    QUESTIONS_A_SCENE,
    SPECIAL,
    Batch,
    SceneBatches,
    make_vocabulary,
)
from mafs_bench.recipes.baseline_loop import Budget, Losses, prepare_folder, write_card
from mafs_bench.recipes.baseline_losses import (
    AgreementHead,
    ClaimHead,
    SceneHead,
    contrastive,
    matching_rows,
)
from mafs_bench.recipes.baseline_measure import add_measured
from mafs_bench.recipes.baseline_phases import Curriculum, train

_SIZE, _PATCH, _WIDTH, _HEADS = 96, 16, 128, 4
_VISION_DEPTH, _TEXT_DEPTH = 4, 2
_TEMPERATURE = 0.07
_MAX_TOKENS = 48
_K_TEST = 16
_IGNORED = -100
_ADDED = ("[DEC]", "[ENC]")

Tokens = tuple[torch.Tensor, torch.Tensor]


@dataclass
class _Student:
    """The three models, with what is shared between them, and what is thrown away in the end."""

    itm: Any
    caption: Any
    vqa: Any
    scene: SceneHead
    claims: ClaimHead
    agreement: AgreementHead
    temperature: nn.Parameter

    def modules(self) -> list[nn.Module]:
        return [self.itm, self.caption, self.vqa, self.agreement, nn.ParameterList([self.temperature])]


@dataclass(frozen=True)
class _Reader:
    """The tokenizer, with the first tokens that the official model puts."""

    tokenizer: Any
    config: Any

    def captions(self, texts: Sequence[str]) -> Tokens:
        """``[CLS]`` …"""
        return self._encode([clean_caption(text) for text in texts], self.tokenizer.cls_token_id)

    def questions(self, texts: Sequence[str]) -> Tokens:
        """``[ENC]`` …"""
        return self._encode([clean_question(text) for text in texts], encoder_token(self.config))

    def written(self, texts: Sequence[str]) -> Tokens:
        """``[DEC]`` …"""
        return self._encode(texts, decoder_token(self.config))

    def _encode(self, texts: Sequence[str], first: int) -> Tokens:
        encoded = self.tokenizer(
            list(texts), padding="longest", truncation=True, max_length=_MAX_TOKENS, return_tensors="pt"
        )
        ids = encoded["input_ids"].clone()
        ids[:, 0] = first
        return ids, encoded["attention_mask"]


def train_blip(folder: Path, budget: Budget, log: Callable[[str], None]) -> Path:
    """Train and write ``itm/``, ``caption/``, ``vqa/`` and a card into ``folder``.

    What was in the folder stays as it is until the training is over. Raises ``WeightsError`` where the folder cannot
    be written, ``TrainingError`` for a loss that is not finite.
    """
    prepare_folder(folder)
    torch.manual_seed(budget.seed)
    log("drawing the scenes")
    batches = SceneBatches(_SIZE, budget.limit)
    tokenizer = _tokenizer(make_vocabulary([*batches.texts(), PROMPT]))
    config = _config(len(tokenizer))
    student = _build(config)
    reader = _Reader(tokenizer, config)
    part = Retrieval(student.itm, tokenizer, Preprocess(_processor()))
    plan = Curriculum(
        model="blip",
        image_encoder=student.itm.vision_model,
        see=part.image_states,
        scene=student.scene,
        text_encoder=student.itm.text_encoder,
        read=lambda texts: part.text_states(*reader.captions(texts)),
        claims=student.claims,
        modules=student.modules(),
        losses=lambda batch, generator: _losses(student, part, reader, batch, generator),
    )
    runs = train(plan, batches, budget, folder, log)
    _save(folder, student, tokenizer)
    about = {
        "model": "BLIP, small, for the scenes data set (Li et al., arXiv 2201.12086)",
        "licence": "Apache-2.0",
        "sizes": {
            "image": _SIZE, "patch": _PATCH, "width": _WIDTH, "heads": _HEADS,
            "image layers": _VISION_DEPTH, "text layers": _TEXT_DEPTH,
        },
    }  # fmt: skip
    card = write_card(folder, "blip", about, budget, runs)
    log("measuring it")
    add_measured(card, f"blip:{folder}")
    return card


def _tokenizer(vocabulary: Sequence[str]) -> Any:
    words = {word: number for number, word in enumerate([*vocabulary, *_ADDED])}
    return transformers.BertTokenizer(
        vocab=words, do_lower_case=True, bos_token=_ADDED[0], additional_special_tokens=[_ADDED[1]]
    )


def _config(words: int) -> Any:
    return transformers.BlipConfig(
        text_config={
            "vocab_size": words,
            "bos_token_id": words - 2,
            "pad_token_id": SPECIAL.index("[PAD]"),
            "sep_token_id": SPECIAL.index("[SEP]"),
            "eos_token_id": SPECIAL.index("[SEP]"),
            "hidden_size": _WIDTH,
            "encoder_hidden_size": _WIDTH,
            "intermediate_size": 4 * _WIDTH,
            "num_hidden_layers": _TEXT_DEPTH,
            "num_attention_heads": _HEADS,
            "max_position_embeddings": _MAX_TOKENS,
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
        },
        vision_config={
            "hidden_size": _WIDTH,
            "intermediate_size": 4 * _WIDTH,
            "num_hidden_layers": _VISION_DEPTH,
            "num_attention_heads": _HEADS,
            "image_size": _SIZE,
            "patch_size": _PATCH,
            "initializer_range": 0.02,
        },
        projection_dim=_WIDTH,
        image_text_hidden_size=_WIDTH,
        k_test=_K_TEST,
    )


def _build(config: Any) -> _Student:
    itm = transformers.BlipForImageTextRetrieval(config)
    caption = transformers.BlipForConditionalGeneration(config)
    vqa = transformers.BlipForQuestionAnswering(config)
    caption.vision_model = vqa.vision_model = itm.vision_model
    vqa.text_encoder = itm.text_encoder
    heads = SceneHead(_WIDTH, _SIZE // _PATCH), ClaimHead(_WIDTH), AgreementHead(_WIDTH)
    return _Student(itm, caption, vqa, *heads, nn.Parameter(torch.tensor(_TEMPERATURE)))


def _losses(
    student: _Student, part: Retrieval, reader: _Reader, batch: Batch, generator: torch.Generator
) -> Losses:
    image_states = batch.states
    ids, mask = reader.captions(batch.captions)
    text_states = part.text_states(ids, mask)
    images, texts = part.image_features(image_states), part.project_text(text_states)
    similarities = images @ texts.T / student.temperature
    image_rows, text_rows, labels = matching_rows(similarities, batch.true, generator)
    fused = part.fused(image_states[image_rows], ids[text_rows], mask[text_rows])
    return {
        "contrast": contrastive(images, texts, student.temperature, batch.true.float()),
        "matching": functional.cross_entropy(student.itm.itm_head(fused[:, 0]), labels),
        "agreement": student.agreement(fused, batch.claims[text_rows], batch.facts[image_rows]),
        "captions": _captions(student, reader, image_states, batch),
        "answers": _answers(student, reader, image_states, batch),
        "claims": student.claims(text_states, batch.claims),
    }


def _captions(student: _Student, reader: _Reader, image_states: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Negative log-likelihood a token of a caption behind its prompt."""
    ids, mask = reader.written([f"{PROMPT} {clean_caption(text)}" for text in batch.captions])
    prompt = len(PROMPT.split())
    return _next_tokens(student.caption.text_decoder, ids, mask, image_states, None, skipped=prompt).mean()


def _answers(student: _Student, reader: _Reader, image_states: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Negative log-likelihood of one human answer per question."""
    ids, mask = reader.questions(batch.questions)
    seen = image_states.repeat_interleave(QUESTIONS_A_SCENE, dim=0)
    states = student.vqa.text_encoder(
        input_ids=ids, attention_mask=mask, encoder_hidden_states=seen
    ).last_hidden_state
    answers, answer_mask = reader.written(batch.answers)
    losses = _next_tokens(student.vqa.text_decoder, answers, answer_mask, states, mask)
    return losses.sum() / len(ids)


def _next_tokens(
    decoder: Any,
    ids: torch.Tensor,
    mask: torch.Tensor,
    memory: torch.Tensor,
    memory_mask: torch.Tensor | None,
    skipped: int = 0,
) -> torch.Tensor:
    """Losses of all tokens that are there, but for the first one and the ``skipped`` ones behind it."""
    logits = decoder(
        input_ids=ids,
        attention_mask=mask,
        encoder_hidden_states=memory,
        encoder_attention_mask=memory_mask,
    ).logits
    targets = ids.masked_fill(mask == 0, _IGNORED)[:, 1 + skipped :]
    kept = targets != _IGNORED
    return functional.cross_entropy(logits[:, skipped:-1][kept], targets[kept], reduction="none")


def _save(folder: Path, student: _Student, tokenizer: Any) -> None:
    processor = _processor()
    for name, model in (("itm", student.itm), ("caption", student.caption), ("vqa", student.vqa)):
        with quiet(), TemporaryDirectory(dir=folder, prefix=f".{name}.") as temporary:
            model.half().save_pretrained(temporary)
            tokenizer.save_pretrained(temporary)
            processor.save_pretrained(temporary)
            (folder / name).mkdir(exist_ok=True)
            for file in Path(temporary).iterdir():
                file.replace(folder / name / file.name)


def _processor() -> Any:
    return processor_class()(
        size={"height": _SIZE, "width": _SIZE}, image_mean=MEAN.tolist(), image_std=STD.tolist()
    )
