"""Loading of everything that open_clip can load, with weights or not at all.

An argument is one of
    ""                           the bundled backbone
    ARCH/TAG                     a pretrained tag of open_clip, e.g. ViT-B-32/openai
    ARCH/PATH.safetensors        a checkpoint file (.safetensors, .pt, .pth, .bin) of that architecture
    local-dir:PATH               a folder with open_clip_config.json and weights
    hf-hub:ORG/NAME[@REVISION]   the same on the hub, at a commit, branch or tag
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from open_clip.pretrained import download_pretrained
from open_clip.transform import PreprocessCfg, image_transform_v2
from open_clip.transformer import VisionTransformer
from PIL import Image as PILImage

from mafs_bench.adapters.hub import at_commit
from mafs_bench.errors import UnknownNameError, UsageError, WeightsError
from mafs_bench.types import FloatArray, Image

BUNDLED = Path(__file__).parents[1] / "weights" / "clip_scenes"
_CHECKPOINT_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")
_PIXEL_KEYS = ("size", "mean", "std", "interpolation", "resize_mode")
_TOKENIZER_FILES = ["*.json", "*.txt", "*.model"]
_FORMS = "'' | ARCH/TAG | ARCH/FILE.safetensors | local-dir:PATH | hf-hub:ORG/NAME[@REVISION]"


@dataclass(frozen=True, slots=True)
class Source:
    """What to build: open_clip's model name, and the tag or file of its weights where the name has none.

    quick_gelu: the activation that the weights were trained with; None leaves it to the model's config.
    commit: ``ORG/NAME@COMMIT`` of a model of the hub. tokenizer: open_clip's name of it, where not ``model``.
    """

    model: str
    pretrained: str | None = None
    quick_gelu: bool | None = None
    commit: str = ""
    tokenizer: str = ""


@dataclass(frozen=True)
class Preprocess:
    """open_clip's inference transform as a picklable function of arrays."""

    transform: Callable[[PILImage.Image], torch.Tensor]

    def __call__(self, image: Image) -> FloatArray:
        """Turn uint8 (H, W, 3) into float32 (3, h, w), resized, cropped and normalised."""
        return np.ascontiguousarray(self.transform(PILImage.fromarray(image)).numpy())


@dataclass(frozen=True)
class OpenClipModel:
    """A model in inference mode with its tokenizer, its preprocessing and the SHA-256 of its weights.

    ``tokenizer``: texts to int64 (n, context), truncated as open_clip does.
    """

    model: Any
    tokenizer: Callable[[list[str]], torch.Tensor]
    preprocess: Preprocess
    weights: str
    commit: str = ""

    @property
    def device(self) -> torch.device:
        """The folder or repository of the model."""
        return torch.device(self.model.logit_scale.device)

    @property
    def logit_scale(self) -> float:
        """The factor of cosine similarities in the model's logits (exponentiated, 1/temperature)."""
        return float(self.model.logit_scale.detach().exp())

    @property
    def logit_bias(self) -> float:
        """What sigmoid models add to their logits; 0 for models without."""
        bias = getattr(self.model, "logit_bias", None)
        return 0.0 if bias is None else float(bias.detach())


def parse_source(argument: str) -> Source:
    """Read an argument of the forms above.

    Raises ``UsageError`` for another form, ``UnknownNameError`` for an unknown architecture or tag and
    ``WeightsError`` for a file or folder that is not there.
    """
    if argument == "":
        return _local_folder(
            BUNDLED, "the bundled backbone is not installed; make it with 'mafs-bench train backbone'"
        )
    if argument.startswith("local-dir:"):
        path = Path(argument.removeprefix("local-dir:")).expanduser()
        return _local_folder(path, f"{path}: no folder with open_clip_config.json")
    if argument.startswith("hf-hub:"):
        return _hub(argument.removeprefix("hf-hub:"))
    architecture, slash, rest = argument.partition("/")
    if not (slash and architecture and rest):
        raise UsageError(f"clip model {argument!r} has none of the forms {_FORMS}")
    if architecture not in open_clip.list_models():
        unknown = UnknownNameError("open_clip architecture", architecture, open_clip.list_models())
        raise UsageError(f"{unknown}. A repository of the Hugging Face hub is hf:{argument}")
    if rest.endswith(_CHECKPOINT_SUFFIXES):
        return _checkpoint_file(architecture, Path(rest).expanduser())
    return _tag(architecture, rest)


