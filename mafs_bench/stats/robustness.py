"""How much a model loses: the robustness measures of the field, each as the function that its source gives.

All take numbers or arrays (...,) that broadcast, so that ``resampling.combine`` can resample them; a list
of scores is stacked on the first axis. Scores are better when higher. NaN (unscored) stays NaN: a mean over
cells of which one is missing is missing. ``DEFINITIONS`` holds the formulas for the headers of tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit, logit

from mafs_bench.errors import UsageError
from mafs_bench.stats.resampling import Array, Replicates, combine, difference, mean
from mafs_bench.types import Estimate, Metric

Scores = npt.ArrayLike
_LEAST_MODELS = 5


@dataclass(frozen=True, slots=True)
class Definition:
    """What a column of a table means."""

    header: str
    formula: str
    range: str
    source: str


_CE_SOURCE = "Hendrycks and Dietterich, arXiv 1903.12261"
_TAORI = "Taori et al., arXiv 2007.00644"
_QIU = "Qiu et al., arXiv 2212.08044"

DEFINITIONS: Mapping[str, Definition] = {
    "drop": Definition("drop", "s_clean − s", "in the score's units; below 0: a gain", "plain difference"),
    "mmi": Definition("MMI", "(s_clean − mean_p s_p) / s_clean", "at most 1; 0: no loss", _QIU),
    "relative_accuracy": Definition(
        "RA", "mean_s s_s / s_clean", "0 or more; 1: no loss", "1 − MMI of one row"
    ),
    "corruption_error": Definition(
        "CE vs. REFERENCE",
        "Σ_s E_s / Σ_s E_ref,s, E = best − score",
        "0 or more; 1: as the reference",
        _CE_SOURCE,
    ),
    "relative_corruption_error": Definition(
        "rel. CE vs. REFERENCE",
        "Σ_s (E_s − E_clean) / Σ_s (E_ref,s − E_ref,clean)",
        "any; 1: as the reference; below 0: a gain",
        _CE_SOURCE,
    ),
    "mean_corruption_error": Definition(
        "mCE vs. REFERENCE", "mean_c CE_c", "0 or more; 1: as the reference", _CE_SOURCE
    ),
    "severity_auc": Definition(
        "AUC",
        "trapezoid of s over severity 0–5, divided by 5",
        "the score's range",
        "mean height of the curve",
    ),
    "worst_case": Definition("worst", "min_p s_p", "the score's range", "minimum over cells"),
    "slope": Definition(
        "slope",
        "Σ_s (s − s̄)(score_s − mean score) / Σ_s (s − s̄)², clean at s = 0",
        "in the score's units per severity; below 0: falls",
        "least squares",
    ),
    "first_drop": Definition(
        "from",
        "min { s : the 95 % interval of s_clean − s_s is above 0 }",
        "a severity; none: no significant drop",
        "paired intervals, uncorrected",
    ),
    "worst_corruption": Definition(
        "worst corruption", "argmin_c mean_s s_c,s", "a corruption", "minimum over corruptions"
    ),
    "balanced_mean": Definition(
        "balanced mean",
        "mean_f mean_{c in f} mean_s s_c,s over families f",
        "the score's range",
        "families weighed equally, as types within one overlap",
    ),
    "grades": Definition(
        "grades", "s_{s+1} ≤ s_s + tolerance for all s", "true or false", "monotone severities"
    ),
    "effective_robustness": Definition(
        "ρ",
        "s − β(s_clean), β logit-linear over ≥ 5 models",
        "−1 to 1; 0: as predicted from clean scores",
        _TAORI,
    ),
    "relative_robustness": Definition(
        "τ vs. BASELINE", "s − s_baseline", "−1 to 1; 0: as the baseline", _TAORI
    ),
    "super_additivity": Definition(
        "super-additivity",
        "(s_clean − s_both) − (s_clean − s_image) − (s_clean − s_text)",
        "in the score's units; above 0: worse together than the sum",
        "interaction contrast of a 2 × 2 design",
    ),
    "domain_gap": Definition(
        "gap",
        "s_source − s_target",
        "in the score's units; 0: none",
        "plain difference of independent samples",
    ),
    "difference_in_differences": Definition(
        "DiD",
        "(s_target,clean − s_target) − (s_source,clean − s_source)",
        "in the score's units; above 0: hurts more off the source",
        "difference in differences",
    ),
}
"""name -> header, formula, range and source of every measure of this module."""


def drop(clean: Scores, corrupted: Scores) -> Array:
    """s_clean − s, in the score's units and within ± its range; above 0 is a loss. Source: plain difference."""
    return np.asarray(np.subtract(clean, corrupted), dtype=np.float64)


