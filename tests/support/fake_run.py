"""Results folders as a run leaves them, with scores from a formula instead of a model."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from mafs_bench.adapters.probe import Probe
from mafs_bench.corruptions import suite as suites
from mafs_bench.metrics.captioning import caption_statistics
from mafs_bench.runs.store import CellMeta, results_json, write_atomically, write_cell
from mafs_bench.stats.intervals import intervals
from mafs_bench.stats.resampling import Resampling
from mafs_bench.tasks import get_task
from mafs_bench.types import CellResult, Condition, RunSpec

SUITE = "smoke@1"
CAPTIONS = 2


def write_run(
    folder: Path,
    *,
    model: str = "clip",
    skill: float = 2.0,
    fragility: float = 0.5,
    tasks: Sequence[str] = ("retrieval",),
    corruptions: Sequence[str] = ("gaussian_noise", "keyboard"),
    severities: Sequence[int] = (1, 3, 5),
    n: int = 30,
    dataset: str = "scenes",
    seed: int = 0,
    weights: str = "",
    answers: str = "",
    limit: int | None = None,
    precision: str = "fp32",
    suite: str = SUITE,
    ungraded: Sequence[str] = (),
) -> Path:
    """Write a finished run; ``skill`` lifts all its scores, ``fragility`` is what a severity costs.

    ``weights`` names them, as ``model`` does where it is ""; ``answers`` names what the model says to the probe, as
    ``weights`` do where it is "". ``ungraded`` corruptions have severity 1 alone.
    """
    definition = suites.load(suite)
    spec = RunSpec(
        model=model,
        weights=hashlib.sha256((weights or model).encode()).hexdigest(),
        dataset=dataset,
        split="test",
        revision="r1",
        limit=limit,
        tasks=tuple(tasks),
        suite=definition.id,
        suite_hash=definition.digest,
        corruptions=tuple(corruptions),
        severities=tuple(severities),
        seed=seed,
        precision=precision,
        missing={"image": "blank", "text": "empty"},
        packages={"numpy": np.__version__},
        probe=fake_probe(answers or weights or model, precision).to_table(),
    )
    conditions = [Condition(definition.id, None, 0, seed)]
    conditions += [
        Condition(definition.id, c, s, seed)
        for c in corruptions
        for s in ((1,) if c in ungraded else severities)
    ]
    resampling = Resampling([f"g{i:03d}" for i in range(n)], n_resamples=200, seed=seed)
    cells = []
    for task in tasks:
        for condition in conditions:
            weight = 1.0 + 0.2 * (
                0 if condition.corruption is None else corruptions.index(condition.corruption)
            )
            frame = fake_frame(task, n, skill - fragility * weight * condition.severity, model, condition)
            digest = hashlib.sha256(f"{task} {condition.label}".encode()).hexdigest()
            name = condition.corruption
            meta = CellMeta(task, dataset, name, condition.severity, seed, digest, {"images_changed": 1.0})
            write_cell(folder, meta, condition, frame)
            metrics = intervals(get_task(task).metrics, frame, resampling)
            cells.append(
                CellResult(task, dataset, name, condition.severity, seed, metrics, digest, meta.audit)
            )
    write_atomically(folder / "spec.json", spec.to_json().encode())
    write_atomically(folder / "results.json", results_json(cells).encode())
    return folder


def fake_probe(name: str, precision: str = "fp32") -> Probe:
    """What a model of that name answers: the same numbers for the same name."""
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little"))
    return Probe(precision, {"images, together": rng.normal(size=(8, 4))}, {"images, together": 4}, {})


def fake_frame(task: str, n: int, ability: float, model: str, condition: Condition) -> pd.DataFrame:
    """Scores of ``n`` images: the same luck under every condition, so that curves fall."""
    luck = np.random.default_rng(int.from_bytes(model.encode()[:7], "little"))
    return _FRAMES[task](n, ability, luck, condition)


def _captions(n: int) -> pd.DataFrame:
    rows = [(f"s{i:03d}#{k}", f"g{i:03d}") for i in range(n) for k in range(CAPTIONS)]
    return pd.DataFrame(rows, columns=["id", "group"])


def _ranks(rows: int, ability: float, luck: np.random.Generator) -> np.ndarray:
    return np.maximum(1.0, np.ceil(np.exp(luck.normal(1.0, 1.0, rows) - ability)))


def _retrieval(n: int, ability: float, luck: np.random.Generator, condition: Condition) -> pd.DataFrame:
    images = pd.DataFrame({"id": [f"s{i:03d}" for i in range(n)], "group": [f"g{i:03d}" for i in range(n)]})
    frame = pd.concat(
        [_captions(n).assign(direction="t2i"), images.assign(direction="i2t")], ignore_index=True
    )
    frame["score"] = _ranks(len(frame), ability, luck)
    if condition.corruption == "keyboard":
        frame.loc[0, "score"] = np.nan  # not applicable to that caption
    return frame


def _fused(n: int, ability: float, luck: np.random.Generator, condition: Condition) -> pd.DataFrame:
    frame = _captions(n)
    frame["score"] = _ranks(len(frame), ability, luck)
    is_image = condition.corruption == "gaussian_noise"
    tilt = 0.08 * condition.severity * (-1 if is_image else 1) + luck.normal(0, 0.03, len(frame))
    frame["alpha_image"] = np.clip(0.5 + tilt, 0, 1).astype(np.float32)
    frame["alpha_text"] = 1 - frame["alpha_image"]
    return frame


def _vqa(n: int, ability: float, luck: np.random.Generator, condition: Condition) -> pd.DataFrame:
    chance = 1 / (1 + np.exp(-(ability + luck.normal(0, 1, n))))
    rows = {"id": [f"q{i:03d}" for i in range(n)], "group": [f"g{i:03d}" for i in range(n)]}
    kinds = np.resize(["yes/no", "number", "other"], n)
    return pd.DataFrame(
        {
            **rows,
            "answer_type": kinds,
            "score": np.round(chance * 10) / 10,
            "confidence": chance,
            "answer": ["yes"] * n,
        }
    )


def _matching(n: int, ability: float, luck: np.random.Generator, condition: Condition) -> pd.DataFrame:
    label = np.repeat([1, 0], n)
    score = luck.normal(0, 1, 2 * n).astype(np.float32) + label * max(ability, 0)
    margin = np.concatenate([score[:n] - score[n:], np.full(n, np.nan)])
    return pd.DataFrame(
        {
            "id": [f"s{i % n:03d}|{i}" for i in range(2 * n)],
            "group": [f"g{i % n:03d}" for i in range(2 * n)],
            "score": score,
            "label": label,
            "confidence": np.full(2 * n, np.nan),
            "margin": margin.astype(np.float32),
        }
    )


def _captioning(n: int, ability: float, luck: np.random.Generator, condition: Condition) -> pd.DataFrame:
    words = ["a", "red", "square", "left", "of", "three", "small", "blue", "discs", "on", "grey", "ground"]
    references = [[" ".join(np.roll(words, i % 5)), " ".join(words[i % 4 :])] for i in range(n)]
    kept = 1 / (1 + np.exp(-ability))
    said = [" ".join(w for w in one[0].split() if luck.random() < kept) or "a" for one in references]
    rows = {"id": [f"s{i:03d}" for i in range(n)], "group": [f"g{i:03d}" for i in range(n)], "caption": said}
    return pd.concat([pd.DataFrame(rows), caption_statistics(said, references)], axis=1)


def _choices(n: int, ability: float, luck: np.random.Generator, condition: Condition) -> pd.DataFrame:
    chance = 1 / (1 + np.exp(-(ability + luck.normal(0, 1, n))))
    right = chance > luck.random(n)
    return pd.DataFrame(
        {
            "id": [f"c{i:03d}" for i in range(n)],
            "group": [f"g{i:03d}" for i in range(n)],
            "category": np.resize(["colour", "count"], n),
            "n_options": np.full(n, 4),
            "score": right.astype(np.float64),
            "confidence": np.maximum(chance, 0.25),
            "chosen": np.where(right, 0.0, 1.0),
        }
    )


def _rotated_choices(n: int, ability: float, luck: np.random.Generator, condition: Condition) -> pd.DataFrame:
    """Right in all four rotations by the luck of each; the first is the one that ``once`` holds."""
    frame = _choices(n, ability, luck, condition)
    once = frame["score"].to_numpy()
    others = (frame["confidence"].to_numpy() > luck.random((3, n))).all(axis=0)
    return frame.assign(score=once * others, once=once)


_FRAMES = {
    "retrieval": _retrieval,
    "fused-retrieval": _fused,
    "vqa": _vqa,
    "matching": _matching,
    "captioning": _captioning,
    "context-captioning": _captioning,
    "multiple-choice": _choices,
    "multiple-choice-circular": _rotated_choices,
}
