"""A small ALBEF for scenes, in the official checkpoint format.

The image encoder first learns to predict the contents of scenes and the text encoder those of captions, as the official
ones come from ImageNet and BERT. Then contrast, matching with hard negatives and masked language modelling (arXiv
2107.07651, section 3) together with answering, on shared encoders; no momentum distillation. Two checkpoints are
written, as the official ones are: one for retrieval, one for question answering.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from mafs_bench.adapters.albef.bert import BertConfig, LanguageHead, key_mask
from mafs_bench.adapters.albef.model import AlbefRetrieval, AlbefVqa, VisionConfig
from mafs_bench.adapters.albef.text import Tokenizer
from mafs_bench.files import replacing, write_text
from mafs_bench.recipes.baseline_data import (
    QUESTIONS_A_SCENE,
    SPECIAL,
    Batch,
    SceneBatches,
    make_vocabulary,
)
from mafs_bench.recipes.baseline_loop import Budget, Losses, halve, prepare_folder, write_card
from mafs_bench.recipes.baseline_losses import (
    AgreementHead,
    ClaimHead,
    SceneHead,
    contrastive,
    matching_rows,
)
from mafs_bench.recipes.baseline_measure import add_measured
from mafs_bench.recipes.baseline_phases import Curriculum, train

VISION = VisionConfig(size=96, patch=16, width=128, depth=4, heads=4)
_TEXT = BertConfig(
    hidden_size=128,
    num_hidden_layers=4,
    num_attention_heads=4,
    intermediate_size=512,
    max_position_embeddings=64,
    fusion_layer=2,
    encoder_width=VISION.width,
)
_EMBED_DIM = 128
_DECODER_LAYERS = 2
_TEMPERATURE = 0.07
_MASKED_SHARE = 0.4
"""More than BERT's 15 %: see Wettig et al., EACL 2023; a short training needs the signal."""
_K_TEST = 16

Ids = torch.Tensor


@dataclass
class _Student:
    """Everything that is trained; retrieval and vqa share their encoders."""

    retrieval: AlbefRetrieval
    vqa: AlbefVqa
    language: LanguageHead
    scene: SceneHead
    claims: ClaimHead
    agreement: AgreementHead
    temperature: nn.Parameter

    def modules(self) -> list[nn.Module]:
        return [self.retrieval, self.vqa, self.language, self.agreement, nn.ParameterList([self.temperature])]


def train_albef(folder: Path, budget: Budget, log: Callable[[str], None]) -> Path:
    """Train and write ``retrieval.pth``, ``vqa.pth``, their configs, ``vocab.txt`` and a card into ``folder``.

    What was in the folder stays as it is until the training is over. Raises ``WeightsError`` where the folder cannot
    be written, ``TrainingError`` for a loss that is not finite.
    """
    words = prepare_folder(folder) / "vocab.txt"
    torch.manual_seed(budget.seed)
    log("drawing the scenes")
    batches = SceneBatches(VISION.size, budget.limit)
    vocabulary = make_vocabulary(batches.texts())
    write_text(words, "\n".join(vocabulary) + "\n")
    tokenizer = Tokenizer.load(words)
    bert = _sized(len(vocabulary))
    student = _build(bert)
    retrieval = student.retrieval
    plan = Curriculum(
        model="albef",
        image_encoder=retrieval.visual_encoder,
        see=retrieval.visual_encoder,
        scene=student.scene,
        text_encoder=retrieval.text_encoder,
        read=lambda texts: retrieval.text_states(*_trimmed(*tokenizer.captions(texts))),
        claims=student.claims,
        modules=student.modules(),
        losses=lambda batch, generator: _losses(student, tokenizer, batch, generator),
    )
    runs = train(plan, batches, budget, folder, log)
    _save(folder, student, bert, vocabulary)
    about = {
        "model": "ALBEF, small, for the scenes data set (Li et al., arXiv 2107.07651)",
        "licence": "Apache-2.0",
        "vision": asdict(VISION),
        "text": asdict(bert),
    }
    card = write_card(folder, "albef", about, budget, runs)
    log("measuring it")
    add_measured(card, f"albef:{folder}")
    return card


def _sized(words: int) -> BertConfig:
    return BertConfig(**{**asdict(_TEXT), "vocab_size": words})


