"""METEOR and SPICE through the Java programs in ``pycocoevalcap`` (extra ``java-metrics``).

They are not available (no column) if Java, the package or SPICE's models are missing, or if ``MAFS_BENCH_NO_JAVA``
is set in the environment, because METEOR takes seconds to start.
"""

from __future__ import annotations

import atexit
import importlib.util
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from mafs_bench.errors import DataError
from mafs_bench.metrics.caption_scores import Tokens
from mafs_bench.metrics.columns import Array

N_METEOR = 23
METEOR_COLUMNS = tuple(f"meteor_{i}" for i in range(N_METEOR))
"""METEOR's statistics: lengths and function words of caption and reference, four kinds of match, chunks, matches."""

SWITCH_OFF = "MAFS_BENCH_NO_JAVA"

_METEOR = "meteor/meteor-1.5.jar"
_SPICE = "spice/spice-1.0.jar"
_SPICE_MODELS = "spice/lib/stanford-corenlp-3.6.0-models.jar"
_ALPHA, _BETA, _GAMMA, _DELTA = 0.85, 0.2, 0.6, 0.75
_KINDS = np.array([1.0, 0.6, 0.8, 0.6])
"""Weights of exact, stem, synonym and paraphrase matches in English."""


def java_programs() -> tuple[str, ...]:
    """The Java programs that are available here: METEOR, SPICE, both or none."""
    needed = {"METEOR": (_METEOR,), "SPICE": (_SPICE, _SPICE_MODELS)}
    return tuple(name for name, files in needed.items() if all(_available(file) for file in files))


def start_meteor() -> None:
    """Start METEOR in the background, if it is available: it takes seconds to load."""
    jar = _available(_METEOR)
    if jar is not None:
        _meteor_process(jar)


def meteor_statistics(captions: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> Array | None:
    """Statistics of METEOR 1.5 (Denkowski and Lavie, WMT 2014) per caption, (n, 23), or None if unavailable.

    A caption that is matched completely in one piece counts no chunk. Raises ``DataError`` if the program fails.
    """
    jar = _available(_METEOR)
    if jar is None:
        return None
    process = _meteor_process(jar)
    lines = [
        " ||| ".join(["SCORE", *(_sentence(text) for text in texts), _sentence(caption)])
        for caption, texts in zip(captions, references, strict=True)
    ]
    statistics = np.array([_ask(process, line) for line in lines]).reshape(-1, N_METEOR)
    whole = (statistics[:, 21:23] == statistics[:, :2]).all(axis=1) & (statistics[:, 20] == 1)
    statistics[whole, 20] = 0.0
    return statistics


def meteor(sums: Array) -> Array:
    """METEOR from sums (..., 24) of the statistics and of a column of ones."""
    lengths, function = sums[..., :2], sums[..., 2:4]
    # axes: kind of match, content or function words, caption or reference
    matches = sums[..., 4:20].reshape(*sums.shape[:-1], 4, 2, 2)
    content_matches, function_matches = np.moveaxis(np.einsum("k,...kcs->...cs", _KINDS, matches), -2, 0)
    weighted = _DELTA * content_matches + (1 - _DELTA) * function_matches
    words = _DELTA * (lengths - function) + (1 - _DELTA) * function
    with np.errstate(invalid="ignore", divide="ignore"):
        precision, recall = np.moveaxis(weighted / words, -1, 0)
        mean = precision * recall / (_ALPHA * precision + (1 - _ALPHA) * recall)
        scattered = sums[..., 20] / sums[..., 21:23].mean(axis=-1)
        score = np.nan_to_num(mean * (1 - _GAMMA * scattered**_BETA))
    return np.where(sums[..., N_METEOR] > 0, score, np.nan)


def spice_scores(captions: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> Array | None:
    """SPICE (Anderson et al., ECCV 2016) per caption, (n,), NaN if undefined; None if unavailable.

    Needs the models that ``pycocoevalcap.spice`` downloads. Raises ``DataError`` if the program fails.
    """
    jar = _available(_SPICE)
    if jar is None or _available(_SPICE_MODELS) is None:
        return None
    records = [
        {"image_id": i, "test": _sentence(caption), "refs": [_sentence(text) for text in texts]}
        for i, (caption, texts) in enumerate(zip(captions, references, strict=True))
    ]
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "in.json", Path(folder) / "out.json"
        given.write_text(json.dumps(records), encoding="utf-8")
        command = ["java", "-Xmx8G", "-jar", jar.name, str(given), "-out", str(found), "-silent"]
        done = subprocess.run(command, cwd=jar.parent, capture_output=True, encoding="utf-8", check=False)
        if done.returncode != 0:
            raise DataError(f"SPICE failed: {' '.join(done.stderr.split())[-300:]}")
        scored = json.loads(found.read_text(encoding="utf-8"))
    by_image = {record["image_id"]: record["scores"]["All"]["f"] for record in scored}
    return np.array([by_image.get(i, np.nan) for i in range(len(records))], dtype=np.float64)


def _available(file: str) -> Path | None:
    """The path of a file in ``pycocoevalcap``; None if it or Java is missing or disabled."""
    if os.environ.get(SWITCH_OFF):
        return None
    spec = importlib.util.find_spec("pycocoevalcap")
    if shutil.which("java") is None or spec is None or not spec.submodule_search_locations:
        return None
    path = Path(next(iter(spec.submodule_search_locations))) / file
    return path if path.is_file() else None


@lru_cache(maxsize=1)
def _meteor_process(jar: Path) -> subprocess.Popen[str]:
    command = ["java", "-Xmx2G", "-jar", jar.name, "-", "-", "-stdio", "-l", "en", "-norm"]
    process = subprocess.Popen(
        command,
        cwd=jar.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
    )
    atexit.register(process.kill)
    return process


def _ask(process: subprocess.Popen[str], line: str) -> list[float]:
    """Send one line and read the numbers in the answer. Raises ``DataError`` if the program has stopped."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(line + "\n")
        process.stdin.flush()
        numbers = [float(number) for number in process.stdout.readline().split()]
    except (OSError, ValueError) as error:
        raise DataError(f"METEOR failed: {error}") from error
    if len(numbers) != N_METEOR:
        raise DataError(f"METEOR failed: {len(numbers)} numbers in an answer, not {N_METEOR}")
    return numbers


def _sentence(tokens: Tokens) -> str:
    return " ".join(tokens).replace("|||", " ")
