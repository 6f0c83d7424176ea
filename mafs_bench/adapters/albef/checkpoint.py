"""Checkpoints in the official format: ``{model, optimizer, lr_scheduler, config, epoch}``, read without unpickling.

Next to a checkpoint ``NAME.pth`` there may be ``NAME.json`` (``{"vision": {"heads": …}}``), ``NAME_bert.json`` or
``config_bert.json`` (BERT's sizes) and ``vocab.txt``; what is absent is as in the published models.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch

from mafs_bench.adapters.albef.bert import BertConfig
from mafs_bench.adapters.albef.model import AlbefRetrieval, AlbefVqa, VisionConfig
from mafs_bench.adapters.albef.vit import resize_positions
from mafs_bench.errors import WeightsError

_HEAD_WIDTH = 64
_K_TEST = 128
_VOCABULARY = "google-bert/bert-base-uncased"
_POSITIONS = "visual_encoder.pos_embed"
_UNUSED = ("temp", "image_queue", "text_queue", "idx_queue", "queue_ptr", "text_encoder.cls.")
"""What only training reads: the temperature, the queues and the head of masked language modelling."""

State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds for inference: float32 parameters and the sizes they were made for."""

    path: Path
    state: State
    config: Mapping[str, Any]
    vision: VisionConfig
    bert: BertConfig

    @property
    def answers(self) -> bool:
        """Whether it is the model of visual question answering; otherwise it is the one of retrieval."""
        return any(name.startswith("text_decoder.") for name in self.state)

    @property
    def k_test(self) -> int:
        """Number of candidates to re-rank: from the config, otherwise 128."""
        return int(self.config.get("k_test", _K_TEST))

    def build(self, size: int | None = None) -> AlbefRetrieval | AlbefVqa:
        """Make the model in inference mode, for inputs of ``size`` pixels per side (None: as trained).

        Raises ``WeightsError`` where parameters are missing, left over or of another shape.
        """
        vision = self.vision if size is None else _resized(self.vision, size)
        with torch.device("meta"):
            model = self._empty(vision)
        state = {**self.state, _POSITIONS: resize_positions(self.state[_POSITIONS], _patches(vision))}
        try:
            model.load_state_dict(state, assign=True)
        except RuntimeError as error:
            raise WeightsError(f"{self.path}: {' '.join(str(error).split())[:300]}") from error
        return model.eval().requires_grad_(False)

    def _empty(self, vision: VisionConfig) -> AlbefRetrieval | AlbefVqa:
        if self.answers:
            return AlbefVqa(vision, self.bert, _depth(self.state, "text_decoder.bert.encoder.layer."))
        return AlbefRetrieval(vision, self.bert, len(self.state["vision_proj.weight"]))


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a file. Raises ``WeightsError`` naming it where it is missing, unreadable or no ALBEF checkpoint."""
    stored = _load(path)
    state = inference_state(stored["model"])
    if _POSITIONS not in state or not ("itm_head.weight" in state or _has_decoder(state)):
        raise WeightsError(f"{path}: no ALBEF checkpoint of retrieval, pretraining or question answering")
    config = stored.get("config") or {}
    return Checkpoint(path, state, config, _vision_config(path, state, config), _bert_config(path))


def inference_state(model: Mapping[str, torch.Tensor]) -> State:
    """What inference needs of an official state: no momentum copies, queues or buffers; float32.

    Pretraining checkpoints hold the text encoder inside a language model; its ``bert.`` is taken away.
    """
    return {
        name.replace("text_encoder.bert.", "text_encoder."): tensor.float()
        for name, tensor in model.items()
        if not (_is_momentum(name) or name.startswith(_UNUSED) or name.endswith(_TIED))
    }


def find_vocabulary(folder: Path) -> Path:
    """``vocab.txt`` of the folder, else that of ``bert-base-uncased``. Raises ``WeightsError`` without either."""
    beside = folder / "vocab.txt"
    if beside.is_file():
        return beside
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(_VOCABULARY, "vocab.txt"))
    except Exception as error:
        raise WeightsError(f"{beside} is missing: put the vocab.txt of bert-base-uncased there") from error


def digest(checkpoints: Sequence[Path], vocabulary: Path) -> str:
    """SHA-256 over the bytes of checkpoints, in this order, of the settings beside each and of the vocabulary."""
    files = [file for path in checkpoints for file in (path, _vision_file(path), _bert_file(path))]
    state = hashlib.sha256()
    for path in (*files, vocabulary):
        if path.is_file():
            with path.open("rb") as file:
                state.update(hashlib.file_digest(file, "sha256").digest())
        else:
            state.update(b"absent: as in the published models")
    return state.hexdigest()


_TIED = ("position_ids", "cls.predictions.bias")
"""Buffers of the official code: a range, and a second name of the decoder's bias."""


def _load(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise WeightsError(f"{path}: no such checkpoint file")
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:
        raise WeightsError(f"{path} cannot be read: {' '.join(str(error).split())[:200]}") from error
    if not isinstance(stored, dict):
        raise WeightsError(f"{path}: no checkpoint but a {type(stored).__name__}")
    return stored if "model" in stored else {"model": stored}


def _is_momentum(name: str) -> bool:
    return name.partition(".")[0].endswith("_m")


def _has_decoder(state: State) -> bool:
    return any(name.startswith("text_decoder.") for name in state)


def _depth(state: State, prefix: str) -> int:
    return 1 + max(int(name[len(prefix) :].partition(".")[0]) for name in state if name.startswith(prefix))


def _vision_config(path: Path, state: State, config: Mapping[str, Any]) -> VisionConfig:
    """Everything but the number of heads shows in the shapes."""
    width, _, patch, _ = state["visual_encoder.patch_embed.proj.weight"].shape
    side = round((state[_POSITIONS].shape[1] - 1) ** 0.5)
    return VisionConfig(
        size=int(config.get("image_res", side * patch)),
        patch=patch,
        width=width,
        depth=_depth(state, "visual_encoder.blocks."),
        heads=_json(_vision_file(path)).get("vision", {}).get("heads", width // _HEAD_WIDTH),
    )


def _vision_file(path: Path) -> Path:
    return path.with_suffix(".json")


def _bert_file(path: Path) -> Path:
    own = path.with_name(f"{path.stem}_bert.json")
    return own if own.is_file() else path.with_name("config_bert.json")


def _bert_config(path: Path) -> BertConfig:
    stored = _json(_bert_file(path))
    known = {field.name for field in fields(BertConfig)}
    return BertConfig(**{name: value for name, value in stored.items() if name in known})


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise WeightsError(f"{path} is no JSON: {error}") from error
    return dict(stored)


def _patches(vision: VisionConfig) -> int:
    return int((vision.size // vision.patch) ** 2)


def _resized(vision: VisionConfig, size: int) -> VisionConfig:
    return VisionConfig(size, vision.patch, vision.width, vision.depth, vision.heads)
