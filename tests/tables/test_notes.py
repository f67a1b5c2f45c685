"""What stands below a table: labelled points, assignment rules, collapsed runs."""

from benchmark.records.select import row_names
from benchmark.tables.means import build
from benchmark.tables.notes import (
    collapsed_runs,
    found_clusters,
    mixed_versions,
    partly_labelled,
    shown_rules,
)
from tests.helpers import record, rows


def measured(**more):
    found = record("a", splits=("all",))
    found["metrics"]["all"]["default"] |= more
    return found


def test_partly_labelled_data_are_named_with_the_number_of_points():
    assert partly_labelled([measured(labelled=60), measured(labelled=60)]) == [
        "60 of the 100 points are labelled: all are clustered, and what needs labels is measured on the"
        " labelled ones"
    ]
    assert partly_labelled([measured(labelled=100), measured(), {"status": "failed"}]) == []


def test_the_shown_rule_of_a_model_with_several_is_named():
    several, one = record("a", rules=("mean", "expected")), record("b")
    names = row_names([several, one])
    assert shown_rules([several, one], names) == [
        "a: by its assignment rule mean; the records have expected too"
    ]


def test_the_number_of_clusters_that_a_model_found_is_shown_for_every_seed():
    found = [record("a", seed=s, splits=("all",)) for s in (1, 0)] + [record("b", splits=("all",))]
    for r, k in zip(found, (12, 10, 10), strict=True):
        r["metrics"]["all"]["default"]["cluster_sizes"] = [100 // k] * k
        r["key"]["config"]["n_clusters"] = 10
    assert found_clusters(found, row_names(found)) == ["a: found the number of clusters itself: 10, 12"]


def test_a_collapsed_run_has_a_mark_in_its_row_and_a_note():
    bad = measured(cluster_sizes=[60, 10, 10, 8, 6, 6, 0, 0, 0, 0])
    good = {**record("b", splits=("all",)), "seed": 1}
    (table,) = build([bad, good])
    found = rows(table, "model")
    assert (found["a",]["collapsed"], found["b",]["collapsed"]) == ("1/1", "–")
    (note,) = collapsed_runs([bad, good], row_names([bad, good]))
    assert note.startswith("collapsed: a, seed 0: 60 % of the points are in one of 10 clusters; 4 of 10")
    assert f"- {note}" in table.markdown()
    (table,) = build([good])
    assert "collapsed" not in table.shown


def test_one_note_names_all_rows_whose_runs_are_of_different_versions():
    other = {"device": "cpu", "commit": "9999999", "packages": {"torch": "2.14.0"}}
    found = [record("a"), record("b"), record("c"), record("c", seed=1)]
    found += [record("a", seed=1, provenance=other), record("b", seed=1, provenance=other)]
    assert mixed_versions(found, row_names(found)) == [
        "averaged over runs of different versions: a, b (commit 0123456 and 9999999, torch 2.13.0 and 2.14.0)"
    ]
    assert mixed_versions(found[2:4], row_names(found)) == []


def test_a_commit_whose_sources_were_changed_has_a_mark_where_commits_are_listed():
    changed = {"device": "cpu", "commit": "9999999", "dirty": True}
    found = [record("a"), record("a", seed=1, provenance=changed), record("b", provenance=changed)]
    found.append(record("b", seed=1, provenance={**changed, "dirty": False}))
    assert mixed_versions(found, row_names(found)) == [
        "averaged over runs of different versions: a (commit 0123456 and 9999999 (changed))"
    ]