def _build(bert: BertConfig) -> _Student:
    retrieval = AlbefRetrieval(VISION, bert, _EMBED_DIM)
    vqa = AlbefVqa(VISION, bert, _DECODER_LAYERS)
    student = _Student(
        retrieval,
        vqa,
        LanguageHead(bert),
        SceneHead(VISION.width, VISION.size // VISION.patch),
        ClaimHead(bert.hidden_size),
        AgreementHead(bert.hidden_size),
        nn.Parameter(torch.tensor(_TEMPERATURE)),
    )
    for module in (retrieval, vqa):
        module.apply(_initialise)
        for parameter in (module.visual_encoder.pos_embed, module.visual_encoder.cls_token):
            nn.init.normal_(parameter, std=0.02)
    vqa.visual_encoder, vqa.text_encoder = retrieval.visual_encoder, retrieval.text_encoder
    return student


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)


def _losses(student: _Student, tokenizer: Tokenizer, batch: Batch, generator: torch.Generator) -> Losses:
    retrieval = student.retrieval
    image_states = batch.states
    ids, mask = _trimmed(*tokenizer.captions(batch.captions))
    text_states = retrieval.text_states(ids, mask)
    images, texts = retrieval.image_features(image_states), retrieval.text_features(text_states)
    similarities = images @ texts.T / student.temperature
    image_rows, text_rows, labels = matching_rows(similarities, batch.true, generator)
    fused = retrieval.fused(image_states[image_rows], text_states[text_rows], mask[text_rows])
    return {
        "contrast": contrastive(images, texts, student.temperature, batch.true.float()),
        "matching": functional.cross_entropy(retrieval.itm_head(fused[:, 0]), labels),
        "agreement": student.agreement(fused, batch.claims[text_rows], batch.facts[image_rows]),
        "masked words": _masked_words(student, image_states, ids, mask, generator),
        "answers": _answers(student.vqa, tokenizer, image_states, batch),
        "claims": student.claims(text_states, batch.claims),
    }


def _masked_words(
    student: _Student, image_states: torch.Tensor, ids: Ids, mask: Ids, generator: torch.Generator
) -> torch.Tensor:
    """Guess a share of the words from the others and the image; each is hidden behind ``[MASK]``."""
    chosen = (torch.rand(ids.shape, generator=generator) < _MASKED_SHARE) & (ids >= len(SPECIAL))
    hidden = ids.masked_fill(chosen, SPECIAL.index("[MASK]"))
    encoder = student.retrieval.text_encoder
    fused = encoder.fuse(encoder.read(hidden, key_mask(mask)), key_mask(mask), image_states)
    return functional.cross_entropy(student.language(fused[chosen]), ids[chosen])


def _answers(vqa: AlbefVqa, tokenizer: Tokenizer, image_states: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Negative log-likelihood of one human answer per question."""
    ids, mask = (torch.from_numpy(array) for array in tokenizer.questions(batch.questions))
    answer_ids, answer_mask = (torch.from_numpy(array) for array in tokenizer.answers(batch.answers))
    states = vqa.encode_questions(image_states.repeat_interleave(QUESTIONS_A_SCENE, dim=0), ids, mask)
    return vqa.answer_losses(states, mask, answer_ids, answer_mask).mean()


def _trimmed(ids: np.ndarray, mask: np.ndarray) -> tuple[Ids, Ids]:
    """Without the columns in which every row is padding."""
    longest = int(mask.sum(axis=1).max())
    return torch.from_numpy(ids[:, :longest]), torch.from_numpy(mask[:, :longest])


def _save(folder: Path, student: _Student, bert: BertConfig, vocabulary: Sequence[str]) -> None:
    write_text(folder / "vocab.txt", "\n".join(vocabulary) + "\n")
    config = {"image_res": VISION.size, "k_test": _K_TEST}
    retrieval = {**student.retrieval.state_dict(), "temp": student.temperature.detach()}
    for name, state in (("retrieval", retrieval), ("vqa", student.vqa.state_dict())):
        stored = {"model": halve(state), "optimizer": {}, "lr_scheduler": {}, "config": config, "epoch": 0}
        with replacing(folder / f"{name}.pth") as temporary:
            torch.save(stored, temporary)
        write_text(folder / f"{name}.json", json.dumps({"vision": asdict(VISION)}) + "\n")
    write_text(folder / "config_bert.json", json.dumps(asdict(bert), indent=2) + "\n")
