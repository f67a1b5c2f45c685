"""Which models can be told apart, from hand-made records."""

import time

import numpy as np
import pytest

from benchmark.tables.means import build
from benchmark.tables.significance import comparison_tables, overall_table, pairwise_table
from benchmark.tables.table import Table
from tests.helpers import record, rows


def runs(model, dataset, values, **more):
    return [record(model, dataset, seed, value, **more) for seed, value in enumerate(values)]


def test_five_seeds_are_never_separable_and_the_table_says_so():
    (table,) = comparison_tables(
        [*runs("a", "d", [0.9, 0.91, 0.92, 0.93, 0.94]), *runs("b", "d", [0.1, 0.11, 0.12, 0.13, 0.14])]
    )
    row = rows(table, "model")["b",]
    assert row["verdict"] == "not separable with 5 seeds"
    assert row["P(best is better)"] == "1.00"
    assert row["behind the best"] == "0.800"
    assert any(
        "with 5 matched seeds and 1 comparison no p can be below 0.062" in note for note in table.notes
    )


def test_six_seeds_can_be():
    (table,) = comparison_tables(
        [*runs("a", "d", np.linspace(0.8, 0.9, 6)), *runs("b", "d", np.linspace(0.1, 0.3, 6))]
    )
    assert rows(table, "model")["b",]["verdict"] == "separable (p = 0.031)"
    assert rows(table, "model")["a",]["verdict"] == "highest mean"


def test_few_seeds_give_no_interval():
    (table,) = comparison_tables(
        [*runs("a", "d", [0.9, 0.91]), *runs("b", "d", [0.1, 0.1, 0.11, 0.12, 0.13])]
    )
    assert rows(table, "model")["a",]["95 % interval"] == "–"
    assert rows(table, "model")["b",]["95 % interval"].startswith("0.")


def test_only_runs_with_the_same_seed_are_paired_and_failures_are_counted():
    a = runs("a", "d", [0.9] * 5)
    b = [record("b", "d", 1, 0.5), record("b", "d", 7, 0.5), record("b", "d", 2, status="failed")]
    (table,) = comparison_tables([*a, *b])
    row = rows(table, "model")["b",]
    assert row["seeds"] == "2/3"
    assert row["verdict"] == "not separable with 1 seed"


@pytest.mark.parametrize(
    "records", [[], runs("a", "d", [0.5]), [record(status="failed"), record("b", status="failed")]]
)
def test_without_two_models_there_is_nothing_to_compare(records):
    assert comparison_tables(records) == []
    assert overall_table(records, "paper") == "an overall ranking needs two models with runs on two data sets"
    assert pairwise_table(records, "paper") is None


def test_budgets_and_protocols_are_compared_apart():
    both = [*runs("a", "d", [0.9]), *runs("b", "d", [0.8])]
    other = [*runs("a", "d", [0.2], budget="quick"), *runs("b", "d", [0.1], budget="quick")]
    assert [t.name for t in comparison_tables([*both, *other])] == [
        "d-neutral-paper-comparison",
        "d-neutral-quick-comparison",
    ]


def test_the_ranking_leaves_out_what_has_too_few_data_sets_or_was_set_by_hand():
    records = [r for d in ("d1", "d2", "d3") for r in [*runs("a", d, [0.9, 0.8]), *runs("b", d, [0.5, 0.4])]]
    records += runs("c", "d1", [0.99]) + runs("a", "d1", [0.0], config={"j": 2}, overrides={"j": 2})
    table = overall_table(records, "paper")
    assert isinstance(table, Table)
    assert rows(table, "model")["a",]["mean rank"] == "1.00"
    assert list(table.text()["model"]) == ["a", "b"]
    assert "c is not ranked: it has runs on 1 of 3 data sets" in table.notes
    assert any("no critical-difference diagram" in note for note in table.notes)


def test_pairs_over_data_sets_gain_power():
    rng = np.random.default_rng(0)
    records = [
        r
        for d in "uvwxyz"
        for r in [*runs("a", d, rng.normal(0.7, 0.02, 5)), *runs("b", d, rng.normal(0.6, 0.02, 5))]
    ]
    row = rows(pairwise_table(records, "paper"), "higher mean", "lower mean")["a", "b"]
    assert row["verdict"].startswith("separable")
    assert row["matched runs"] == "30"


def test_mixed_versions_are_flagged():
    records = runs("a", "d", [0.5, 0.6])
    records[1]["provenance"] = {"device": "cpu", "commit": "9999999", "packages": {"torch": "2.14.0"}}
    (table,) = build(records)
    assert (
        "a: its runs were made with different versions: commit 0123456 and 9999999, torch 2.13.0 and 2.14.0"
        in table.notes
    )


def test_tables_of_five_models_six_data_sets_ten_seeds_take_at_most_ten_seconds():
    rng = np.random.default_rng(0)
    records = [r for m in "abcde" for d in "uvwxyz" for r in runs(m, d, rng.uniform(0.3, 0.9, 10))]
    start = time.process_time()
    build(records)
    comparison_tables(records)
    overall_table(records, "paper")
    pairwise_table(records, "paper")
    assert time.process_time() - start < 10