def load_model(argument: str, device: str) -> OpenClipModel:
    """Build the model of ``argument`` in float32 on ``device``, in inference mode.

    Raises what ``parse_source`` raises, and ``WeightsError`` where weights are missing, unreadable or do not
    fit: a model is never left with random weights.
    """
    source = parse_source(argument)
    shown = argument or "the bundled backbone"
    overrides = {} if source.quick_gelu is None else {"quick_gelu": source.quick_gelu}
    with _quiet(), _one_line(f"cannot load open_clip model {shown}"):
        model = open_clip.create_model(
            source.model,
            pretrained=source.pretrained,
            require_pretrained=True,
            weights_only=True,
            **overrides,
        )
    with _quiet(), _one_line(f"cannot load the tokenizer of {shown}"):
        tokenizer = open_clip.get_tokenizer(source.tokenizer or source.model)
    model.eval().requires_grad_(False)
    config = PreprocessCfg(**model.visual.preprocess_cfg)
    weights = _digest(model, model.visual.preprocess_cfg)
    transform = image_transform_v2(config, is_train=False)
    if not isinstance(model.visual, VisionTransformer):
        model.visual.to(memory_format=torch.channels_last)  # convolutions are a fifth faster
    commit = source.commit or _commit_of_tag(source)
    return OpenClipModel(model.to(device), tokenizer, Preprocess(transform), weights, commit)


def _local_folder(path: Path, missing: str) -> Source:
    if not (path / "open_clip_config.json").is_file():
        raise WeightsError(missing)
    return Source(f"local-dir:{path}")


def _hub(name: str) -> Source:
    """A repository at one commit: its files in the local cache are a folder like any other.

    The weights are fetched in the one format that open_clip would take, safetensors before others.
    """
    from huggingface_hub import snapshot_download
    from open_clip.pretrained import download_pretrained_from_hf

    repository, commit, config = at_commit(name, "open_clip_config.json", "local-dir:PATH")
    with _quiet(), _one_line(f"cannot fetch {repository}@{commit}"):
        download_pretrained_from_hf(repository, revision=commit)
        snapshot_download(repository, revision=commit, allow_patterns=_TOKENIZER_FILES)
        text = json.loads(config.read_text(encoding="utf-8"))["model_cfg"].get("text_cfg", {})
    folder = config.parent
    own = any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json"))
    elsewhere = "hf_tokenizer_name" in text and not own
    named = f"hf-hub:{repository}" if elsewhere else ""
    return Source(f"local-dir:{folder}", commit=f"{repository}@{commit}", tokenizer=named)


def _checkpoint_file(architecture: str, path: Path) -> Source:
    if not path.is_file():
        raise WeightsError(f"{path}: no such checkpoint file")
    return Source(architecture, str(path))


def _tag(architecture: str, tag: str) -> Source:
    config = open_clip.get_pretrained_cfg(architecture, tag)
    if not config:
        allowed = open_clip.list_pretrained_tags_by_model(architecture)
        unknown = UnknownNameError(f"pretrained tag of {architecture}", tag, allowed)
        raise UsageError(f"{unknown}. A repository of the Hugging Face hub is hf:{architecture}/{tag}")
    return Source(architecture, tag, quick_gelu=bool(config.get("quick_gelu", False)))


def _commit_of_tag(source: Source) -> str:
    """``ORG/NAME@COMMIT`` of the weights that a tag was loaded from, "" where they are of no hub."""
    tag = open_clip.get_pretrained_cfg(source.model, source.pretrained) if source.pretrained else {}
    if not tag:
        return ""
    with _quiet(), _one_line(f"cannot find the weights of {source.model}/{source.pretrained}"):
        file = Path(download_pretrained(tag))  # they are there: it says where
    found = re.search(r"models--([^/]+)/snapshots/([0-9a-f]{40})/", file.as_posix())
    return f"{found[1].replace('--', '/', 1)}@{found[2]}" if found else ""


def _digest(model: torch.nn.Module, preprocess: dict[str, Any]) -> str:
    """SHA-256 over names, shapes and float bytes of all weights, and over what decides the pixels."""
    pixels = {key: preprocess[key] for key in _PIXEL_KEYS}
    digest = hashlib.sha256(json.dumps(pixels, sort_keys=True).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence open_clip's log and warnings: what matters of them is an error here."""
    level = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


@contextmanager
def _one_line(what: str) -> Iterator[None]:
    """Turn whatever a library raises on missing, broken or unfitting files into one line."""
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise WeightsError(f"{what}: {reason[:300]}") from error
