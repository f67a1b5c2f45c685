"""Level and power of the verdicts, and coverage of the intervals, simulated: `python -m
benchmark.tables.simulation` prints the tables of docs/statistics.md.

A verdict is `statistics.pairwise_tests` at `LEVEL`, as the tables make it. The level is how often any of
several equal models is called separable from another; the power, how often one that is better is told from
another. The coverage is how often `statistics.mean_interval` holds the true mean.
"""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from benchmark.tables.significance import LEVEL
from benchmark.tables.statistics import mean_interval, pairwise_tests
from benchmark.tables.table import markdown

REPETITIONS = 1000
SAMPLES = 10_000  # of a coverage
SEEDS = (3, 5, 10)
MODELS = (2, 10)
DIFFERENCES = (1, 2, 3)  # in standard deviations over seeds

Draw = Callable[[np.random.Generator, int, int], np.ndarray]


def normal(rng: np.random.Generator, models: int, n: int) -> np.ndarray:
    """(models, n) scores of mean 0 and standard deviation 1."""
    return rng.normal(size=(models, n))


def spreads_differ(rng: np.random.Generator, models: int, n: int) -> np.ndarray:
    """Standard deviations from 1 to 3."""
    return normal(rng, models, n) * np.linspace(1, 3, models)[:, None]


def one_fixed(rng: np.random.Generator, models: int, n: int) -> np.ndarray:
    """The first model has the same score with every seed, as agglomerative clustering has."""
    return normal(rng, models, n) * (np.arange(models) > 0)[:, None]


def skewed(rng: np.random.Generator, models: int, n: int) -> np.ndarray:
    """Accuracies near their upper end: Beta(8, 1.5)."""
    return rng.beta(8, 1.5, size=(models, n))


def failing(rng: np.random.Generator, models: int, n: int, by: float = 5) -> np.ndarray:
    """One run of five is so many standard deviations lower."""
    return normal(rng, models, n) - by * (rng.random((models, n)) < 0.2)


def failing_against_fixed(rng: np.random.Generator, models: int, n: int) -> np.ndarray:
    """The same, beside a model without any spread that has their mean."""
    scores = failing(rng, models, n) + 1
    return scores * (np.arange(models) > 0)[:, None]


KINDS: dict[str, Draw] = {
    "normal": normal,
    "normal, standard deviations from 1 to 3": spreads_differ,
    "normal, one model without spread": one_fixed,
    "skewed (beta)": skewed,
    "one run of five fails quietly": failing,
    "the same, beside a model without spread": failing_against_fixed,
}
# {scores: how they are drawn, their true mean, their true standard deviation}
ONE_MODEL: dict[str, tuple[Draw, float, float]] = {
    "normal": (normal, 0, 1),
    "skewed (beta)": (skewed, 8 / 9.5, math.sqrt(8 * 1.5 / (9.5**2 * 10.5))),
    "one run of five fails quietly": (failing, -1, math.sqrt(1 + 25 * 0.16)),
    "the same, but 10 standard deviations lower": (partial(failing, by=10), -2, math.sqrt(1 + 100 * 0.16)),
}


def level(draw: Draw, models: int, n: int, repetitions: int) -> float:
    """Share of repetitions in which any two of these equal models are called separable."""
    found = [min(_tested(scores).values()) <= LEVEL for scores in _draws(draw, models, n, repetitions)]
    return float(np.mean(found))


def power(difference: float, models: int, n: int, repetitions: int) -> float:
    """Share of the other models that the better one is called separable from; all are normal, the others
    equal.
    """
    found = []
    for scores in _draws(normal, models, n, repetitions):
        scores[0] += difference
        found += [p <= LEVEL for pair, p in _tested(scores).items() if "0" in pair]
    return float(np.mean(found))


def coverage(draw: Draw, mean: float, n: int, samples: int) -> tuple[float, float]:
    """Share of samples of n values whose interval holds the true mean; mean half width of the intervals."""
    ends = np.array([mean_interval(x) for x in draw(np.random.default_rng(n), samples, n)])  # (samples, 2)
    held = (ends[:, 0] <= mean) & (mean <= ends[:, 1])
    return float(held.mean()), float(np.diff(ends).mean() / 2)


def _draws(draw: Draw, models: int, n: int, repetitions: int) -> list[np.ndarray]:
    rng = np.random.default_rng([models, n])
    return [draw(rng, models, n) for _ in range(repetitions)]


def _tested(scores: np.ndarray) -> dict[frozenset[str], float]:
    return pairwise_tests({str(i): [x] for i, x in enumerate(scores)})


def tables(repetitions: int = REPETITIONS) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Level and power as docs/statistics.md shows them, in per cent."""

    def shares(share: Callable[[int, int, int], float]) -> dict[str, str]:
        cases = [(models, n) for models in MODELS for n in SEEDS]
        return {f"{k} models, {n} seeds": f"{100 * share(k, n, repetitions):.1f}" for k, n in cases}

    levels = [{"scores": name, **shares(partial(level, draw))} for name, draw in KINDS.items()]
    powers = [{"standard deviations": str(d), **shares(partial(power, d))} for d in DIFFERENCES]
    return pd.DataFrame(levels), pd.DataFrame(powers)


def intervals() -> pd.DataFrame:
    """Coverage in per cent, and half width in standard deviations of one run, as docs/statistics.md shows
    them.
    """
    rows = []
    for name, (draw, mean, std) in ONE_MODEL.items():
        found = {n: coverage(draw, mean, n, SAMPLES) for n in SEEDS}
        covered = {f"covered, {n} seeds": f"{100 * share:.1f}" for n, (share, _) in found.items()}
        widths = {f"±, {n} seeds": f"{half / std:.2f}" for n, (_, half) in found.items()}
        rows.append({"scores": name} | covered | widths)
    return pd.DataFrame(rows)


if __name__ == "__main__":
    print("\n\n".join(map(markdown, (*tables(), intervals()))))
