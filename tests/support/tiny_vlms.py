"""Random generative models of a few hundred kilobytes in transformers' official formats, one per architecture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

_SPECIAL = [
    *("<pad>", "<s>", "</s>", "<image>"),
    *("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"),
    *("<fake_token_around_image>", "<global-img>", "<end_of_utterance>", "<video>"),
    *("<IMG_CONTEXT>", "<img>", "</img>", "<boi>", "<eoi>"),
    *(f"<row_{i}_col_{j}>" for i in range(1, 7) for j in range(1, 7)),
]
_WORDS = [
    "Is there a dog in the picture? Answer yes or no. Yes No A B C D A. B. C. D.",
    "USER: ASSISTANT: What is this? Describe the image in one short sentence.",
] * 20
_TEXT = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
_VISION = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
_WIDE = 1.0
"""Spread of the random weights; that of token embeddings is small, so that answers differ from image to image."""


def tokenizer(**special: str) -> transformers.PreTrainedTokenizerFast:
    """A byte-level BPE that knows every architecture's special tokens; ``special`` names those of one."""
    fast = Tokenizer(models.BPE(unk_token=None))
    fast.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    fast.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=700, special_tokens=_SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    fast.train_from_iterator(_WORDS, trainer)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=fast,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        extra_special_tokens=special,
    )


def _template(image: str, bos: bool = True) -> str:
    start = "{{ bos_token }}" if bos else ""
    content = (
        "{% for c in m['content'] %}{% if c['type']=='image' %}" + image + "{% elif c['type']=='text' %}"
        "{{ c['text'] }}{% endif %}{% endfor %} "
    )
    end = "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
    return start + "{% for m in messages %}USER: " + content + "{% endfor %}" + end


def _llava(words: transformers.PreTrainedTokenizerFast) -> tuple[object, object]:
    config = transformers.LlavaConfig(
        vision_config=transformers.CLIPVisionConfig(
            **_VISION, image_size=56, patch_size=14, projection_dim=32
        ),
        text_config=transformers.LlamaConfig(**_TEXT, vocab_size=len(words)),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        image_seq_length=16,
    )
    processor = transformers.LlavaProcessor(
        image_processor=transformers.CLIPImageProcessor(
            size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56}
        ),
        tokenizer=words,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=_template("<image>\n"),
    )
    return transformers.LlavaForConditionalGeneration(config), processor


def _qwen_processor(words: transformers.PreTrainedTokenizerFast, kind: str) -> object:
    image = transformers.Qwen2VLImageProcessor(
        patch_size=14, merge_size=2, min_pixels=28 * 28, max_pixels=84 * 84
    )
    video = transformers.Qwen2VLVideoProcessor(patch_size=14, merge_size=2)
    template = _template("<|vision_start|><|image_pad|><|vision_end|>", bos=False)
    cls = getattr(transformers, kind)
    return cls(image_processor=image, tokenizer=words, video_processor=video, chat_template=template)


def _qwen_text(words: transformers.PreTrainedTokenizerFast) -> dict[str, object]:
    rope = {"rope_type": "default", "type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10000.0}
    return {**_TEXT, "vocab_size": len(words), "rope_scaling": rope, "rope_parameters": rope}


def _qwen_tokens(words: transformers.PreTrainedTokenizerFast) -> dict[str, int]:
    names = ("vision_start", "vision_end", "image", "video")
    texts = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
    return {
        f"{name}_token_id": words.convert_tokens_to_ids(text) for name, text in zip(names, texts, strict=True)
    }


def _qwen2_vl(words: transformers.PreTrainedTokenizerFast) -> tuple[object, object]:
    config = transformers.Qwen2VLConfig(
        text_config=_qwen_text(words),
        vision_config={"depth": 2, "embed_dim": 32, "hidden_size": 32, "num_heads": 2, "mlp_ratio": 2},
        **_qwen_tokens(words),
    )
    return transformers.Qwen2VLForConditionalGeneration(config), _qwen_processor(words, "Qwen2VLProcessor")


def _qwen2_5_vl(words: transformers.PreTrainedTokenizerFast) -> tuple[object, object]:
    config = transformers.Qwen2_5_VLConfig(
        text_config=_qwen_text(words),
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "out_hidden_size": 32,
            "intermediate_size": 64,
            "num_heads": 2,
            "fullatt_block_indexes": [1],
            "window_size": 56,
        },
        **_qwen_tokens(words),
    )
    model = transformers.Qwen2_5_VLForConditionalGeneration(config)
    return model, _qwen_processor(words, "Qwen2_5_VLProcessor")


def _idefics3(words: transformers.PreTrainedTokenizerFast) -> tuple[object, object]:
    config = transformers.Idefics3Config(
        vision_config={**_VISION, "image_size": 56, "patch_size": 14},
        text_config=transformers.LlamaConfig(**_TEXT, vocab_size=len(words)),
        image_token_id=words.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        pad_token_id=0,
    )
    image = transformers.Idefics3ImageProcessor(
        size={"longest_edge": 112}, max_image_size={"longest_edge": 56}, do_image_splitting=True
    )
    processor = transformers.Idefics3Processor(
        image_processor=image, tokenizer=words, image_seq_len=4, chat_template=_template("<image>")
    )
    return transformers.Idefics3ForConditionalGeneration(config), processor


