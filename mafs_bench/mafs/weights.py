"""Fusion weights on disk: one safetensors file per backbone and fusion."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from mafs_bench.errors import UnknownNameError, WeightsError
from mafs_bench.files import home, replacing
from mafs_bench.mafs.answering import AnswerHead
from mafs_bench.mafs.catalogue import get_fusion
from mafs_bench.mafs.cross_modal import CrossModalFusion
from mafs_bench.mafs.fusion import WeightedFusion
from mafs_bench.mafs.signals import Prototypes
from mafs_bench.types import TrainingData


@dataclass(frozen=True)
class FusionWeights:
    """A trained fusion with the prototypes for its signals.

    fusion: one of ``fusion_names()``. backbone: SHA-256 of the weights it was trained on. fused: for fused retrieval.
    cross: for cross-modal retrieval, MA-AFS only. prior: (d,), unit length, the query if both modalities are missing.
    digest: SHA-256 of the file, "" before it is written. head: for visual question answering over ``answers``, if the
    training data had questions. probe: of the backbone, a table of ``adapters.probe.Probe``. data: the training data
    of the fusion and of a transferred scheduler.
    """

    fusion: str
    backbone: str
    prototypes: Prototypes
    fused: WeightedFusion
    cross: CrossModalFusion | None
    prior: Tensor
    digest: str = ""
    head: AnswerHead | None = None
    answers: tuple[str, ...] = ()
    probe: Mapping[str, object] = field(default_factory=dict)
    data: tuple[TrainingData, ...] = ()


def search_path() -> list[Path]:
    """Where trained fusions are searched: ``home()/fusion``, then the bundled files."""
    return [home() / "fusion", Path(__file__).parents[1] / "weights" / "fusion"]


def file_name(fusion: str, backbone: str) -> str:
    """The file name of a fusion for a backbone's weights, whatever the name of the backbone."""
    hexadecimal = re.fullmatch("[0-9a-f]{64}", backbone)
    digest = backbone if hexadecimal else hashlib.sha256(backbone.encode()).hexdigest()
    return f"{fusion}-{digest[:16]}.safetensors"


def find(fusion: str, backbone: str) -> Path | None:
    """The file of the fusion trained for a backbone's weights, or None."""
    files = (folder / file_name(fusion, backbone) for folder in search_path())
    return next((file for file in files if file.is_file()), None)


def save(weights: FusionWeights, path: Path) -> None:
    """Write the file atomically, in half precision. Raises ``WeightsError`` if the folder cannot be written."""
    from safetensors.torch import save_file

    modules: dict[str, nn.Module | None] = {
        "prototypes": weights.prototypes,
        "fused": weights.fused,
        "cross": weights.cross,
        "head": weights.head,
    }
    tensors = {
        f"{part}.{name}": tensor.half().contiguous()
        for part, module in modules.items()
        if module is not None
        for name, tensor in module.state_dict().items()
        if not f"{part}.{name}".startswith(_not_stored(weights.fused))
    }
    k, dim = weights.prototypes.image.shape
    bank = 0 if weights.cross is None else len(weights.cross.image_bank)
    shape: dict[str, Any] = {
        "fusion": weights.fusion,
        "backbone": weights.backbone,
        "k": k,
        "dim": dim,
        "bank": bank,
    }
    shape["answers"] = list(weights.answers)
    shape["probe"] = weights.probe
    shape["data"] = [data.to_table() for data in weights.data]
    try:
        with replacing(path) as temporary:
            save_file(
                {**tensors, "prior": weights.prior.half()},
                temporary,
                metadata={"mafs_bench": json.dumps(shape)},
            )
    except OSError as error:
        raise WeightsError(f"cannot write {path}: {error.strerror}") from error


def load(path: Path) -> FusionWeights:
    """Read a file. Raises ``WeightsError`` if it does not contain a fusion."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            shape = json.loads((file.metadata() or {})["mafs_bench"])
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        fused = get_fusion(shape["fusion"]).make(shape["dim"])
        prototypes = Prototypes(shape["k"], shape["dim"])
        cross = None
        if shape["bank"]:
            names = fused.get_submodule("scheduler.standardise").names
            cross = CrossModalFusion(shape["dim"], shape["bank"], names)  # type: ignore[arg-type]
        answers = tuple(shape["answers"])
        head = (
            AnswerHead(get_fusion(shape["fusion"]).make(shape["dim"]), shape["dim"], len(answers))
            if answers
            else None
        )
        modules: dict[str, nn.Module | None] = {
            "prototypes": prototypes,
            "fused": fused,
            "cross": cross,
            "head": head,
        }
        for part, module in modules.items():
            if module is not None:
                _fill(module, tensors, part, _not_stored(fused))
                module.eval()
        data = TrainingData.read(shape.get("data", ()))
    except (
        OSError,
        SafetensorError,
        UnknownNameError,
        KeyError,
        ValueError,
        RuntimeError,
        AttributeError,
    ) as error:
        raise WeightsError(f"{path} does not contain a fusion: {error}") from error
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return FusionWeights(
        shape["fusion"],
        shape["backbone"],
        prototypes,
        fused,
        cross,
        tensors["prior"],
        digest,
        head,
        answers,
        shape.get("probe", {}),
        data,
    )


def _not_stored(fusion: WeightedFusion) -> tuple[str, ...]:
    """Prefixes of unused tensors: an answer head uses only the weights of its fusion."""
    return tuple(f"head.fusion.{prefix}" for prefix in fusion.not_for_weighing)


def _fill(module: nn.Module, tensors: Mapping[str, Tensor], part: str, not_stored: tuple[str, ...]) -> None:
    """Load the tensors of one part into its module. Raises ``KeyError`` if one is missing or unknown."""
    stored = {name: x for name, x in tensors.items() if not name.startswith(not_stored)}
    own = {name.removeprefix(f"{part}."): x for name, x in stored.items() if name.startswith(f"{part}.")}
    absent, unknown = module.load_state_dict(own, strict=False)
    needed = [name for name in absent if not f"{part}.{name}".startswith(not_stored)]
    if wrong := needed + unknown:
        raise KeyError(f"{part}.{wrong[0]}")