def mmi(clean: Scores, corrupted: Scores) -> Array:
    """MultiModal Impact: (s_clean − mean_p s_p) / s_clean over perturbations p (k, …); at most 1.

    Source: Qiu et al., arXiv 2212.08044, who print it in per cent.
    """
    return _ratio(drop(clean, _mean(corrupted)), clean)


def relative_accuracy(clean: Scores, corrupted: Scores) -> Array:
    """RA: mean_s s_s / s_clean over severities (k, …), 0 or more; 1 where nothing is lost. 1 − MMI of a row."""
    return _ratio(_mean(corrupted), clean)


def corruption_error(scores: Scores, reference: Scores, best: float = 1.0) -> Array:
    """CE_c = Σ_s E_s / Σ_s E_ref,s with E = best − score, over severities (5, …); 1: as the reference.

    ``reference`` holds the scores of a *named* reference model on the same cells; ``best`` is the metric's
    upper end. Source: Hendrycks and Dietterich, arXiv 1903.12261 (there in per cent, reference AlexNet).
    """
    return _ratio(_sum(best - np.asarray(scores)), _sum(best - np.asarray(reference)))


def relative_corruption_error(
    scores: Scores, clean: Scores, reference: Scores, reference_clean: Scores
) -> Array:
    """Σ_s (E_s − E_clean) / Σ_s (E_ref,s − E_ref,clean) over severities (5, …): drops instead of errors.

    Source: Hendrycks and Dietterich, arXiv 1903.12261.
    """
    return _ratio(_sum(drop(clean, scores)), _sum(drop(reference_clean, reference)))


def mean_corruption_error(errors: Scores) -> Array:
    """mCE: the mean over corruptions (k, …) of CE_c; of relative CE_c it is the relative mCE."""
    return _mean(errors)


