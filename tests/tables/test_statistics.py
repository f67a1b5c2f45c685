"""Statistics against scipy, closed forms, and simulated data with a known answer."""

import math

import numpy as np
import pytest
from scipy import stats

from benchmark.tables import statistics
from benchmark.tables.statistics import (
    critical_difference,
    friedman_test,
    holm,
    mean_interval,
    pairwise_tests,
    probability_of_improvement,
    published_p_value,
    ranking,
    summarise,
)


def welch(a, b):
    """p of one pair of models, as the tables ask for it."""
    (p,) = pairwise_tests({"a": a, "b": b}).values()
    return p


def test_summary():
    found = summarise([0.1, 0.2, 0.3, 0.4, 0.9])
    assert (found.n, found.mean, found.median) == (5, pytest.approx(0.38), 0.3)
    assert found.std == pytest.approx(math.sqrt((0.28**2 + 0.18**2 + 0.08**2 + 0.02**2 + 0.52**2) / 4))
    assert (found.lower_quartile, found.upper_quartile) == (0.2, 0.4)
    expected = stats.t.interval(0.95, 4, 0.38, found.std / math.sqrt(5))
    assert (found.low, found.high) == pytest.approx(expected)


def test_what_few_values_cannot_give_is_missing():
    assert math.isnan(summarise([0.5]).std)
    assert math.isnan(summarise([0.5, 0.6]).low)
    assert not math.isnan(summarise([0.5, 0.6, 0.7]).low)
    assert math.isnan(summarise([]).mean)


def test_equal_values_have_an_interval_of_no_width():
    assert mean_interval(np.full(5, 0.7)) == pytest.approx((0.7, 0.7), abs=1e-12)


def test_nearly_equal_values_beside_another_have_an_interval_of_use():
    """The studentised bootstrap of these, k-means on MNIST, ended at 1.46."""
    x = np.array([0.5172, 0.5174, 0.5177, 0.544, 0.546])
    assert mean_interval(x) == pytest.approx(stats.t.interval(0.95, 4, x.mean(), stats.sem(x)))
    assert mean_interval(x) == pytest.approx((0.510, 0.547), abs=5e-4)


def test_on_one_data_set_it_is_welchs_test():
    a, b = np.random.default_rng(0).normal([[0.5], [0.0]], [[1.0], [3.0]], size=(2, 6))
    expected = stats.ttest_ind(a, b[:4], equal_var=False).pvalue
    assert welch([a], [b[:4]]) == pytest.approx(expected, rel=1e-9)
    assert welch([b[:4]], [a]) == welch([a], [b[:4]])


def test_on_several_data_sets_it_keeps_its_level():
    rng = np.random.default_rng(0)
    spreads = [1.0, 0.1, 3.0]
    p = [
        welch(*([s * rng.normal(size=n) + d for d, s in enumerate(spreads)] for n in (4, 5)))
        for _ in range(2000)
    ]
    assert np.mean(np.array(p) <= 0.05) == pytest.approx(0.05, abs=0.015)


def test_few_values_or_none_with_spread_give_no_test():
    assert math.isnan(welch([np.array([0.1, 0.2])], [np.arange(5.0)]))
    assert math.isnan(welch([np.full(5, 0.7)], [np.full(5, 0.1 + 0.2)]))
    fixed, other = np.full(5, 0.7), np.array([0.6, 0.65, 0.62])
    assert welch([fixed], [other]) == pytest.approx(stats.ttest_1samp(other, 0.7).pvalue)


def test_holm():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])  # by hand
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
    assert holm([math.nan, 0.01, 0.04]) == pytest.approx([math.nan, 0.02, 0.04], nan_ok=True)


def test_probability_of_improvement_is_the_share_of_pairs():
    a, b = np.array([1.0, 2.0, 3.0]), np.array([2.0, 0.0])
    assert probability_of_improvement(a, b) == pytest.approx(
        np.mean([(x > y) + 0.5 * (x == y) for x in a for y in b])
    )
    assert probability_of_improvement(a, a) == 0.5


def test_against_a_published_mean_with_spread_it_is_welchs_test():
    ours, theirs = np.random.default_rng(0).normal([[0.5], [0]], size=(2, 10))
    expected = stats.ttest_ind(ours, theirs, equal_var=False).pvalue
    assert published_p_value(ours, theirs.mean(), theirs.std(ddof=1), 10) == pytest.approx(expected)


@pytest.mark.parametrize("n", [1, 4])
def test_against_a_published_run_or_a_bare_mean_of_several_it_has_the_right_level(n):
    rng = np.random.default_rng(0)
    p = [published_p_value(rng.normal(size=5), rng.normal(size=n).mean(), None, n) for _ in range(2000)]
    assert np.mean(np.array(p) <= 0.05) == pytest.approx(0.05, abs=0.015)


def test_two_runs_or_runs_without_spread_are_not_tested_against_a_published_mean():
    assert math.isnan(published_p_value(np.array([0.5, 0.4]), 0.6, 0.1, 10))
    assert math.isnan(published_p_value(np.array([0.5, 0.5, 0.5]), 0.6, 0.1, 10))


def test_ranking_with_a_clear_order():
    rng = np.random.default_rng(0)
    scores = [[level + 0.001 * rng.normal(size=5) for _ in range(3)] for level in (0.5, 0.9, 0.7)]
    found = ranking(scores)
    assert found.rank.tolist() == [3, 1, 2]
    assert found.rank_interval.tolist() == [[3, 3], [1, 1], [2, 2]]
    assert found.best.tolist() == [0, 1, 0]
    assert found.mean == pytest.approx([0.5, 0.9, 0.7], abs=0.002)


def test_a_ranking_with_fewer_than_three_values_anywhere_has_no_intervals():
    x = np.random.default_rng(0).normal(size=5)
    found = ranking([[x, x], [x - 1, x[:2] - 1]])
    assert found.rank.tolist() == [1, 2]
    assert np.isnan([*found.rank_interval.ravel(), *found.mean_interval.ravel(), *found.best]).all()


def test_ranking_of_equals_is_open():
    x = np.random.default_rng(0).normal(size=5)
    found = ranking([[x, x], [x, x]])
    assert found.rank.tolist() == [1.5, 1.5]
    assert found.best == pytest.approx([0.5, 0.5], abs=0.03)
    assert found.rank_interval.tolist() == [[1, 2], [1, 2]]


def test_the_intervals_of_the_overall_mean_cover_it(monkeypatch):
    monkeypatch.setattr(statistics, "RESAMPLES", 999)
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(800):
        low, high = ranking([[rng.normal(size=5) for _ in range(6)]]).mean_interval[0]
        covered.append(low <= 0 <= high)
    assert 0.93 <= np.mean(covered) <= 0.97


def test_critical_difference():
    assert critical_difference(5, 6) == pytest.approx(2.49, abs=0.005)  # q of Demsar 2006, table 5a: 2.728
    assert critical_difference(2, 10) == pytest.approx(1.960 * math.sqrt(6 / 60), abs=0.001)


def test_friedman():
    means = np.random.default_rng(0).normal(size=(3, 6))
    assert friedman_test(means) == pytest.approx(stats.friedmanchisquare(*means).pvalue)
