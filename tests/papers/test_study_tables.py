"""Tables of studies."""

import dataclasses

import numpy as np
import pytest

from benchmark.papers.published import paper
from benchmark.papers.runs import study
from benchmark.papers.study_tables import study_tables
from tests.helpers import held_out, record, rows


def test_a_sweep_has_a_row_per_variant():
    runs = [
        *held_out([0.9, 0.8]),
        *held_out([0.6], config={"n_clusters": 7}, overrides={"n_clusters": 7}),
    ]
    (table,) = study_tables(study("clustergan-wrong-k"), runs)
    by_k = rows(table, "n_clusters")
    assert list(by_k) == [("7",), ("9",), ("10",), ("11",), ("13",)]
    assert (by_k["7",]["purity"], by_k["7",]["seeds"], by_k["7",]["published"]) == (
        "0.610",
        "1/5",
        "purity 0.60",
    )
    assert by_k["10",]["purity"] == f"0.860 ± {np.std([0.9, 0.8], ddof=1):.3f}"
    assert by_k["13",]["purity"] == "–"


def test_a_metric_that_some_runs_lack_does_not_hide_their_seeds():
    runs = held_out([0.9, 0.8])
    for rules in runs[1]["metrics"].values():
        for metrics in rules.values():
            del metrics["purity"]
    (table,) = study_tables(study("clustergan-wrong-k"), runs)
    row = rows(table, "n_clusters")["10",]
    assert (row["purity"], row["seeds"]) == ("0.910 (1/2)", "2/5")


def test_a_data_set_without_a_test_split_is_the_same_under_all_protocols_also_where_runs_failed():
    good = record("clustergan", "digits", 0, 0.5, splits=("all",), rules=("kmeans", "kmeans_refit"))
    (table,) = study_tables(
        study("clustergan-wrong-k"), [good, record("clustergan", "digits", 1, status="diverged")]
    )
    row = rows(table, "data set", "n_clusters")["digits", "10"]
    assert (row["purity"], row["seeds"]) == ("0.510", "1/5")
    assert any("seed 1: diverged" in note for note in table.notes)


def test_a_study_without_a_paper_is_of_the_neutral_protocol_and_names_no_published_numbers():
    nobody = dataclasses.replace(paper("vade"), name="", protocol="neutral")
    own = dataclasses.replace(study("clustergan-wrong-k"), paper=nobody, tables=(), model="vade")
    (table,) = study_tables(
        own, [record(accuracy=0.8, config={"n_clusters": 7}, overrides={"n_clusters": 7})]
    )
    assert rows(table, "n_clusters")["7",]["ACC"] == "0.800"
    assert table.notes[0].startswith("protocol (neutral): fitted on")
    assert not any("--paper" in note for note in table.notes)


@pytest.mark.parametrize("name", ["gmvae-k-m", "kvaes-likelihood", "mpcc-prior-lr"])
def test_a_sweep_without_runs_has_no_table(name):
    assert study_tables(study(name), []) == []


def test_runs_on_other_data_without_its_metrics_make_no_table():
    assert study_tables(study("kvaes-likelihood"), [record("kvaes", "mnist", accuracy=0.8)]) == []