def severity_auc(scores: Scores, severities: Sequence[float] = (0, 1, 2, 3, 4, 5)) -> Array:
    """Mean height of the severity curve: trapezoid of scores (k, …) over ``severities`` (k,), by its length.

    In the score's own units and range; clean counts as severity 0. Raises ``UsageError`` for fewer than two
    severities or when they do not rise.
    """
    x, y = np.asarray(severities, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    if len(x) < 2 or len(x) != len(y) or (np.diff(x) <= 0).any():
        raise UsageError(f"severities {list(severities)} for {len(y)} scores; allowed: two or more, rising")
    return np.asarray(np.trapezoid(y, x, axis=0) / (x[-1] - x[0]))


def worst_case(scores: Scores) -> Array:
    """The least score over cells (k, …), in the score's own range. Source: minimum."""
    return np.asarray(np.min(np.asarray(scores, dtype=np.float64), axis=0))


def slope(scores: Scores, severities: Sequence[float]) -> Array:
    """Least-squares slope of scores (k, …) over ``severities`` (k,): Σ (x − x̄)(s − s̄) / Σ (x − x̄)².

    In the score's units per severity, below 0 where it falls; clean counts as severity 0. Raises ``UsageError`` for
    fewer than two severities or equal ones.
    """
    x, y = np.asarray(severities, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    if len(x) < 2 or len(x) != len(y) or len(set(x.tolist())) < len(x):
        raise UsageError(
            f"severities {list(severities)} for {len(y)} scores; allowed: two or more, all different"
        )
    centred = x - x.mean()
    return np.asarray(np.tensordot(centred, y, axes=1) / np.sum(centred**2))


def first_drop(drops: Mapping[int, Estimate]) -> int | None:
    """min { s : the 95 % interval of s_clean − s_s is above 0 }; None if there is none.

    drops: by severity, paired. Nothing is corrected for the number of severities.
    """
    return min((s for s, lost in drops.items() if lost.low is not None and lost.low > 0), default=None)


def worst_corruption(means: Mapping[str, float]) -> str | None:
    """argmin_c of the mean over severities, by corruption; the first of equals, None where nothing is scored."""
    scored = {name: value for name, value in means.items() if not np.isnan(value)}
    return min(scored, key=lambda name: scored[name], default=None)


def balanced_mean(means: Scores, families: Sequence[str]) -> Array:
    """mean_f mean_{c in f} m_c of the corruptions' means (k, …) with their families (k,): each family counts once.

    In the score's own range. The plain mean, mean_c m_c, counts a family as often as it has corruptions, and those
    overlap. Raises ``UsageError`` where the two differ in length.
    """
    stacked = np.asarray(means, dtype=np.float64)
    if len(stacked) != len(families) or not len(stacked):
        raise UsageError(f"{len(families)} families of {len(stacked)} means; allowed: one each, at least one")
    names = np.asarray(families)
    return _mean([_mean(stacked[names == family]) for family in dict.fromkeys(families)])


def balanced_mean_of(means: Sequence[Replicates], families: Sequence[str]) -> Replicates:
    """``balanced_mean`` with the interval rule of its parts."""
    return mean(
        [
            mean([one for one, own in zip(means, families, strict=True) if own == family])
            for family in dict.fromkeys(families)
        ]
    )


def grades(scores: Scores, tolerance: float = 0.0) -> bool:
    """Whether scores (k,) by rising severity never rise by more than ``tolerance``: s_{s+1} ≤ s_s + tolerance."""
    return bool((np.diff(np.asarray(scores, dtype=np.float64)) <= tolerance).all())


@dataclass(frozen=True, slots=True)
class AccuracyLine:
    """β: logit(corrupted) = intercept + slope · logit(clean), fitted over models."""

    slope: float
    intercept: float

    def expected(self, clean: Scores) -> Array:
        """The corrupted score predicted from a clean score, in (0, 1)."""
        return np.asarray(expit(self.intercept + self.slope * logit(np.asarray(clean, dtype=np.float64))))


def fit_accuracy_line(clean: Scores, corrupted: Scores) -> AccuracyLine:
    """Least squares of logit scores over models (k,), k >= 5, all scores strictly between 0 and 1.

    Raises ``UsageError``. Source: Taori et al., arXiv 2007.00644, section 3 (logit axes).
    """
    x, y = np.asarray(clean, dtype=np.float64), np.asarray(corrupted, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape or len(x) < _LEAST_MODELS:
        raise UsageError(f"effective robustness of {x.size} models; allowed: {_LEAST_MODELS} or more")
    if not ((x > 0) & (x < 1) & (y > 0) & (y < 1)).all():
        raise UsageError("effective robustness needs scores strictly between 0 and 1 of every model")
    if np.ptp(x) == 0:
        raise UsageError("effective robustness needs models whose clean scores differ")
    slope, intercept = np.polyfit(logit(x), logit(y), 1)
    return AccuracyLine(float(slope), float(intercept))


def effective_robustness(line: AccuracyLine, clean: Scores, corrupted: Scores) -> Array:
    """ρ = s − β(s_clean): above 0 is more robust than predicted from the clean score. Source: as the line."""
    return np.asarray(corrupted, dtype=np.float64) - line.expected(clean)


def relative_robustness(corrupted: Scores, baseline: Scores) -> Array:
    """τ = s − s_baseline on corrupted data, against a *named* baseline model; Taori et al., 2007.00644."""
    return np.asarray(np.subtract(corrupted, baseline), dtype=np.float64)


def super_additivity(clean: Scores, image: Scores, text: Scores, both: Scores) -> Array:
    """Loss under both − (loss under image + loss under text); above 0: worse together than the sum.

    In the score's units. Source: the interaction contrast of a 2 × 2 design.
    """
    return drop(clean, both) - drop(clean, image) - drop(clean, text)


def domain_gap(source: Scores, target: Scores) -> Array:
    """s_source − s_target, in the score's units; 0: none. Source: difference of independent samples."""
    return drop(source, target)


def difference_in_differences(
    source_clean: Scores, source: Scores, target_clean: Scores, target: Scores
) -> Array:
    """Drop on the target − drop on the source; above 0: the corruption hurts more off the source domain.

    In the score's units. Source: difference in differences (Angrist and Pischke, 2009, chapter 5.2).
    """
    return drop(target_clean, target) - drop(source_clean, source)


def super_additivity_of(
    clean: Replicates, image: Replicates, text: Replicates, both: Replicates
) -> Replicates:
    """``super_additivity`` with the interval of a difference of paired differences."""
    return difference(difference(image, both), difference(clean, text))


def chance_of(metric: Metric, frame: pd.DataFrame) -> float:
    """The score of guessing on the rows of a clean cell; the lower end of the range where a metric names none."""
    return metric.low if metric.chance is None else metric.chance(frame)


def at_floor(score: Estimate, chance: float) -> bool:
    """Whether a score is not above chance: nothing can be lost from it, and no MMI, RA or mCE is made of it.

    By its interval where there is one, else by its value; not where there is no score.
    """
    if score.value is None:
        return False
    return (score.value if score.low is None else score.low) <= chance


def on_all_rows(clean: Scores, own_clean: Scores, corrupted: Scores) -> Array:
    """The score of a cell brought to all rows: s_clean − (s_own,clean − s), equal to s where all rows are its own.

    A corruption that applies to some rows only has its loss measured on them; means over cells then do not mix what
    the rows are with what the corruptions cost. In the score's units.
    """
    return drop(clean, drop(own_clean, corrupted))


def brought_to_all_rows(clean: Replicates, own_clean: Replicates, corrupted: Replicates) -> Replicates:
    """``on_all_rows`` with the interval rule of the score; the cell itself where all rows are its own."""
    if own_clean.n == clean.n:
        return corrupted
    return replace(combine(on_all_rows, clean, own_clean, corrupted), rule=corrupted.rule)


def paired_mmi(pairs: Sequence[tuple[Replicates, Replicates]]) -> Replicates:
    """MMI of (clean, corrupted) pairs, each over the rows that both score.

    Equal to ``mmi`` where every row is scored in every cell; where a corruption does not apply to a row, the
    loss of that cell is relative to the clean score of its own rows.
    """

    def mean_loss(*scores: Array) -> Array:
        stacked = np.asarray(scores)
        return np.asarray(np.mean(_ratio(stacked[::2] - stacked[1::2], stacked[::2]), axis=0))

    return combine(mean_loss, *(part for pair in pairs for part in pair))


def _mean(scores: Scores) -> Array:
    return np.asarray(np.mean(np.asarray(scores, dtype=np.float64), axis=0))


def _ratio(numerator: Scores, denominator: Scores) -> Array:
    """NaN, undefined, where the denominator is 0."""
    below = np.asarray(denominator, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(below == 0, np.nan, np.asarray(numerator, dtype=np.float64) / below)


def _sum(scores: Scores) -> Array:
    return np.asarray(np.sum(np.asarray(scores, dtype=np.float64), axis=0))
