"""ALBEF's encoders against other implementations: timm's vision transformer and transformers' BERT."""

from __future__ import annotations

import pytest
import timm
import torch
import transformers

from mafs_bench.adapters.albef.bert import Bert, BertConfig, BertDecoder, key_mask
from mafs_bench.adapters.albef.vit import VisionTransformer

CONFIG = BertConfig(
    vocab_size=60,
    hidden_size=32,
    num_hidden_layers=3,
    num_attention_heads=4,
    intermediate_size=48,
    max_position_embeddings=20,
    encoder_width=24,
)


def transformers_config(**changes):
    return transformers.BertConfig(
        vocab_size=CONFIG.vocab_size,
        hidden_size=CONFIG.hidden_size,
        num_hidden_layers=CONFIG.num_hidden_layers,
        num_attention_heads=CONFIG.num_attention_heads,
        intermediate_size=CONFIG.intermediate_size,
        max_position_embeddings=CONFIG.max_position_embeddings,
        layer_norm_eps=CONFIG.layer_norm_eps,
        attn_implementation="eager",
        **changes,
    )


def sized(**changes):
    values = {name: getattr(CONFIG, name) for name in BertConfig.__dataclass_fields__}
    return BertConfig(**{**values, **changes})


@pytest.fixture
def ids():
    return torch.randint(5, 60, (4, 9), generator=torch.Generator().manual_seed(0))


@pytest.fixture
def mask():
    lengths = torch.tensor([9, 4, 7, 1])
    return (torch.arange(9) < lengths[:, None]).long()


def test_vision_transformer_is_timms():
    torch.manual_seed(0)
    theirs = timm.models.vision_transformer.VisionTransformer(
        img_size=48, patch_size=16, embed_dim=32, depth=3, num_heads=4, num_classes=0, global_pool=""
    ).eval()
    ours = VisionTransformer(48, 16, 32, 3, 4).eval()
    ours.load_state_dict(theirs.state_dict())
    pixels = torch.randn(2, 3, 48, 48)
    with torch.inference_mode():
        torch.testing.assert_close(ours(pixels), theirs.forward_features(pixels), rtol=0, atol=1e-5)


def test_text_layers_are_berts(ids, mask):
    torch.manual_seed(0)
    theirs = transformers.BertModel(transformers_config(), add_pooling_layer=False).eval()
    ours = Bert(sized(fusion_layer=3)).eval()
    ours.load_state_dict(theirs.state_dict(), strict=False)
    with torch.inference_mode():
        expected = theirs(input_ids=ids, attention_mask=mask).last_hidden_state
        actual = ours.read(ids, key_mask(mask))
    torch.testing.assert_close(actual[mask.bool()], expected[mask.bool()], rtol=0, atol=1e-5)


def test_decoder_is_berts_with_cross_attention(ids, mask):
    torch.manual_seed(0)
    config = transformers_config(is_decoder=True, add_cross_attention=True)
    theirs = transformers.BertLMHeadModel(config).eval()
    ours = BertDecoder(sized(fusion_layer=0, encoder_width=CONFIG.hidden_size)).eval()
    loaded = ours.load_state_dict(theirs.state_dict(), strict=False)
    assert not loaded.missing_keys
    memory = torch.randn(4, 6, CONFIG.hidden_size)
    memory_mask = (torch.arange(6) < torch.tensor([6, 2, 5, 3])[:, None]).long()
    with torch.inference_mode():
        expected = theirs(
            input_ids=ids,
            attention_mask=mask,
            encoder_hidden_states=memory,
            encoder_attention_mask=memory_mask,
        ).logits
        actual = ours(ids, mask, memory, key_mask(memory_mask))
    torch.testing.assert_close(actual[mask.bool()], expected[mask.bool()], rtol=0, atol=1e-5)
