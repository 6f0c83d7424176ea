"""The bundled MA-AFS model as a newcomer runs it: the same bytes for any batch size and worker count."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mafs_bench.types import MEASURED


def run(out: Path, *more: str) -> dict[str, bytes]:
    options = [
        "--model",
        "mafs-clip",
        "--corruption",
        "gaussian,keyboard",
        "--severity",
        "5",
        "--limit",
        "30",
    ]
    command = [sys.executable, "-m", "mafs_bench", "run", *options, "--quiet", "--out", str(out), *more]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    files = [*out.glob("cells/*.parquet"), out / "results.json"]
    spec = json.loads((out / "spec.json").read_text())
    requested = {
        name: value for name, value in spec.items() if name not in MEASURED
    }  # a probe is compared, not equal
    return {file.name: file.read_bytes() for file in files} | {
        "spec.json": json.dumps(requested, sort_keys=True).encode()
    }


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return run(tmp_path_factory.mktemp("mafs") / "reference")


def test_every_task_is_scored(reference: dict[str, bytes]) -> None:
    clean = {name.partition("--")[0] for name in reference if name.endswith("--clean.parquet")}
    assert clean == {"retrieval", "fused-retrieval", "matching", "vqa", "captioning"}


@pytest.mark.parametrize(
    "more", [("--batch-size", "1", "--workers", "0"), ("--batch-size", "7", "--workers", "2")]
)
def test_batches_and_workers_change_no_byte(
    tmp_path: Path, reference: dict[str, bytes], more: tuple[str, ...]
) -> None:
    assert run(tmp_path / "other", *more) == reference
