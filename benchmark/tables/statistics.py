"""Statistics of what n seeds can and cannot show. Knows only arrays of numbers; docs/statistics.md says why
each method was chosen.

Summary, summarise                  mean, std (n - 1), median, quartiles, 95 % interval of one model's runs
pairwise_tests, holm                have two models the same mean? Corrected for the number of questions
probability_of_improvement          how often is a run of one better than a run of the other?
published_p_value                   does our mean differ from a published one?
ranking                             mean ranks over data sets, with intervals
friedman_test, critical_difference  for a critical-difference diagram, from six data sets up
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

CONFIDENCE = 0.95
RESAMPLES = 9999
TEST_SEEDS = 3  # fewer give no interval and no test: two values say next to nothing about their spread
DIAGRAM_DATASETS = 6  # fewer give no critical-difference diagram: it could hardly separate anything


@dataclass(frozen=True)
class Summary:
    """One sample in numbers; std needs two values, the interval (low, high) three, otherwise they are NaN."""

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
    """Student's 95 % interval of the mean, NaN for fewer than `TEST_SEEDS` values.

    No bootstrap: of five values some resamples have next to no spread, where four are nearly equal, and a
    studentised interval then has no end.
    """
    n = len(x)
    if n < TEST_SEEDS:
        return math.nan, math.nan
    mean = float(x.mean())
    half = float(special.stdtrit(n - 1, (1 + CONFIDENCE) / 2) * x.std(ddof=1) / math.sqrt(n))
    return mean - half, mean + half


Moments = list[tuple[float, float, int]]  # mean, variance of the mean (NaN from too few values), n - 1


def _moments(cells: Sequence[np.ndarray]) -> Moments:
    return [(float(x.mean()), _variance_of_mean(x), len(x) - 1) for x in cells]


def _variance_of_mean(x: np.ndarray) -> float:
    if len(x) < TEST_SEEDS:
        return math.nan
    return float(x.var(ddof=1)) / len(x) if np.ptp(x) else 0.0


def _welch(a: Moments, b: Moments) -> float:
    """Two-sided p of Welch's test that two models have the same mean over some data sets.

    With one data set it is the usual test (Welch 1947); with several, the mean of their differences, whose
    variance is the sum of those of all means over the square of their number, with Satterthwaite's degrees
    of freedom. Runs are not paired by their seeds: what two models draw from one has nothing in common.

    Returns:
        NaN where a cell has fewer than `TEST_SEEDS` values, and where no cell has any spread.
    """
    total = sum(variance for _, variance, _ in a + b)
    if not total > 0:  # NaN too
        return math.nan
    freedom = total**2 / sum(variance**2 / n_less_1 for _, variance, n_less_1 in a + b)
    difference = sum(mean for mean, _, _ in a) - sum(mean for mean, _, _ in b)
    return float(2 * special.stdtr(freedom, -abs(difference) / math.sqrt(total)))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm 1979): the chance of any false finding stays below the
    level. NaN, where there was no test, stays and does not count.
    """
    corrected = np.asarray(p_values, dtype=float)
    order = np.argsort(corrected)[: np.count_nonzero(~np.isnan(corrected))]  # NaN is sorted last
    steps = corrected[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return corrected.tolist()


def pairwise_tests(cells: Mapping[str, Sequence[np.ndarray]]) -> dict[frozenset[str], float]:
    """{pair of models: p of Welch's test, corrected for the number of all pairs}.

    Of all pairs also where only those with the best model are asked for: it is chosen by the same runs, and a
    correction for its own pairs would let 12 % of comparisons of ten equal models find a difference.

    Args:
        cells: {model: its runs on each data set}.
    """
    moments = {model: _moments(runs) for model, runs in cells.items()}
    pairs = list(itertools.combinations(cells, 2))
    p = holm([_welch(moments[a], moments[b]) for a, b in pairs])
    return dict(zip(map(frozenset, pairs), p, strict=True))


def probability_of_improvement(a: np.ndarray, b: np.ndarray) -> float:
    """P(a run of A is better than a run of B), ties counting half: the Mann-Whitney U over the number of
    pairs.
    """
    return float(stats.mannwhitneyu(a, b).statistic / (len(a) * len(b)))


def published_p_value(ours: np.ndarray, mean: float, std: float | None, n: int) -> float:
    """Two-sided p that our runs have the mean that was published.

    Args:
        std: as published; with it, Welch's test. Without it theirs are taken to spread as ours do, and asked
            is whether n runs like ours could have this mean (a prediction interval).
        n: runs that the published mean is of, 1 for a single run.

    Returns:
        NaN for fewer than `TEST_SEEDS` runs of ours, and for runs without spread.
    """
    if len(ours) < TEST_SEEDS or np.ptp(ours) == 0:
        return math.nan
    if std is not None:
        return float(
            stats.ttest_ind_from_stats(
                ours.mean(), ours.std(ddof=1), len(ours), mean, std, n, equal_var=False
            ).pvalue
        )
    t = (ours.mean() - mean) / (ours.std(ddof=1) * math.sqrt(1 / n + 1 / len(ours)))
    return float(2 * stats.t.sf(abs(t), len(ours) - 1))


@dataclass(frozen=True)
class Ranking:
    """Attributes, one value per model, intervals as (low, high):

    mean, mean_interval: mean over data sets of the mean over seeds.
    rank, rank_interval: mean over data sets of the rank (1 is best, ties share).
    best: share of the resamples in which the model has the best mean rank.

    Intervals and shares are NaN where any data set has fewer than `TEST_SEEDS` values of any model.
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
    means = np.array([[s.mean() for s in row] for row in scores])  # (models, data sets)
    mean, rank = means.mean(axis=1), stats.rankdata(-means, axis=0).mean(axis=1)
    if min(len(s) for row in scores for s in row) < TEST_SEEDS:
        none = np.full((len(scores), 2), math.nan)
        return Ranking(mean, none, rank, none, none[:, 0])
    rng = _rng()
    resampled = np.empty((RESAMPLES, *means.shape))
    for i, row in enumerate(scores):
        # Resampled means of n values spread by sqrt((n - 1) / n) too little, and their quantiles are those of
        # a normal, not of Student's distribution: without this, intervals from five seeds are too short.
        freedom = sum(len(s) - 1 for s in row)
        quantiles = stats.t.ppf((1 + CONFIDENCE) / 2, freedom) / stats.norm.ppf((1 + CONFIDENCE) / 2)
        for j, s in enumerate(row):
            n = len(s)
            found = s[rng.integers(n, size=(RESAMPLES, n))].mean(axis=1)
            resampled[:, i, j] = s.mean() + quantiles * math.sqrt(n / (n - 1)) * (found - s.mean())
    ranks = stats.rankdata(-resampled, axis=1).mean(axis=2)  # (resamples, models)
    ends = [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]
    best = ranks == ranks.min(axis=1, keepdims=True)
    return Ranking(
        mean,
        np.quantile(resampled.mean(axis=2), ends, axis=0).T,
        rank,
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
