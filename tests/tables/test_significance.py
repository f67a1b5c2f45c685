"""Which models can be told apart, from hand-made records."""

import time
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from benchmark.records.store import all_records
from benchmark.tables.means import build
from benchmark.tables.significance import comparison_tables, overall_table, pairwise_table
from benchmark.tables.table import Table
from tests.helpers import record, rows, runs


def test_five_seeds_can_tell_models_apart():
    a, b = [0.9, 0.91, 0.92, 0.93, 0.94], [0.1, 0.11, 0.12, 0.13, 0.14]
    (table,) = comparison_tables([*runs("a", "d", a), *runs("b", "d", b)])
    row = rows(table, "model")["b",]
    assert row["verdict"] == "separable (p < 0.001)"
    assert row["P(best is better)"] == "1.00"
    assert row["behind the best"] == "0.800"
    assert rows(table, "model")["a",]["verdict"] == "highest mean"


def test_the_verdict_is_welchs_test_corrected_for_all_pairs():
    rng = np.random.default_rng(0)
    scores = {name: rng.normal(mean, 0.05, 5) for name, mean in (("a", 0.9), ("b", 0.8), ("c", 0.75))}
    (table,) = comparison_tables([r for name, x in scores.items() for r in runs(name, "d", x)])
    p = {a + b: stats.ttest_ind(scores[a], scores[b], equal_var=False).pvalue for a, b in ("ab", "ac", "bc")}
    assert table.values.set_index("model")["p_holm"]["c"] == pytest.approx(3 * p["ac"])
    assert table.values.set_index("model")["p_holm"]["b"] == pytest.approx(2 * p["ab"])


def test_too_few_seeds_give_no_verdict_and_no_share():
    (table,) = comparison_tables([*runs("a", "d", [0.9, 0.91, 0.92]), *runs("b", "d", [0.1, 0.11])])
    row = rows(table, "model")["b",]
    assert row["verdict"] == "too few seeds for this test (needs 3)"
    assert row["P(best is better)"] == "–"


def test_models_that_no_seed_changes_are_not_tested():
    (table,) = comparison_tables([*runs("a", "d", [0.9] * 3), *runs("b", "d", [0.8] * 3)])
    assert rows(table, "model")["b",]["verdict"] == "no test: the seeds change nothing"
    (table,) = comparison_tables([*runs("a", "d", [0.9] * 3), *runs("b", "d", [0.79, 0.8, 0.81])])
    assert rows(table, "model")["b",]["verdict"] == "separable (p = 0.0033)"  # against one value: Student's t


def test_the_interval_is_students_cut_at_0_and_1_and_two_seeds_have_none():
    scores = {"a": [0.9, 0.91], "b": [0.5, 0.55, 0.6], "c": [0.7, 0.99, 0.98], "d": [0.01, 0.3, 0.02]}
    (table,) = comparison_tables([r for name, x in scores.items() for r in runs(name, "d", x)])
    shown = {name: rows(table, "model")[name,]["95 % interval"] for name in scores}
    half = stats.t.ppf(0.975, 2) * 0.05 / np.sqrt(3)
    assert shown["a"] == "–"
    assert shown["b"] == f"{0.55 - half:.3f} to {0.55 + half:.3f}"
    assert shown["c"].endswith(" to 1.000")
    assert shown["d"].startswith("0.000 to ")
    assert table.values.set_index("model")["high"]["c"] > 1  # uncut, in the file


def test_failures_are_counted():
    b = [record("b", "d", 1, 0.5), record("b", "d", 7, 0.5), record("b", "d", 2, status="failed")]
    (table,) = comparison_tables([*runs("a", "d", [0.9] * 5), *b])
    row = rows(table, "model")["b",]
    assert (row["seeds"], row["verdict"]) == ("2/3", "too few seeds for this test (needs 3)")


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
    assert (
        "not ranked are models with good runs on no more than half of the 3 data sets: c (1)" in table.notes
    )
    assert any("no critical-difference diagram" in note for note in table.notes)


