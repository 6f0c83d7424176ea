"""Findings from the study's scores: gains with paired intervals, ablations, diagnostics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.stats

from mafs_bench.corruptions import suite as suites
from mafs_bench.errors import StoreError
from mafs_bench.mafs.study.conditions import GROUPS, StudyCell, study_cells
from mafs_bench.mafs.study.evaluate import score_file
from mafs_bench.mafs.study.record import StudyRequest, read_record
from mafs_bench.mafs.study.variants import FIXED, METHODS, ORACLE
from mafs_bench.mafs.training import Budget
from mafs_bench.metrics.calibration import ece
from mafs_bench.stats.intervals import estimate
from mafs_bench.stats.resampling import Resampling, difference, replicate, replicate_paired
from mafs_bench.stats.significance import cluster_permutations, holm, non_inferiority
from mafs_bench.stats.simple import mean_of
from mafs_bench.types import Estimate

MARGIN = 0.005
"""Half a point: the loss allowed to MA-AFS on clean data and with a missing modality."""

Scores = dict[str, pd.DataFrame]
"""Per-row scores of a group by variant, averaged over conditions and seeds: columns id, group, score."""


@dataclass(frozen=True)
class Gain:
    """A method compared with one baseline in one group: score difference, clustered interval, Holm-corrected p."""

    group: str
    method: str
    baseline: str
    score: Estimate
    baseline_score: Estimate
    difference: Estimate
    p: float | None
    not_inferior_p: float | None


@dataclass(frozen=True)
class Study:
    """A finished study, read from disk."""

    task: str
    request: StudyRequest
    budget: Budget
    notes: tuple[str, ...]
    cost: Mapping[str, float]
    cells: list[tuple[StudyCell, pd.DataFrame]]

    def names(self) -> list[str]:
        """The variants that were scored."""
        return list(dict.fromkeys(name.partition("#")[0] for name in self.columns_of("score")))

    def methods(self) -> list[str]:
        """The methods that were scored."""
        return [name for name in METHODS if name in self.names()]

    def columns_of(self, what: str) -> list[str]:
        """All columns of one kind: "score", "alpha" or "confidence"."""
        return [name for name in map(str, self.cells[0][1]) if name.endswith(f"|{what}")]

    def columns(self, variant: str, what: str) -> list[str]:
        """A variant's columns of one kind, one per seed."""
        return [f"{variant}#{seed}|{what}" for seed in range(self.request.seeds)]


def read_studies(out: Path) -> list[Study]:
    """Read the output of ``evaluate``, task by task. Raises ``StoreError`` if conditions are missing."""
    record = read_record(out)
    request = record.request
    cells = study_cells(suites.load(request.suite), 0, request.severities)
    studies = []
    for task in record.tasks:
        missing = [cell.condition.label for cell in cells if not score_file(out, task, cell).is_file()]
        if missing:
            raise StoreError(
                f"{out} lacks {len(missing)} conditions, the first {missing[0]}; start the study again"
            )
        frames = [(cell, _read_scores(score_file(out, task, cell))) for cell in cells]
        studies.append(Study(task, request, record.budget, record.notes, record.cost, frames))
    return studies


def _read_scores(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} is damaged: delete it and start the study again") from error


def group_scores(study: Study) -> dict[str, Scores]:
    """The score per row (mean over conditions and seeds) by group and variant."""
    return {group: _scores(study, [f for c, f in study.cells if c.group == group]) for group in GROUPS}


def _scores(study: Study, frames: Sequence[pd.DataFrame]) -> Scores:
    made = {}
    for name in study.names():
        scored = np.array(
            [frame[column] for frame in frames for column in study.columns(name, "score")], dtype=float
        )
        counts = np.count_nonzero(~np.isnan(scored), axis=0)
        mean = np.where(counts > 0, np.nansum(scored, axis=0) / np.maximum(counts, 1), np.nan)
        made[name] = frames[0][["id", "group"]].assign(score=mean)
    return made


