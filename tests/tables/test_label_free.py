"""Correlations and picks, from scores made by hand."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmark.tables.label_free import TITLES, label_free_tables, p_value, spearman, with_gone


def scores(model="vade", seeds=10, **columns):
    accuracy = np.linspace(0.5, 0.9, seeds)
    values = {"seed": range(seeds), "accuracy": accuracy, "consensus": 0.95, **dict.fromkeys(TITLES, np.nan)}
    where = {"dataset": "digits", "protocol": "neutral", "budget": "quick", "model": model}
    return pd.DataFrame({**where, **values, **columns})


def ordered(n, rho):
    """A permutation of n numbers with this correlation with 0 to n - 1, to three digits."""
    rng = np.random.default_rng(0)
    for _ in range(100_000):
        found = rng.permutation(n)
        if abs(1 - 6 * ((found - np.arange(n)) ** 2).sum() / (n * (n * n - 1)) - rho) < 5e-4:
            return found
    raise AssertionError(rho)


@pytest.mark.parametrize(("n", "below", "from_"), [(6, 0.829, 0.886), (10, 0.636, 0.648), (12, 0.580, 0.587)])
def test_where_a_correlation_differs_from_0(n, below, from_):
    """The exact distribution (Zar 1972, table 1); Student's t would have it from 0.811, 0.632 and 0.576."""
    assert p_value(range(n), ordered(n, below)) > 0.05 >= p_value(range(n), ordered(n, from_))
    assert p_value(range(n), -ordered(n, from_)) <= 0.05


def test_the_p_value_is_the_share_of_all_orders():
    x, y = np.array([0.1, 0.3, 0.2, 0.2, 0.9]), np.array([2, 1, 3, 3, 5])
    rho = stats.spearmanr(x, y).statistic
    found = [abs(stats.spearmanr(x, y[[*order]]).statistic) for order in permutations(range(5))]
    assert p_value(x, y) == pytest.approx(np.mean(np.array(found) >= rho - 1e-9))
    assert np.isnan(p_value(x, np.ones(5)))
    ten = np.random.default_rng(0).normal(size=(2, 10))
    assert p_value(*ten) == p_value(*ten)


def test_a_correlation_that_differs_from_0_has_a_star():
    marks = []
    for rho in (0.636, 0.648, -0.648):
        correlations, _ = label_free_tables(scores(agreement=np.sign(rho) * ordered(10, abs(rho))))
        marks.append(correlations.text()["agreement"][0])
    assert marks == ["+0.64", "+0.65*", "-0.65*"]


def test_a_measure_that_is_missing_or_equal_for_all_has_no_correlation():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 10))
    assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
    assert np.isnan(spearman(a, np.ones(10)))
    assert np.isnan(spearman(a, np.where(b > 0, b, np.nan)))


def test_correlations_between_seeds_and_the_seed_that_each_measure_picks():
    order = np.arange(10.0)
    made = scores(agreement=order, mutual_information=-order, own_space=[0, 5, *[1] * 8])
    correlations, picks = label_free_tables(made)
    (row,) = correlations.text().to_dict("records")
    assert (row["data"], row["model"], row["seeds"]) == ("digits, quick", "vade", "10")
    assert (row["agreement"], row["I(x; y)"], row["bound"]) == ("+1.00*", "-1.00*", "–")
    (row,) = picks.text().to_dict("records")
    assert (row["mean"], row["best"], row["consensus"]) == ("0.700 ± 0.135", "0.900", "0.950")
    assert (row["agreement"], row["I(x; y)"], row["own space"]) == ("0.900", "0.500", "0.544")


def test_models_are_compared_by_their_means_where_there_are_enough():
    few = [scores(f"m{i}", 3, accuracy=[i, i, i + 3.0], agreement=[i, i + 1.0, i + 2.0]) for i in range(6)]
    (table,) = label_free_tables(pd.concat(few))
    (row,) = table.text().to_dict("records")
    assert (row["models"], row["agreement"], row["I(x; y)"]) == ("6", "+1.00*", "–")
    assert label_free_tables(pd.concat(few[:5])) == []


def test_runs_that_are_gone_count_as_seeds_of_their_own_code_alone():
    new, before = scores(seeds=5, digest="new"), scores(seeds=10)
    assert len(with_gone(new, before)) == 5  # of code that is not known
    assert len(with_gone(new, before.assign(digest="old"))) == 5
    found = with_gone(new, before.assign(digest="new", agreement=1.0))
    assert found["seed"].tolist() == [*range(10)]
    assert found["agreement"].isna().tolist() == [True] * 5 + [False] * 5
    assert len(with_gone(new, scores("gmvae", 3))) == 8  # another model's
    assert with_gone(pd.DataFrame(), before).equals(before)
