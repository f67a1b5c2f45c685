"""Tables of the papers: when a difference is shown, and what is said where it is not."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from benchmark.papers.published import numbers, paper
from benchmark.papers.tables import paper_tables
from tests.helpers import held_out, record, rows


def vade(accuracies, **more):
    return [
        record(accuracy=a, seed=i, **{"protocol": "pooled", "splits": ("all",), **more})
        for i, a in enumerate(accuracies)
    ]


def released(table):
    return rows(table, "table", "data set")["Released code", "mnist"]


def test_same_protocol_gives_a_difference_and_its_p():
    ours = [0.80, 0.81, 0.79, 0.80, 0.82]
    (table,) = paper_tables(paper("vade"), vade(ours))
    row = released(table)
    assert row["ours"] == f"{np.mean(ours):.3f} ± {np.std(ours, ddof=1):.3f}"
    assert row["published"].startswith("0.9446")
    t = (np.mean(ours) - 0.9446) / (np.std(ours, ddof=1) * np.sqrt(1 + 1 / 5))
    p = 2 * stats.t.sf(abs(t), 4)
    assert p < 0.001
    assert row["difference"] == f"{np.mean(ours) - 0.9446:+.3f}, separable (p < 0.001)"


def test_what_the_seeds_cannot_show_is_said():
    (table,) = paper_tables(paper("vade"), vade([0.95, 0.90, 0.96]))
    assert released(table)["difference"] == "-0.008, not separable (p = 0.85)"
    assert released(table)["seeds"] == "3/5"
    (table,) = paper_tables(paper("vade"), vade([0.95]))
    assert released(table)["difference"] == "+0.005, too few seeds for this test (needs 3)"
    assert released(table)["ours"] == "0.950"


def test_another_budget_gives_no_difference_but_a_footnote():
    (table,) = paper_tables(paper("vade"), vade([0.8, 0.82], budget="quick"))
    mark = released(table)["difference"].removeprefix("– ")
    assert f"{mark} our runs are at the quick budget, not the paper's number of steps" in table.notes


def test_another_hyper_parameter_is_another_experiment():
    (table,) = paper_tables(paper("vade"), vade([0.8], config={"latent": 5}, overrides={"latent": 5}))
    assert released(table)["ours"] == "–"
    assert released(table)["seeds"] == "0/5"


def test_a_neighbouring_protocol_stands_aside_with_what_differs():
    neutral = vade([0.8, 0.82, 0.81], protocol="neutral", splits=("train", "test"))
    (table,) = paper_tables(paper("vade"), neutral)
    assert released(table)["ours"] == "0.810 ± 0.010"
    assert "| *0.810 ± 0.010* |" in table.markdown()
    mark = released(table)["difference"].removeprefix("– ")
    what = (
        "our runs are of the neutral protocol (fitted on the training split, without labels), measured on the"
    )
    assert f"{mark} {what} test split" in table.notes
    both = vade([0.95, 0.94, 0.96]) + neutral
    (table,) = paper_tables(paper("vade"), both)
    assert released(table)["ours"] == "0.950 ± 0.010"
    assert "| *0.9" not in table.markdown()


def test_a_best_run_is_never_chosen_of_a_neighbouring_protocol():
    """The neutral protocol has no validation points: it could be chosen by test labels alone."""
    neutral = [
        record("clustergan", accuracy=a, seed=i, rules=("kmeans", "kmeans_refit"))
        for i, a in enumerate([0.7, 0.9])
    ]
    (table,) = paper_tables(paper("clustergan"), neutral)
    row = rows(table, "table", "data set", "metric")[
        "Best of 5 runs by validation purity", "mnist", "purity, test, rule kmeans_refit"
    ]
    assert row["ours"] == f"0.810 ± {np.std([0.7, 0.9], ddof=1):.3f}"
    assert any("mean of our runs, the published number is the best" in note for note in table.notes)


def test_rows_with_numbers_of_ours_come_first_and_those_of_the_papers_protocol_before_neighbours():
    on_mnist = vade([0.9, 0.91], protocol="neutral", splits=("train", "test"))
    on_har = vade([0.8, 0.81], dataset="har")
    (table,) = paper_tables(paper("vade"), [*on_mnist, *on_har])
    kinds = [
        ("har" if d == "har" else "mnist") if o != "–" else "none"
        for d, o in zip(table.text()["data set"], table.text()["ours"], strict=True)
    ]
    assert list(dict.fromkeys(kinds)) == ["har", "mnist", "none"]
    assert kinds == sorted(kinds, key=["har", "mnist", "none"].index)


def test_numbers_from_memory_are_marked_and_never_compared():
    (table,) = paper_tables(paper("vade"), vade([0.8, 0.81, 0.82]))
    from_memory = table.values[~table.values["seen"].astype(bool)]
    assert len(from_memory) > 30
    assert from_memory["difference"].isna().all()
    assert all(" †" in text for text in table.text().loc[from_memory.index, "published"])
    assert r"\textcolor{gray}{0.9446 $\dagger$" in table.latex()


def test_failed_runs_are_missing_and_named():
    runs = [*vade([0.95, 0.94]), record(seed=2, status="diverged", protocol="pooled")]
    (table,) = paper_tables(paper("vade"), runs)
    seeds, mark = released(table)["seeds"].split()
    assert seeds == "2/5"
    assert f"{mark} VaDE on mnist: seed 2: diverged, it broke" in table.notes


def test_without_runs_the_published_numbers_stand_alone():
    (table,) = paper_tables(paper("mpcc"), [])
    assert "no runs of ours" in table.heading
    assert set(table.text()["ours"]) == {"–"}


def test_budgets_never_share_a_table():
    tables = paper_tables(paper("vade"), [*vade([0.9]), *vade([0.5], budget="quick")])
    assert [t.name for t in tables] == ["paper-vade-paper", "paper-vade-quick"]
    assert [released(t)["ours"] for t in tables] == ["0.900", "0.500"]


def test_the_rule_and_metrics_are_the_papers():
    runs = held_out([0.9, 0.92, 0.91])
    for run in runs:
        run["metrics"]["test"]["kmeans"]["purity"] = 0.1
    (table,) = paper_tables(paper("clustergan"), runs)
    row = rows(table, "table", "data set", "metric")[
        "Mean of 10 runs", "mnist", "purity, test, rule kmeans_refit"
    ]
    assert row["ours"] == "0.920 ± 0.010"
    welch = stats.ttest_ind_from_stats(0.92, 0.01, 3, 0.9097, 0.0398, 10, equal_var=False).pvalue
    assert table.values.loc[0, "p"] >= welch  # Holm
    assert row["difference"].startswith("+0.010, not separable (p = ")


def test_the_best_of_five_is_chosen_by_validation_purity():
    runs = held_out([0.90, 0.95, 0.91, 0.92, 0.93, 0.99])
    for i, run in enumerate(runs):
        run["metrics"]["validation"]["kmeans_refit"]["purity"] = [0.1, 0.2, 0.9, 0.3, 0.4, 1.0][i]
    (table,) = paper_tables(paper("clustergan"), runs)
    row = rows(table, "table", "data set", "metric")[
        "Best of 5 runs by validation purity", "mnist", "purity, test, rule kmeans_refit"
    ]
    assert row["ours"] == "0.920"  # seed 2; seed 5 is not among the first five
    assert row["difference"] == "-0.030"
    (table,) = paper_tables(paper("clustergan"), runs[:3])
    row = rows(table, "table", "data set", "metric")[
        "Best of 5 runs by validation purity", "mnist", "purity, test, rule kmeans_refit"
    ]
    assert row["difference"].startswith("– [")


def test_a_wrong_k_is_a_row_of_its_own():
    runs = [*held_out([0.9]), *held_out([0.6], config={"n_clusters": 7}, overrides={"n_clusters": 7})]
    (table,) = paper_tables(paper("clustergan"), runs)
    by_method = rows(table, "table", "method")
    assert by_method["A wrong number of clusters", "K = 7"]["ours"] == "0.610"
    assert by_method["A wrong number of clusters", "K = 10"]["ours"] == "0.910"
    assert by_method["Mean of 10 runs", "ClusterGAN"]["seeds"] == "1/10"


def test_diagnostics_and_fid_are_found():
    mixture = record("kvaes", "modes3", splits=("all",), diagnostics={"kde_log_likelihood": -5.0})
    digits = record(
        "kvaes", config={"n_clusters": 15}, overrides={"n_clusters": 15}, fid={"inception": {"value": 12.5}}
    )
    (table,) = paper_tables(paper("kvaes"), [mixture, digits])
    by_method = rows(table, "method", "data set")
    assert by_method["kVAEs", "modes3"]["ours"] == "-5.00"
    assert by_method["kVAEs, K = 15", "mnist"]["ours"] == "12.50"


def test_records_of_older_code_are_left_out_and_said_so():
    old = [dict(r, digest="old", started="2026-01-01") for r in vade([0.1])]
    new = [dict(r, digest="new", started="2026-02-01") for r in vade([0.9])]
    (table,) = paper_tables(paper("vade"), [*old, *new])
    assert released(table)["ours"] == "0.900"
    assert any("older versions" in note for note in table.notes)


def test_the_assignment_rule_is_named_where_it_is_not_the_models_first():
    (table,) = paper_tables(paper("clustergan"), held_out([0.9, 0.91]))
    found = rows(table, "table", "data set", "metric")
    assert ("Mean of 10 runs", "mnist", "purity, test, rule kmeans_refit") in found
    (note,) = [text for text in table.notes if text.startswith("ours of clustergan: by its assignment rule")]
    assert note.endswith("tables of the neutral protocol show kmeans")


def released_as(monkeypatch, **changes):
    """VaDE's table of its released code, as if the number had been published otherwise, beside five runs."""
    (number,) = [n for n in numbers() if (n.paper.name, n.table, n.dataset) == ("vade", "released", "mnist")]
    monkeypatch.setattr("benchmark.papers.tables.numbers", lambda: (dataclasses.replace(number, **changes),))
    (table,) = paper_tables(paper("vade"), vade([0.80, 0.81, 0.79, 0.80, 0.82]))
    return table