def gains(study: Study, n_resamples: int = 2000) -> list[Gain]:
    """Each method compared with the best fixed fusion of each group, p corrected over the groups (Holm).

    The best fixed fusion is chosen on the same scores, which favours it.
    """
    groups = group_scores(study)
    clusters = study.cells[0][1]["group"]
    resampling = Resampling(clusters, n_resamples)
    metric = mean_of(interval="proportion")
    found: list[Gain] = []
    for method in study.methods():
        pairs = {g: (method, best_fixed(scores)) for g, scores in groups.items()}
        tests = cluster_permutations([(metric, groups[g][m], groups[g][b]) for g, (m, b) in pairs.items()])
        corrected = holm([test.p for test in tests])
        for (group, (name, baseline)), p in zip(pairs.items(), corrected, strict=True):
            own, other = replicate_paired(metric, [groups[group][name], groups[group][baseline]], resampling)
            change = difference(own, other)
            found.append(
                Gain(
                    group,
                    name,
                    baseline,
                    estimate(own),
                    estimate(other),
                    estimate(change),
                    p,
                    non_inferiority(change, MARGIN).p,
                )
            )
    return found


def best_fixed(scores: Scores) -> str:
    """The fixed fusion with the highest mean."""
    return max(FIXED, key=lambda name: float(scores[name]["score"].mean()))


def group_estimates(study: Study, n_resamples: int = 2000) -> dict[str, dict[str, Estimate]]:
    """The mean score with its interval by variant and group."""
    resampling = Resampling(study.cells[0][1]["group"], n_resamples)
    groups = group_scores(study)
    return {
        name: {
            g: estimate(replicate(mean_of(interval="proportion"), groups[g][name], resampling))
            for g in GROUPS
        }
        for name in study.names()
    }


def gap_closed(study: Study, method: str, group: str = "noisy, unseen") -> float:
    """(method - best fixed) / (oracle - best fixed) of a group's score; NaN if the oracle gains nothing."""
    scores = {name: float(frame["score"].mean()) for name, frame in group_scores(study)[group].items()}
    best = max(scores[name] for name in FIXED)
    room = scores[ORACLE] - best
    return (scores[method] - best) / room if room > 0 else float("nan")


@dataclass(frozen=True)
class WeightCurve:
    """Mean weight of the corrupted modality by severity (0 clean), with Spearman's rank correlation.

    The correlation is over rows and severities; it is negative if the weight decreases with the severity.
    """

    corruption: str
    modality: str
    group: str
    means: dict[int, float]
    rank_correlation: float


def weights_against_severity(study: Study, method: str) -> list[WeightCurve]:
    """One curve per image or text corruption."""
    clean = study.cells[0][1]
    curves = []
    for name, cells in _by_corruption(study, ("image", "text")).items():
        corruption = cells[0][0].corruption
        assert corruption is not None
        alphas = {0: _alpha(study, clean, method)} | {
            cell.condition.severity: _alpha(study, frame, method) for cell, frame in cells
        }
        own = {s: a if corruption.modality == "image" else 1 - a for s, a in alphas.items()}
        severities = np.repeat(list(own), [len(a) for a in own.values()])
        rho = scipy.stats.spearmanr(severities, np.concatenate(list(own.values()))).statistic
        means = {s: float(np.mean(a)) for s, a in own.items()}
        curves.append(WeightCurve(name, corruption.modality, cells[0][0].group, means, float(rho)))
    return curves


def moved_to_the_cleaner(study: Study, method: str) -> float:
    """Share of corrupted rows whose weight for the corrupted modality is below that of the clean row."""
    clean = _alpha(study, study.cells[0][1], method)
    shares = []
    for cells in _by_corruption(study, ("image", "text")).values():
        for cell, frame in cells:
            alpha = _alpha(study, frame, method)
            image = cell.corruption is not None and cell.corruption.modality == "image"
            shares.append(np.mean(alpha < clean if image else alpha > clean))
    return float(np.mean(shares))