def test_no_interval_and_no_share_where_any_cell_has_fewer_than_three_seeds():
    records = [
        r for d in ("d1", "d2") for r in [*runs("a", d, [0.9, 0.8, 0.85]), *runs("b", d, [0.5, 0.4, 0.45])]
    ]
    table, pairs = overall_table(records, "paper"), pairwise_table(records, "paper")
    assert rows(table, "model")["a",]["P(best rank)"] == "1.00"
    assert rows(pairs, "higher mean")["a",]["verdict"].startswith("separable")
    fewer = [r for r in records if (r["key"]["model"], r["key"]["dataset"], r["seed"]) != ("b", "d2", 2)]
    table, pairs = overall_table(fewer, "paper"), pairwise_table(fewer, "paper")
    row = rows(table, "model")["a",]
    assert (row["mean rank"], row["95 % interval of the rank"], row["P(best rank)"]) == ("1.00", "–", "–")
    assert rows(pairs, "higher mean")["a",]["verdict"] == "too few seeds for this test (needs 3)"
    assert rows(pairs, "higher mean")["a",]["P(improvement)"] == "–"
    assert any("fewer has b on d2" in note for note in table.notes)


def test_runs_that_ended_badly_are_counted_in_the_ranking_and_in_the_pairs():
    """Three good runs of ten look like nothing else."""
    good = [
        r for d in ("d1", "d2") for r in [*runs("a", d, [0.9, 0.8, 0.85]), *runs("b", d, [0.5, 0.4, 0.45])]
    ]
    bad = [record("a", d, seed, status="diverged") for d in ("d1", "d2") for seed in range(3, 10)]
    some = [record("b", "d2", 3, status="failed")]
    table, pairs = (make([*good, *bad, *some], "paper") for make in (overall_table, pairwise_table))
    assert rows(table, "model")["a",]["seeds"] == "3/10"
    assert rows(table, "model")["b",]["seeds"] == "3/4 to 3"
    assert rows(pairs, "higher mean")["a",]["seeds"] == "3/10 to 3"
    assert table.values[["model", "n", "seeds"]].values.tolist() == [["a", 6, 20], ["b", 6, 7]]
    note = "only the runs that ended well count, not all did of a on d1 (3/10), a on d2 (3/10), b on d2 (3/4)"
    assert note in table.notes
    assert note in pairs.notes
    table, pairs = (make(good, "paper") for make in (overall_table, pairwise_table))
    assert {*table.text()["seeds"], *pairs.text()["seeds"]} == {"3"}
    assert not any("ended well" in text for text in [*table.notes, *pairs.notes])


def test_pairs_over_data_sets_gain_power():
    rng = np.random.default_rng(0)
    draws = {d: rng.normal([[0.62], [0.6]], 0.02, (2, 5)) for d in "uvwxyz"}
    records = [r for d, (a, b) in draws.items() for r in [*runs("a", d, a), *runs("b", d, b)]]
    row = rows(pairwise_table(records, "paper"), "higher mean", "lower mean")["a", "b"]
    assert row["verdict"].startswith("separable")
    assert row["seeds"] == "5"
    alone = [rows(table, "model")["b",]["verdict"] for table in comparison_tables(records)]
    assert any(verdict.startswith("not separable") for verdict in alone if verdict != "highest mean")


def test_tables_of_five_models_six_data_sets_ten_seeds_take_at_most_ten_seconds():
    rng = np.random.default_rng(0)
    records = [r for m in "abcde" for d in "uvwxyz" for r in runs(m, d, rng.uniform(0.3, 0.9, 10))]
    start = time.process_time()
    build(records)
    comparison_tables(records)
    overall_table(records, "paper")
    pairwise_table(records, "paper")
    assert time.process_time() - start < 10


@pytest.mark.parametrize("make", [overall_table, pairwise_table])
def test_the_reference_tables_are_those_of_its_records(make):
    reference = Path(__file__).resolve().parents[2] / "results" / "reference"
    table = make([record for _, record in all_records(reference)], "quick")
    assert table.markdown() == (reference / "tables" / f"{table.name}.md").read_text(encoding="utf-8")