@pytest.mark.parametrize(
    ("published", "why"),
    [
        ({"split": "unknown"}, "the split that the source evaluates on is not known"),
        ({"selection": "unknown"}, "how the source chose among its runs is not known"),
        ({"selection": "by labels"}, "the source chose its runs by labels, ours are all that were made"),
        (
            {"statistic": "unknown", "n": None},
            "whether the source's number is a mean, a best or a single run is not known",
        ),
        ({"statistic": "mean", "n": None}, "of how many runs the published mean is, is not known"),
        ({"statistic": "best", "n": 4}, None),
        ({"statistic": "best", "n": None}, "best of 5 runs of ours, the published number is the best of an"),
        ({"caveat": "it is another model"}, "it is another model"),
    ],
)
def test_what_is_not_known_of_a_number_or_differs_leaves_no_difference(monkeypatch, published, why):
    table = released_as(monkeypatch, **published)
    (row,) = table.values.to_dict("records")
    assert np.isnan(row["p"])
    assert np.isnan(row["difference"]) == (why is not None)
    assert row["why_not"].startswith(why or "")
    assert row["why_not"].count(";") == 0
    assert bool(row["why_not"]) == (why is not None)


def test_a_mean_of_known_n_is_tested_with_its_deviation_or_without(monkeypatch):
    ours, value = np.array([0.80, 0.81, 0.79, 0.80, 0.82]), 0.81
    p = {
        std: released_as(monkeypatch, statistic="mean", n=10, value=value, std=std).values["p"][0]
        for std in (None, 0.02)
    }
    t = (ours.mean() - value) / (ours.std(ddof=1) * np.sqrt(1 / 5 + 1 / 10))
    assert p[None] == pytest.approx(2 * stats.t.sf(abs(t), 4))
    welch = stats.ttest_ind_from_stats(ours.mean(), ours.std(ddof=1), 5, value, 0.02, 10, equal_var=False)
    assert p[0.02] == pytest.approx(welch.pvalue)


def test_the_best_three_are_the_mean_of_three(monkeypatch):
    table = released_as(monkeypatch, statistic="best 3", n=5, selection="by labels")
    assert table.values["ours"][0] == pytest.approx((0.80 + 0.81 + 0.82) / 3)
    assert table.text()["difference"][0] == "-0.135"
