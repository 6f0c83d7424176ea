"""The settings and inputs of a study: ``study.json``. A folder belongs to one study."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from mafs_bench.adapters.probe import Probe
from mafs_bench.errors import StoreError
from mafs_bench.mafs.backbone import difference
from mafs_bench.mafs.cards import command_line
from mafs_bench.mafs.training import Budget
from mafs_bench.runs.store import write_atomically
from mafs_bench.types import Dataset
from mafs_bench.version import __version__

FILE = "study.json"
_FORMAT = 2


@dataclass(frozen=True)
class StudyRequest:
    """What to study, as the user gave it. ``train`` and ``test`` are splits of ``dataset``."""

    backbone: str = "clip"
    dataset: str = "scenes"
    train: str = "val"
    test: str = "test"
    data_root: Path | None = None
    seeds: int = 3
    severities: tuple[int, ...] = (1, 3, 5)
    limit: int | None = None
    train_limit: int | None = None
    suite: str = "core@1"

    def command(self, budget: Budget, out: Path) -> str:
        """The command that runs this study."""
        options = {
            "out": out,
            "backbone": self.backbone,
            "dataset": self.dataset,
            "train": self.train,
            "test": self.test,
            "data-root": self.data_root,
            "seeds": self.seeds,
            "severity": ",".join(map(str, self.severities)),
            "limit": self.limit,
            "train-limit": self.train_limit,
            "steps": budget.steps,
        }
        return command_line("study fusion", options)


def identity_of(
    request: StudyRequest,
    budget: Budget,
    weights: str,
    suite_digest: str,
    train: Dataset,
    test: Dataset,
) -> dict[str, Any]:
    """Everything that determines a study's numbers, as plain JSON; the keys are used in error messages.

    weights: SHA-256 of the backbone's weights. The content of the data is included, their location is not.
    """
    loss = {name: value for name, value in asdict(budget).items() if name != "steps"}
    return {
        "format": _FORMAT,
        "mafs-bench": __version__,
        "--backbone": request.backbone,
        "--dataset": request.dataset,
        "--train": request.train,
        "--test": request.test,
        "--seeds": request.seeds,
        "--severity": list(request.severities),
        "--limit": request.limit,
        "--train-limit": request.train_limit,
        "--steps": budget.steps,
        "budget": loss,
        "suite": f"{request.suite} {suite_digest}",
        "weights of the backbone": weights,
        "training images and captions": train.revision,
        "test images and captions": test.revision,
    }


@dataclass(frozen=True)
class StudyRecord:
    """``study.json``.

    probe: the backbone's probe. notes: remarks that a reader of the numbers needs. cost: of scheduling relative to
    encoding, empty until it has been measured.
    """

    request: StudyRequest
    budget: Budget
    identity: Mapping[str, Any]
    probe: Mapping[str, object]
    tasks: tuple[str, ...]
    notes: tuple[str, ...]
    cost: Mapping[str, float]

    def write(self, out: Path) -> None:
        """Write the file atomically. Raises ``StoreError``."""
        table = asdict(self)
        table["request"]["data_root"] = (
            None if self.request.data_root is None else str(self.request.data_root)
        )
        write_atomically(out / FILE, (json.dumps(table, indent=1) + "\n").encode())


def read_record(out: Path) -> StudyRecord:
    """Read ``study.json``. Raises ``StoreError``."""
    try:
        table = json.loads((out / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise StoreError(f"{out} is not a study: it has no {FILE}") from error
    except (OSError, ValueError) as error:
        raise StoreError(f"{out / FILE} cannot be read: {error}") from error
    if not isinstance(table, dict) or set(table) != {field.name for field in fields(StudyRecord)}:
        raise StoreError(f"{out} contains a study of another version of mafs-bench; choose another --out")
    asked = table["request"]
    root = asked["data_root"]
    request = StudyRequest(
        **{
            **asked,
            "severities": tuple(asked["severities"]),
            "data_root": None if root is None else Path(root),
        }
    )
    return StudyRecord(
        request,
        Budget(**table["budget"]),
        table["identity"],
        table["probe"],
        tuple(table["tasks"]),
        tuple(table["notes"]),
        table["cost"],
    )


def open_study(out: Path, record: StudyRecord, probe: Probe) -> StudyRecord:
    """Start a study in a folder, or resume the one in it; returns its record. ``probe``: the backbone's.

    Raises ``StoreError`` with the difference if the folder belongs to another study.
    """
    if not (out / FILE).exists():
        if any((out / name).exists() for name in ("scores", "weights")):
            raise StoreError(f"{out} contains scores or weights without a {FILE}; choose another --out")
        record.write(out)
        return record
    stored = read_record(out)
    there, here = dict(stored.identity), json.loads(json.dumps(record.identity))
    names = [name for name in {**there, **here} if there.get(name) != here.get(name)]
    if names:
        first, *others = names
        also = f" (also different: {', '.join(others)})" if others else ""
        raise StoreError(
            f"{out} contains another study: {first} was {there.get(first)!r} there and is {here.get(first)!r} now"
            f"{also}; choose another --out"
        )
    if (other := difference(stored.probe, probe)) is not None:
        raise StoreError(
            f"{out} contains a study with other weights of the backbone ({other}); choose another --out"
        )
    return stored
