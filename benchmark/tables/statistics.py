"""Statistics of what n seeds can and cannot show. Knows only arrays of numbers; docs/statistics.md says why
each method was chosen.

Summary, summarise                  mean, std (n - 1), median, quartiles, 95 % interval of one model on one
data set paired_test, holm                   is one model better than another on seed-matched runs?
probability_of_improvement          how often would it be? published_p_value                   does our mean
differ from a published one? ranking                             mean ranks over data sets, with intervals
friedman_test, critical_difference  for a critical-difference diagram, from six data sets up
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
RESAMPLES = 9999
# Fewer give no interval: with three, even the range of the data covers the mean in 75 % of all cases only.
INTERVAL_SEEDS = 5
DIAGRAM_DATASETS = 6  # fewer give no critical-difference diagram: it could hardly separate anything


@dataclass(frozen=True)
class Summary:
    """One sample in numbers; std needs two values, the interval (low, high) five, otherwise they are NaN."""

    n: int
    mean: float
    std: float
    median: float
    lower_quartile: float
    upper_quartile: float
    low: float
    high: float


def summarise(values: Sequence[float] | np.ndarray) -> Summary:
    x = np.asarray(values, dtype=float)
    if not len(x):
        return Summary(0, *[math.nan] * 7)
    low, high = mean_interval(x)
    q1, median, q3 = np.quantile(x, [0.25, 0.5, 0.75])
    std = float(x.std(ddof=1)) if len(x) > 1 else math.nan
    return Summary(len(x), float(x.mean()), std, float(median), float(q1), float(q3), low, high)


def mean_interval(x: np.ndarray) -> tuple[float, float]:
    """95 % interval of the mean by the studentised bootstrap (bootstrap-t), NaN for fewer than five values.

    The percentile bootstrap of five values holds the mean in 84 % of all cases, this one in 95 % (normal
    values).
    """
    n = len(x)
    if n < INTERVAL_SEEDS:
        return math.nan, math.nan
    if np.ptp(x) == 0:
        return float(x[0]), float(x[0])
    resamples = x[_rng().integers(n, size=(RESAMPLES, n))]
    deviations = resamples.mean(axis=1) - x.mean()
    with np.errstate(divide="ignore", invalid="ignore"):  # a resample of equal values has no spread
        t = deviations / (resamples.std(axis=1, ddof=1) / math.sqrt(n))
    low, high = np.quantile(
        np.nan_to_num(t, posinf=1e9, neginf=-1e9),
        [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2],
        method="nearest",
    )
    error = x.std(ddof=1) / math.sqrt(n)
    return float(x.mean() - high * error), float(x.mean() - low * error)


def paired_test(a: np.ndarray, b: np.ndarray) -> float:
    """Two-sided p of a paired permutation (sign-flip) test that matched runs a and b have the same mean.

    Exact up to 13 pairs, by 9999 random flips beyond.
    """
    if len(a) < 2 or np.array_equal(a, b):  # a single pair can show nothing
        return 1.0
    found = stats.permutation_test(
        (a - b,),
        lambda d, axis: d.mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        alternative="two-sided",
        rng=_rng(),
    )
    return float(found.pvalue)


def smallest_p(n: int) -> float:
    """The smallest two-sided p that n pairs can give, in a sign-flip or Wilcoxon test: 0.0625 with five."""
    return min(1.0, 2.0 ** (1 - n))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm 1979): the chance of any false finding stays below the
    level.
    """
    order = np.argsort(p_values)
    corrected = np.asarray(p_values, dtype=float)
    steps = corrected[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return corrected.tolist()


def probability_of_improvement(a: np.ndarray, b: np.ndarray) -> float:
    """P(a run of A is better than a run of B), ties counting half: the Mann-Whitney U over the number of
    pairs.
    """
    return float(stats.mannwhitneyu(a, b).statistic / (len(a) * len(b)))


def published_p_value(ours: np.ndarray, mean: float, std: float | None, n: int | None) -> float:
    """Two-sided p that our runs have the mean that was published.

    Args:
        std, n: as published. With both: Welch's test. Without: the published value is taken for a single run,
            and asked is whether it could be one of ours (a prediction interval).
    """
    if len(ours) < 2 or ours.std() == 0:
        return math.nan
    if std is not None and n is not None:
        return float(
            stats.ttest_ind_from_stats(
                ours.mean(), ours.std(ddof=1), len(ours), mean, std, n, equal_var=False
            ).pvalue
        )
    t = (ours.mean() - mean) / (ours.std(ddof=1) * math.sqrt(1 + 1 / len(ours)))
    return float(2 * stats.t.sf(abs(t), len(ours) - 1))


@dataclass(frozen=True)
class Ranking:
    """Attributes, one value per model, intervals as (low, high):

    mean, mean_interval: mean over data sets of the mean over seeds.
    rank, rank_interval: mean over data sets of the rank (1 is best, ties share).
    best: share of the resamples in which the model has the best mean rank.
    """

    mean: np.ndarray
    mean_interval: np.ndarray  # (models, 2)
    rank: np.ndarray
    rank_interval: np.ndarray  # (models, 2)
    best: np.ndarray


def ranking(scores: Sequence[Sequence[np.ndarray]]) -> Ranking:
    """Rank models over data sets; intervals by a bootstrap stratified by data set and model, which resamples
    seeds.

    The data sets are not resampled: intervals speak of these data sets, and of new seeds.

    Args:
        scores: scores[model][dataset] holds one value per seed, higher is better.
    """
    rng = _rng()
    means = np.array([[s.mean() for s in row] for row in scores])  # (models, data sets)
    resampled = np.empty((RESAMPLES, *means.shape))
    for i, row in enumerate(scores):
        # Resampled means of n values spread by sqrt((n - 1) / n) too little, and their quantiles are those of
        # a normal, not of Student's distribution: without this, intervals from five seeds are too short.
        freedom = max(1, sum(len(s) - 1 for s in row))
        quantiles = stats.t.ppf((1 + CONFIDENCE) / 2, freedom) / stats.norm.ppf((1 + CONFIDENCE) / 2)
        for j, s in enumerate(row):
            n = len(s)
            found = s[rng.integers(n, size=(RESAMPLES, n))].mean(axis=1)
            resampled[:, i, j] = s.mean() + quantiles * math.sqrt(n / max(1, n - 1)) * (found - s.mean())
    ranks = stats.rankdata(-resampled, axis=1).mean(axis=2)  # (resamples, models)
    ends = [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]
    best = ranks == ranks.min(axis=1, keepdims=True)
    return Ranking(
        means.mean(axis=1),
        np.quantile(resampled.mean(axis=2), ends, axis=0).T,
        stats.rankdata(-means, axis=0).mean(axis=1),
        np.quantile(ranks, ends, axis=0).T,
        (best / best.sum(axis=1, keepdims=True)).mean(axis=0),
    )


def friedman_test(means: np.ndarray) -> float:
    """p that all models (rows of means (models, data sets)) have the same ranks."""
    return float(stats.friedmanchisquare(*means).pvalue)


def critical_difference(models: int, datasets: int) -> float:
    """Difference of mean ranks that the Nemenyi test calls significant at 5 % (Demsar 2006, equation 3)."""
    q = stats.studentized_range.ppf(CONFIDENCE, models, np.inf) / math.sqrt(2)
    return float(q * math.sqrt(models * (models + 1) / (6 * datasets)))


def _rng() -> np.random.Generator:
    """Generator of the same resamples every time, so that equal records give equal tables."""
    return np.random.default_rng(0)
