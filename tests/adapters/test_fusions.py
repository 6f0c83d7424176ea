"""BACKBONE+FUSION: specs, and one class for every fusion on every dual encoder."""

from __future__ import annotations

from pathlib import Path

import pytest

from mafs_bench.adapters.base import DUAL_ENCODER
from mafs_bench.adapters.fusions import FUSIONS, SHORT_NAMES, split_fused
from mafs_bench.adapters.load import adapter_class, capabilities
from mafs_bench.errors import UnknownNameError, UsageError
from mafs_bench.mafs.catalogue import Fusion, get_fusion

USERS = """
import numpy as np
class Mine:
    def encode_images(self, images):
        return np.ones((len(images), 2), dtype=np.float32) / np.sqrt(2)
    def encode_texts(self, texts):
        return np.ones((len(texts), 2), dtype=np.float32) / np.sqrt(2)
"""


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("clip+mean", ("clip", "mean")),
        ("clip+mean:ViT-B-32/openai", ("clip:ViT-B-32/openai", "mean")),
        ("clip:ViT-B-32/openai+mean", ("clip:ViT-B-32/openai", "mean")),
        ("blip+static", ("blip", "static")),
        ("mafs-clip@2", ("clip", "mafs@2")),
        ("mafs-clip:ViT-B-32/openai", ("clip:ViT-B-32/openai", "mafs")),
        ("mafs-clip:models/mine.py:Mine", ("models/mine.py:Mine", "mafs")),
        ("models/mine.py:Mine+qmf", ("models/mine.py:Mine", "qmf")),
        ("clip", None),
        ("a+mean/mine.py:Mine", None),
        ("+mean", None),
        ("clip+maen", None),
    ],
)
def test_a_spec_names_a_backbone_and_a_fusion(spec: str, parts: tuple[str, str] | None) -> None:
    assert split_fused(spec) == parts


@pytest.mark.parametrize("backbone", ["clip", "albef", "blip", "siglip", "hf"])
@pytest.mark.parametrize("fusion", FUSIONS.names())
def test_every_fusion_is_a_model_on_every_dual_encoder(backbone: str, fusion: str) -> None:
    found = capabilities(adapter_class(f"{backbone}+{fusion}"))
    kind = FUSIONS.get(fusion)
    assert isinstance(kind, Fusion)
    assert found >= DUAL_ENCODER | {"fuse", "answer_embedded"}
    assert ("caption_embedded" in found, "score_pairs" in found) == (bool(kind.captioner), kind.scheduled)
    assert kind.make(4).weigh is not None


def test_short_names_are_fusions_on_backbones() -> None:
    for name, (backbone, fusion) in SHORT_NAMES.items():
        assert adapter_class(name) is adapter_class(f"{backbone}+{fusion}")


def test_a_users_model_is_a_backbone(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(USERS)
    assert "fuse" in capabilities(adapter_class(f"{tmp_path}/mine.py:Mine+mean"))


def test_an_unknown_fusion_is_named_with_its_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown fusion .maen.\. Did you mean .mean."):
        adapter_class("albef+maen")
    with pytest.raises(UsageError, match=r"allowed: BACKBONE\+FUSION, as in clip\+mean"):
        adapter_class("BACKBONE+FUSION")


def test_the_name_in_a_weights_file_imports_nothing(tmp_path: Path) -> None:
    trap = tmp_path / "trap.py"
    trap.write_text(f"open({str(tmp_path / 'sprung')!r}, 'w').close()\nfusion = None\n")
    with pytest.raises(UnknownNameError, match="fusion"):
        get_fusion(f"{trap}:fusion")
    assert not (tmp_path / "sprung").exists()
