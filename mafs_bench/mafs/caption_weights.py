"""Caption decoders on disk: one safetensors file per backbone and fusion, next to the fusion's file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mafs_bench.errors import UnknownNameError, WeightsError
from mafs_bench.files import replacing
from mafs_bench.mafs.captioning import CaptionDecoder, Captioner
from mafs_bench.mafs.catalogue import get_fusion
from mafs_bench.mafs.fusion import WeightedFusion
from mafs_bench.mafs.signals import Prototypes
from mafs_bench.mafs.vocabulary import Vocabulary
from mafs_bench.mafs.weights import file_name, search_path
from mafs_bench.types import TrainingData


@dataclass(frozen=True)
class CaptionerWeights:
    """A trained captioner with its vocabulary.

    fusion: one of ``fusion_names()``. backbone: SHA-256 of the weights it was trained on. digest: SHA-256 of the file,
    "" before it is written. probe, data: as in ``FusionWeights``.
    """

    fusion: str
    backbone: str
    captioner: Captioner
    vocabulary: Vocabulary
    digest: str = ""
    probe: Mapping[str, object] = field(default_factory=dict)
    data: tuple[TrainingData, ...] = ()


def captioner_file(fusion: str, backbone: str) -> str:
    """The file name of a captioner for that backbone."""
    return f"captions-{file_name(fusion, backbone)}"


def find_captioner(fusion: str, backbone: str) -> Path | None:
    """The file of the captioner trained for a backbone's weights, or None."""
    files = (folder / captioner_file(fusion, backbone) for folder in search_path())
    return next((file for file in files if file.is_file()), None)


def save_captioner(weights: CaptionerWeights, path: Path) -> None:
    """Write the file in half precision. Raises ``WeightsError`` if the folder cannot be written."""
    from safetensors.torch import save_file

    prototypes, decoder = weights.captioner.prototypes, weights.captioner.decoder
    shape = {
        "fusion": weights.fusion,
        "backbone": weights.backbone,
        "k": prototypes.image.shape[0],
        "dim": prototypes.image.shape[1],
        "length": decoder.length,
        "words": weights.vocabulary.words,
        "probe": weights.probe,
        "data": [data.to_table() for data in weights.data],
    }
    tensors = {
        name: tensor.half().contiguous()
        for name, tensor in weights.captioner.state_dict().items()
        if not name.startswith(_not_stored(weights.captioner.fusion))
    }
    try:
        with replacing(path) as temporary:
            save_file(tensors, temporary, metadata={"mafs_bench": json.dumps(shape)})
    except OSError as error:
        raise WeightsError(f"cannot write {path}: {error.strerror}") from error


def _not_stored(fusion: WeightedFusion) -> tuple[str, ...]:
    """Prefixes of unused tensors: captioning uses only the weights of its fusion."""
    return tuple(f"fusion.{prefix}" for prefix in fusion.not_for_weighing)


def load_captioner(path: Path) -> CaptionerWeights:
    """Read a file. Raises ``WeightsError`` if it does not contain a captioner."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            shape = json.loads((file.metadata() or {})["mafs_bench"])
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        dim, vocabulary = shape["dim"], Vocabulary(shape["words"])
        decoder = CaptionDecoder(dim, len(vocabulary), shape["length"])
        captioner = Captioner(get_fusion(shape["fusion"]).make(dim), decoder, Prototypes(shape["k"], dim))
        missing, unexpected = captioner.load_state_dict(tensors, strict=False)
        not_stored = _not_stored(captioner.fusion)
        if lacking := [name for name in missing if not name.startswith(not_stored)] + unexpected:
            raise KeyError(*lacking[:1])
        data = TrainingData.read(shape.get("data", ()))
    except (
        OSError,
        SafetensorError,
        UnknownNameError,
        KeyError,
        ValueError,
        RuntimeError,
        TypeError,
    ) as error:
        raise WeightsError(f"{path} does not contain a captioner: {error}") from error
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    probe = shape.get("probe", {})
    return CaptionerWeights(
        shape["fusion"], shape["backbone"], captioner.eval(), vocabulary, digest, probe, data
    )