def _smolvlm(words: transformers.PreTrainedTokenizerFast) -> tuple[object, object]:
    config = transformers.SmolVLMConfig(
        vision_config={**_VISION, "image_size": 56, "patch_size": 14},
        text_config=transformers.LlamaConfig(**_TEXT, vocab_size=len(words)),
        image_token_id=words.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        pad_token_id=0,
    )
    sizes = {"size": {"longest_edge": 112}, "max_image_size": {"longest_edge": 56}}
    processor = transformers.SmolVLMProcessor(
        image_processor=transformers.SmolVLMImageProcessor(**sizes, do_image_splitting=True),
        tokenizer=words,
        video_processor=transformers.SmolVLMVideoProcessor(
            **sizes, video_sampling={"fps": 1, "max_frames": 2}
        ),
        image_seq_len=4,
        chat_template=_template("<image>"),
    )
    return transformers.SmolVLMForConditionalGeneration(config), processor


def _internvl(words: transformers.PreTrainedTokenizerFast) -> tuple[object, object]:
    config = transformers.InternVLConfig(
        vision_config={**_VISION, "image_size": [56, 56], "patch_size": [14, 14]},
        text_config=transformers.Qwen2Config(**_TEXT, vocab_size=len(words)),
        image_token_id=words.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
        downsample_ratio=0.5,
    )
    image = transformers.GotOcr2ImageProcessor(
        size={"height": 56, "width": 56}, crop_to_patches=True, min_patches=1, max_patches=4
    )
    processor = transformers.InternVLProcessor(
        image_processor=image,
        tokenizer=words,
        video_processor=transformers.InternVLVideoProcessor(size={"height": 56, "width": 56}),
        image_seq_length=4,
        chat_template=_template("<IMG_CONTEXT>\n"),
    )
    return transformers.InternVLForConditionalGeneration(config), processor


def _gemma3(words: transformers.PreTrainedTokenizerFast) -> tuple[object, object]:
    config = transformers.Gemma3Config(
        vision_config={**_VISION, "image_size": 56, "patch_size": 14, "vision_use_head": False},
        text_config={**_TEXT, "vocab_size": len(words), "head_dim": 16, "sliding_window": 32},
        mm_tokens_per_image=4,
        image_token_index=words.convert_tokens_to_ids("<image>"),
        boi_token_index=words.convert_tokens_to_ids("<boi>"),
        eoi_token_index=words.convert_tokens_to_ids("<eoi>"),
    )
    processor = transformers.Gemma3Processor(
        image_processor=transformers.Gemma3ImageProcessor(size={"height": 56, "width": 56}),
        tokenizer=words,
        image_seq_length=4,
        chat_template=_template("<boi>"),
    )
    return transformers.Gemma3ForConditionalGeneration(config), processor


def _paligemma(words: transformers.PreTrainedTokenizerFast) -> tuple[object, object]:
    image = transformers.SiglipImageProcessor(size={"height": 56, "width": 56})
    image.image_seq_length = 16
    processor = transformers.PaliGemmaProcessor(image_processor=image, tokenizer=words)
    config = transformers.PaliGemmaConfig(
        vision_config={**_VISION, "image_size": 56, "patch_size": 14, "vision_use_head": False},
        text_config={**_TEXT, "model_type": "gemma", "vocab_size": len(words), "head_dim": 16},
        image_token_index=words.convert_tokens_to_ids("<image>"),
        projection_dim=32,
    )
    return transformers.PaliGemmaForConditionalGeneration(config), processor


def _blip2(words: transformers.PreTrainedTokenizerFast) -> tuple[object, object]:
    former = {**_VISION, "vocab_size": len(words), "encoder_hidden_size": 32, "max_position_embeddings": 64}
    config = transformers.Blip2Config(
        vision_config={**_VISION, "image_size": 56, "patch_size": 14},
        qformer_config=former,
        text_config=transformers.OPTConfig(
            vocab_size=len(words),
            hidden_size=32,
            ffn_dim=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            word_embed_proj_dim=32,
            max_position_embeddings=512,
            bos_token_id=1,
            eos_token_id=2,
            pad_token_id=0,
        ),
        num_query_tokens=4,
        image_token_index=words.convert_tokens_to_ids("<image>"),
    )
    processor = transformers.Blip2Processor(
        image_processor=transformers.BlipImageProcessor(size={"height": 56, "width": 56}),
        tokenizer=words,
        num_query_tokens=4,
    )
    return transformers.Blip2ForConditionalGeneration(config), processor


_INTERNVL = {
    "start_image_token": "<img>",
    "end_image_token": "</img>",
    "context_image_token": "<IMG_CONTEXT>",
    "video_token": "<video>",
}
_GEMMA = {"image_token": "<image>", "boi_token": "<boi>", "eoi_token": "<eoi>"}
_MAKE: dict[
    str, tuple[Callable[[transformers.PreTrainedTokenizerFast], tuple[object, object]], dict[str, str]]
] = {
    "llava": (_llava, {"image_token": "<image>"}),
    "qwen2_vl": (_qwen2_vl, {}),
    "qwen2_5_vl": (_qwen2_5_vl, {}),
    "idefics3": (_idefics3, {}),
    "smolvlm": (_smolvlm, {}),
    "internvl": (_internvl, _INTERNVL),
    "gemma3": (_gemma3, _GEMMA),
    "paligemma": (_paligemma, {"image_token": "<image>"}),
    "blip-2": (_blip2, {}),
}
KINDS = tuple(_MAKE)


def write(folder: Path, kind: str) -> Path:
    """Write a checkpoint of that ``model_type``, with weights drawn from a fixed seed."""
    make, special = _MAKE[kind]
    torch.manual_seed(0)
    model, processor = make(tokenizer(**special))
    assert isinstance(model, transformers.PreTrainedModel)
    assert isinstance(processor, transformers.ProcessorMixin)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                wide = 0.05 if "embed_tokens" in name else _WIDE
                torch.nn.init.normal_(parameter, std=wide / parameter.shape[-1] ** 0.5)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
