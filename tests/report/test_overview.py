"""The overview: which budget a column has, who is ranked, and what a number leads to."""

from benchmark.report.overview import overview
from tests.helpers import record


def cells(table):
    names = [column.name for column in table.columns]
    return {(row[0].text, name): cell for row in table.rows for name, cell in zip(names, row, strict=True)}


def test_a_column_has_the_most_training_that_two_models_ran_at():
    records = [record(m, budget="quick", accuracy=a) for m, a in (("a", 0.5), ("b", 0.7))]
    records += [record("a", budget="paper", accuracy=0.99)]
    found = cells(overview(records, {"mnist": "MNIST"}))
    assert found["a", "MNIST"].text == "0.500"
    assert found["a", "MNIST"].link == "#mnist-neutral-quick"
    records += [record("b", budget="paper", accuracy=0.98)]
    found = cells(overview(records, {}))
    assert found["a", "mnist"].text == "0.990"
    assert found["b", "mnist"].link == "#mnist-neutral-paper"


def test_colours_go_from_the_best_to_the_worst_and_few_seeds_are_marked():
    records = [record("a", accuracy=0.9, seed=s) for s in range(3)]
    records += [record("b", accuracy=0.8), record("c", accuracy=0.7), record("a", "digits", accuracy=0.4)]
    table = overview(records, {})
    assert [row[0].text for row in table.rows] == ["a", "b", "c"]
    found = cells(table)
    assert [found[m, "mnist"].shade for m in "abc"] == [1, 0.5, 0]
    assert ["few" in found[m, "mnist"].classes for m in "abc"] == [False, True, True]
    assert found["a", "digits"].shade is None  # nothing to compare with
    assert found["b", "digits"].text == "–"
    assert found["a", "mnist"].small == "± 0.000, 3 seeds"


def test_failed_runs_are_counted():
    records = [record(seed=0), record(seed=1), record(seed=2, status="failed")]
    assert cells(overview(records, {}))["vade", "mnist"].small == "± 0.000, 2/3 seeds"


def test_settings_made_by_hand_and_other_protocols_take_no_part():
    by_hand = record("a", "digits", overrides={"latent": 5}, config={"latent": 5})
    table = overview([record("a", accuracy=0.6), record("a", accuracy=0.9, protocol="pooled"), by_hand], {})
    assert [column.name for column in table.columns] == ["model", "mnist"]
    assert cells(table)["a", "mnist"].text == "0.600"
    assert table.notes[-1].endswith("so not here: digits")
    assert overview([by_hand], {}) is None
