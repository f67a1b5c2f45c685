"""Level and power of the verdicts: with few repetitions, and all of them as docs/statistics.md shows."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from benchmark.tables.simulation import (
    KINDS,
    ONE_MODEL,
    coverage,
    failing,
    intervals,
    level,
    normal,
    power,
    tables,
)
from benchmark.tables.table import markdown

PAGE = Path(__file__).resolve().parents[2] / "docs" / "statistics.md"


@pytest.mark.parametrize("n", [3, 5, 10])
def test_equal_models_are_seldom_separable(n):
    assert level(normal, 2, n, 400) <= 0.08  # 5 %, and three standard errors
    assert level(normal, 10, n, 50) <= 0.14


def test_differences_are_found_more_often_the_larger_they_are_and_the_more_seeds_there_are():
    assert power(3, 2, 10, 100) > 0.95
    assert power(3, 2, 3, 100) > 0.4
    assert power(1, 2, 10, 200) > power(1, 2, 3, 200) + 0.2


@pytest.mark.parametrize("n", [3, 5, 10])
def test_the_interval_of_normal_scores_holds_the_mean_and_of_failing_ones_less_often(n):
    held, half = coverage(normal, 0, n, 2000)
    assert 0.935 <= held <= 0.965  # 95 %, and three standard errors
    assert half == pytest.approx(stats.t.ppf(0.975, n - 1) / np.sqrt(n), rel=0.15)
    assert coverage(failing, -1, n, 500)[0] < 0.94


@pytest.mark.parametrize("name", ONE_MODEL)
def test_the_means_and_deviations_of_the_simulated_scores(name):
    draw, mean, std = ONE_MODEL[name]
    x = draw(np.random.default_rng(0), 1, 200_000)
    assert (x.mean(), x.std()) == (pytest.approx(mean, abs=0.02 * std), pytest.approx(std, rel=0.02))


@pytest.mark.slow
def test_the_page_shows_what_the_simulation_gives():
    levels, powers = tables()
    page = PAGE.read_text(encoding="utf-8")
    assert markdown(levels) in page
    assert markdown(powers) in page
    assert markdown(intervals()) in page
    of_normal = levels.set_index("scores").loc[[name for name in KINDS if name.startswith("normal")]]
    assert of_normal.astype(float).max().max() <= 7.1  # 5 %, and three standard errors
