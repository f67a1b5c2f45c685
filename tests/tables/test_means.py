"""Tables from hand-made records: means, missing runs, several configs, labels or none, and the three
formats.
"""

import io
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from benchmark.records.assignments import Seeds
from benchmark.tables.means import build
from benchmark.tables.table import markdown


def record(
    model="a",
    seed=0,
    accuracy=0.5,
    status="ok",
    budget="quick",
    digest=None,
    config=None,
    labels=True,
    **more,
):
    config = {"n_clusters": 10, **(config or {})}
    numbers = {"accuracy": accuracy, "purity": 0.7, "exemplar_accuracy": None, "nmi": 0.4, "ari": 0.3}
    common = {"n": 5, "clusters_used": 9, "silhouette": 0.1, "cluster_sizes": [3, 2]}
    metrics = {split: {"default": {**common, **(numbers if labels else {})}} for split in ("train", "test")}
    return {
        "status": status,
        "key": {
            "dataset": "mnist",
            "model": model,
            "budget": budget,
            "protocol": "neutral",
            "config": config,
        },
        "digest": digest or f"{model}{sorted(config.items())}",
        "seed": seed,
        "seconds": {"train": 10.0 + seed},
        "provenance": {"device": "cpu"},
        **({"metrics": metrics} if status == "ok" else {"error": "it broke"}),
        **more,
    }


def rows(table):
    return {(r["model"], r["split"]): r for r in table.text().to_dict("records")}


def test_settings_that_are_not_the_budgets_own_are_named():
    (table,) = build([record(seed=s, overrides={"epochs": 25}) for s in (0, 1)])
    assert "- a: set by hand, not the budget's own: epochs=25" in table.markdown()


def test_mean_and_standard_deviation_over_seeds():
    values = [0.5, 0.6, 0.9]
    (table,) = build([record(seed=i, accuracy=a) for i, a in enumerate(values)])
    row = rows(table)["a", "test"]
    assert row["ACC"] == f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"
    assert row["seeds"] == "3"
    assert row["seconds"] == "11.0 ± 1.0"
    assert row["exemplar"] == "–"


def test_seconds_are_the_processors_where_all_runs_of_a_row_have_them_and_a_note_names_the_others():
    both = {"cpu_seconds": {"train": 3.0, "evaluate": 1.0}}
    processor, partly = [record("a", **both)], [record("b", 0), record("b", 1, **both)]
    gpu = record("c", **both)
    gpu["key"]["device"] = "cuda"
    (mixed,) = build([*processor, *partly, gpu])
    assert [rows(mixed)[m, "test"]["seconds"] for m in "abc"] == ["4.0", "10.5 ± 0.7", "10.0"]
    assert mixed.values["seconds_of"].tolist() == ["processor"] * 2 + ["wall"] * 4
    text = "seconds are processor time of training and evaluation, of all threads"
    assert f"{text}; wall time of b, c, on a GPU or recorded without it" in mixed.notes
    assert text in build(processor)[0].notes
    assert "seconds are wall time of training and evaluation" in build([gpu])[0].notes


def test_a_metric_that_some_runs_lack_says_of_how_many_it_is():
    """A seed whose assignment is hard has no exemplar accuracy."""
    runs = [record(seed=s) for s in (0, 1, 2)] + [record(seed=3, status="failed")]
    for r, value in zip(runs, (None, 0.3, 0.4), strict=False):
        r["metrics"]["test"]["default"]["exemplar_accuracy"] = value
    (table,) = build(runs)
    row = rows(table)["a", "test"]
    assert (row["exemplar"], row["ACC"]) == ("0.350 ± 0.071 (2/3)", "0.500 ± 0.000")
    assert rows(table)["a", "train"]["exemplar"] == "–"
    assert table.values.set_index("split")["exemplar_accuracy_n"].to_dict() == {"test": 2, "train": 0}


def test_one_seed_has_no_deviation():
    (table,) = build([record(accuracy=0.5)])
    assert rows(table)["a", "test"]["ACC"] == "0.500"


