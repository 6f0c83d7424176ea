"""Which models of transformers generate text about images, and what each kind needs."""

from __future__ import annotations

from mafs_bench.adapters.model_folder import ModelFolder
from mafs_bench.errors import WeightsError

PLAIN_PROMPT = {"paligemma": "<image>", "blip-2": "", "instructblip": ""}
"""Kinds that were trained on plain prompts and need no chat template, with what stands before one for the image."""
OTHERWISE_LOADED = {"blip": "blip:hf-hub:ORG/NAME or blip:FOLDER"}
"""Kinds that have an adapter of their own, with its spec."""


def require_vision_language(folder: ModelFolder) -> None:
    """Check that a config is that of a model that reads images and generates text. Raises ``WeightsError``."""
    from transformers.models.auto import modeling_auto as auto

    kind = str(folder.config["model_type"])
    if kind in OTHERWISE_LOADED:
        raise WeightsError(f"{folder.name} is a {kind}; its spec is {OTHERWISE_LOADED[kind]}")
    if kind in auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES:
        return
    if kind in auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise WeightsError(f"{folder.name} is a text-only model ({kind}): it cannot be shown an image")
    if has_own_code(folder):
        return
    raise WeightsError(
        f"{folder.name}: a model of the type {kind!r}; hf: loads clip and siglip (dual encoders) and what transformers "
        "lists as image-text-to-text (llava, qwen2_5_vl, smolvlm, internvl, gemma3, paligemma …)"
    )


def has_own_code(folder: ModelFolder) -> bool:
    """Whether only code of the repository itself can load the model."""
    from transformers.models.auto import modeling_auto as auto

    known = folder.config["model_type"] in auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
    return not known and bool(folder.config.get("auto_map"))