def mismatch_auroc(study: Study, method: str) -> float:
    """AUROC of α_text for separating mismatched from matched pairs."""
    parts = [
        (frame["mismatched"].to_numpy(dtype=bool), _alpha(study, frame, method))
        for cells in _by_corruption(study, ("pair",)).values()
        for cell, frame in cells
        if cell.group == "mismatched"
    ]
    label, alpha = (np.concatenate(x) for x in zip(*parts, strict=True))
    return _auroc(1 - alpha[label], 1 - alpha[~label])


def missing_modality(study: Study, method: str) -> dict[str, tuple[float, float]]:
    """Scores (method, remaining modality alone) over the rows without the image, and over those without the text."""
    alone = {"image_dropout": ("text-only", 0.0), "text_dropout": ("image-only", 1.0)}
    found = {}
    for name, (baseline, alpha) in alone.items():
        frames = [
            frame[_alpha(study, frame, method) == alpha]
            for _, frame in _by_corruption(study, ("pair",))[name]
        ]
        found[name] = (_mean_score(study, frames, method), _mean_score(study, frames, baseline))
    return found


def right_modality(study: Study, method: str) -> float:
    """AUROC of α_image for predicting which modality is right, over the rows that only one of them gets right.

    0.5 means that the weights carry no such information.
    """
    image, text = _only_one_right(study, ("image-only", "text-only"))
    alpha = np.concatenate([_alpha(study, frame, method) for _, frame in study.cells])
    return _auroc(alpha[image], alpha[text])


def _only_one_right(study: Study, names: tuple[str, str]) -> tuple[np.ndarray[Any, Any], ...]:
    """Rows of all conditions on which the first alone scores higher, and those on which the second does."""
    first, second = (
        np.concatenate([frame[study.columns(name, "score")].mean(axis=1) for _, frame in study.cells])
        for name in names
    )
    return first > second, second > first


def calibration(study: Study) -> dict[str, dict[str, float]]:
    """Expected calibration error by variant and group, over all seeds; empty if the answers have no confidence."""
    if not study.columns_of("confidence"):
        return {}
    return {
        name: {group: _ece(study, name, [f for c, f in study.cells if c.group == group]) for group in GROUPS}
        for name in study.names()
    }


def _ece(study: Study, name: str, frames: Sequence[pd.DataFrame]) -> float:
    parts = [
        pd.DataFrame({"stated": frame[stated], "found": frame[found]})
        for frame in frames
        for stated, found in zip(study.columns(name, "confidence"), study.columns(name, "score"), strict=True)
    ]
    rows = pd.concat(parts).astype(np.float64).dropna()
    metric = ece(study.task, lambda f: f["stated"].to_numpy(), lambda f: f["found"].to_numpy())
    assert metric.columns is not None
    assert metric.value is not None
    return float(metric.value(metric.columns(rows).sum(axis=0)))


def _auroc(positive: np.ndarray[Any, Any], negative: np.ndarray[Any, Any]) -> float:
    """How often a positive is above a negative, ties counting half; NaN if one kind is empty."""
    if not len(positive) or not len(negative):
        return float("nan")
    return float(scipy.stats.mannwhitneyu(positive, negative).statistic / (len(positive) * len(negative)))


def _mean_score(study: Study, frames: Iterable[pd.DataFrame], name: str) -> float:
    columns = study.columns(name, "score")
    return float(
        np.nanmean(np.concatenate([frame[c].to_numpy(dtype=float) for frame in frames for c in columns]))
    )


def _alpha(study: Study, frame: pd.DataFrame, method: str) -> np.ndarray[Any, Any]:
    return np.asarray(frame[study.columns(method, "alpha")].mean(axis=1), dtype=np.float64)


def _by_corruption(
    study: Study, modalities: tuple[str, ...]
) -> dict[str, list[tuple[StudyCell, pd.DataFrame]]]:
    found: dict[str, list[tuple[StudyCell, pd.DataFrame]]] = {}
    for cell, frame in study.cells:
        if cell.corruption is not None and cell.corruption.modality in modalities:
            found.setdefault(cell.corruption.name, []).append((cell, frame))
    return found