def test_a_failed_run_is_counted_and_named_but_never_averaged():
    (table,) = build(
        [record(seed=0, accuracy=0.8), record(seed=1, status="failed"), record(seed=2, accuracy=0.6)]
    )
    row = rows(table)["a", "test"]
    assert row["seeds"] == "2/3"
    assert row["ACC"].startswith("0.700")
    assert "a, seed 1: failed, it broke" in table.notes


def test_a_model_without_a_good_run_has_dashes():
    (table,) = build([record(), record("b", status="diverged")])
    row = rows(table)["b", "test"]
    assert (row["seeds"], row["ACC"]) == ("0/1", "–")
    (only_failures,) = build([record("b", status="diverged")])
    assert rows(only_failures)["b", "–"]["seeds"] == "0/1"


def test_the_best_model_stands_first_and_the_test_split_before_the_training_split():
    (table,) = build(
        [record("low", accuracy=0.2), record("high", accuracy=0.9), record("none", status="failed")]
    )
    expected = [(m, s) for m in ("high", "low", "none") for s in ("test", "train")]
    assert list(rows(table)) == expected


def test_budgets_never_share_a_table():
    tables = build([record(), record(budget="paper")])
    assert [t.name for t in tables] == ["mnist-paper", "mnist-quick"]


def test_configs_of_one_model_have_rows_of_their_own_named_by_what_differs():
    (table,) = build([record(config={"lr": 0.1, "j": 2}), record(config={"lr": 0.2, "j": 2}), record("b")])
    assert {model for model, _ in rows(table)} == {"a (lr=0.1)", "a (lr=0.2)", "b"}


def test_records_of_older_code_are_left_out_and_counted():
    old = [record(seed=s, accuracy=0.1, digest="old", started="2026-01-01") for s in (0, 1)]
    (table,) = build([*old, record(accuracy=0.9, digest="new", started="2026-02-01")])
    assert rows(table)["a", "test"]["ACC"] == "0.900"
    assert "2 records of older versions of a model, its presets or the data are left out" in table.notes


def test_runs_of_older_presets_are_left_out_too():
    before, after = ({"config": {"epochs": n}, "overrides": {}} for n in (10, 20))
    old = [record(seed=s, accuracy=0.1, started="2026-01-01", **before) for s in (0, 1, 2)]
    overrides = record(accuracy=0.5, config={"epochs": 5}, overrides={"epochs": 5}, started="2026-01-01")
    (table,) = build([record(accuracy=0.9, started="2026-02-01", **after), *old, overrides])
    found = {
        name: (row["ACC"], row["seeds"]) for (name, split), row in rows(table).items() if split == "test"
    }
    assert found == {"a (epochs=20)": ("0.900", "1"), "a (epochs=5)": ("0.500", "1")}


def test_without_labels_the_table_has_what_needs_none():
    (table,) = build([record(labels=False)])
    assert list(table.shown.columns) == ["model", "split", "seeds", "clusters", "silhouette", "seconds"]


def test_without_labels_models_are_sorted_by_the_agreement_of_their_seeds():
    runs = [record(m, seed=s, labels=False, digest=m) for m in "abc" for s in (0, 1)]
    for r in runs[2:]:
        r["diagnostics"] = {"consistency": [1.0, 0.5, 0.0]}
    known = {"a": 0.2, "b": 0.9}
    agreement = {(m, s, "test"): value + 0.1 * s for m, value in known.items() for s in (0, 1)}
    (table,) = build(runs, seeds=Seeds(agreement, {}))
    shown = [row for row in table.text().to_dict("records") if row["split"] == "test"]
    assert [(row["model"], row["agreement"]) for row in shown] == [
        ("b", "0.950 ± 0.071"),
        ("a", "0.250 ± 0.071"),
        ("c", "–"),
    ]
    assert [row["consistency"] for row in shown] == ["0.500 ± 0.000", "–", "0.500 ± 0.000"]
    assert "sorted by agreement" in table.markdown()


