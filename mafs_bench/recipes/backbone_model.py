"""The bundled backbone: a small CLIP that open_clip builds from its own configuration, and its tokenizer."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch import Tensor

from mafs_bench.files import replacing, write_text
from mafs_bench.recipes.backbone_data import IMAGE_SIZE

CONTEXT_LENGTH = 48
VOCABULARY = 1024
PAD, START, END = "<pad>", "<start>", "<end>"
CONFIG_FILE, WEIGHTS_FILE = "open_clip_config.json", "open_clip_model.safetensors"


def train_tokenizer(corpus: Iterable[str]) -> Tokenizer:
    """Learn a lower-case byte-level BPE: no text is outside of it. The end token has the highest id."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - 2,
        special_tokens=[PAD],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    tokenizer.add_special_tokens([START, END])
    ends = [(token, tokenizer.token_to_id(token)) for token in (START, END)]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{START} $A {END}", special_tokens=ends)
    tokenizer.enable_truncation(CONTEXT_LENGTH)
    return tokenizer


def model_config(vocabulary: int) -> dict[str, Any]:
    """What open_clip builds the model from."""
    return {
        "embed_dim": 256,
        "vision_cfg": {
            "image_size": IMAGE_SIZE,
            "layers": [1, 1, 1, 1],
            "width": 16,
            "head_width": 64,
            "patch_size": None,
        },
        "text_cfg": {
            "context_length": CONTEXT_LENGTH,
            "vocab_size": vocabulary,
            "width": 128,
            "heads": 4,
            "layers": 3,
            "hf_tokenizer_name": "local",
            "pad_id": 0,
        },
    }


def build(vocabulary: int) -> Any:
    """Build the model with fresh weights from torch's global generator."""
    return open_clip.CLIP(**model_config(vocabulary))


def normalise(images: Any) -> Tensor:
    """Turn images in [0, 1], (n, h, w, 3), into what the image tower takes: float32 (n, 3, h, w)."""
    mean = torch.tensor(open_clip.OPENAI_DATASET_MEAN)
    deviation = torch.tensor(open_clip.OPENAI_DATASET_STD)
    pixels = (torch.from_numpy(images).float() - mean) / deviation
    return pixels.permute(0, 3, 1, 2)


def lower_trunk(visual: Any, pixels: Tensor) -> Tensor:
    """The image tower up to its third block: float32 (n, 256, 8, 8)."""
    features = visual.stem(pixels)
    for layer in (visual.layer1, visual.layer2, visual.layer3):
        features = layer(features)
    return features  # type: ignore[no-any-return]


def trunk(visual: Any, pixels: Tensor) -> Tensor:
    """The convolutional part of the image tower: float32 (n, 512, 4, 4)."""
    return visual.layer4(lower_trunk(visual, pixels))  # type: ignore[no-any-return]


def read(model: Any, ids: Tensor) -> Tensor:
    """The text tower on texts cut to the longest of them, exact as it is causal; (n, 256), not normalised."""
    length = ids.shape[1]
    states = model.token_embedding(ids) + model.positional_embedding[:length]
    states = model.transformer(states, attn_mask=model.attn_mask[:length, :length])
    ends = model.ln_final(states[torch.arange(len(ids)), ids.argmax(1)])
    return ends @ model.text_projection  # type: ignore[no-any-return]


def save(folder: Path, model: Any, tokenizer: Tokenizer, config: dict[str, Any]) -> None:
    """Write a folder that open_clip loads as ``local-dir:``; floats as half precision."""
    state = {name: value.detach().contiguous() for name, value in model.state_dict().items()}
    halved = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
    with replacing(folder / WEIGHTS_FILE) as temporary:
        save_file(halved, temporary)
    preprocess = {
        "mean": list(open_clip.OPENAI_DATASET_MEAN),
        "std": list(open_clip.OPENAI_DATASET_STD),
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    }
    content = {"model_cfg": config, "preprocess_cfg": preprocess}
    write_text(folder / CONFIG_FILE, json.dumps(content, indent=2) + "\n")
    save_tokenizer(folder, tokenizer)


def save_tokenizer(folder: Path, tokenizer: Tokenizer) -> None:
    """Write the two files that transformers reads a tokenizer from."""
    with replacing(folder / "tokenizer.json") as temporary:
        tokenizer.save(str(temporary))
    carried = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": CONTEXT_LENGTH,
        "pad_token": PAD,
        "bos_token": START,
        "eos_token": END,
        "clean_up_tokenization_spaces": False,
    }
    write_text(folder / "tokenizer_config.json", json.dumps(carried, indent=2) + "\n")