def test_a_single_seed_each_is_sorted_by_name_since_nothing_else_compares_models():
    runs = [record(m, labels=False) for m in "abc"]
    for r, value in zip(runs, (1.0, 2.0, 1.5), strict=True):
        for metrics in r["metrics"].values():
            metrics["default"]["mutual_information"] = value
    (table,) = build(runs)
    assert table.shown["model"].unique().tolist() == ["a", "b", "c"]
    assert any(note.startswith("sorted by name") for note in table.notes)


def test_where_no_run_ended_well_nothing_is_said_of_how_to_read_it():
    (table,) = build([record(status="failed")])
    assert not [note for note in table.notes if "sorted" in note or "test split" in note or "ACC" in note]
    assert "a, seed 0: failed, it broke" in table.notes


def test_a_consensus_stands_below_its_seeds():
    runs = [record(m, accuracy=a, digest=m) for m, a in (("a", 0.5), ("b", 0.6))]
    consensus = {"seeds": [0, 1, 2], "metrics": {"test": {"accuracy": 0.55, "nmi": 0.4, "confusion": [[1]]}}}
    (table,) = build(runs, seeds=Seeds({}, {"a": consensus}))
    found = [
        (row["model"], row["split"], row["seeds"], row["ACC"]) for row in table.text().to_dict("records")
    ]
    assert found[2:] == [
        ("a", "test", "1", "0.500"),
        ("a", "train", "1", "0.500"),
        ("a: consensus", "test", "3", "0.550"),
    ]


def test_models_that_do_not_suit_the_data_are_dashes_with_a_reason():
    (table,) = build([record()], skipped={"nmf": "it needs positive data"})
    assert rows(table)["nmf", "–"]["ACC"] == "–"
    assert "nmf: not run, it needs positive data" in table.notes


def test_several_assignment_rules_show_the_first():
    both = record()
    both["metrics"]["test"] = {"first": {"n": 5, "accuracy": 0.6}, "second": {"n": 5, "accuracy": 0.9}}
    (table,) = build([both])
    assert rows(table)["a", "test"]["ACC"] == "0.600"


def test_the_csv_holds_the_numbers(tmp_path):
    (table,) = build([record(seed=i, accuracy=a) for i, a in enumerate([0.5, 0.6])])
    path = table.write(tmp_path)
    assert path.read_text() == table.markdown()
    frame = pd.read_csv(io.StringIO((tmp_path / "mnist-quick.csv").read_text()))
    test = frame[frame["split"] == "test"].iloc[0]
    assert test["accuracy"] == pytest.approx(0.55)
    assert test["accuracy_std"] == pytest.approx(np.std([0.5, 0.6], ddof=1))
    assert (test["n"], test["seeds"]) == (2, 2)


def test_markdown_is_aligned():
    lines = markdown(pd.DataFrame({"a": ["x", "longer"], "b": [1, 22]})).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert all(line.count("|") == 3 for line in lines)


def test_latex_has_the_structure_of_a_booktabs_table(tmp_path):
    (table,) = build([record("a_b", accuracy=0.5), record("c", status="failed", error="50% & more")])
    text = table.latex()
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 1
    for rule in (r"\toprule", r"\midrule", r"\bottomrule"):
        assert text.count(rule) == 1
    assert r"a\_b" in text
    assert r"50\% \& more" in text
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    columns = len(re.search(r"\\begin{tabular}{(\w+)}", text)[1])
    assert all(re.sub(r"\\&", "", line).count("&") == columns - 1 and line.endswith(r"\\") for line in body)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX engine is installed")
def test_latex_compiles(tmp_path):
    (table,) = build(
        [record("a_b", accuracy=0.5), record("c", status="failed", error="50% & more_of {it} #1")]
    )
    document = (
        "\\documentclass{article}\\usepackage{booktabs,xcolor}\\begin{document}\n"
        + table.latex()
        + "\\end{document}\n"
    )
    (tmp_path / "t.tex").write_text(document)
    subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"], cwd=tmp_path, check=True
    )
