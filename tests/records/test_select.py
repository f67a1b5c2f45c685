"""Which records count, what their rows are called, and what their models are compared by."""

from benchmark.records.select import (
    as_typed,
    compared_metrics,
    compared_split,
    groups,
    most_seeds,
    names_by_settings,
    newest_per_config,
    row_names,
    rules_on,
    score,
)
from tests.helpers import record


def test_records_that_never_share_a_table_are_apart():
    found = groups(
        [record(budget="quick"), record("kmeans"), record(), record(protocol="pooled"), record(dataset="a")]
    )
    assert [(name, len(group)) for name, group in found.items()] == [
        (("a", "neutral", "paper"), 1),
        (("mnist", "neutral", "paper"), 2),
        (("mnist", "neutral", "quick"), 1),
        (("mnist", "pooled", "paper"), 1),
    ]


def test_of_one_request_the_newest_code_counts_with_all_its_seeds():
    old = [record(seed=s, started="2026-01-01", digest="old") for s in range(3)]
    new = [record(seed=s, started="2026-01-02", digest="new") for s in range(2)]
    other = record(overrides={"lr": 1.0}, config={"lr": 1.0}, digest="other")
    kept, left_out = newest_per_config([*old, *new, other])
    assert [r["digest"] for r in kept] == ["new", "new", "other"]
    assert left_out == 3


def test_one_thread_and_two_are_two_requests_and_two_rows():
    one, two = record(digest="one"), record(digest="two")
    one["key"] |= {"device": "cpu", "threads": 1}
    two["key"] |= {"device": "cpu", "threads": 2}
    assert newest_per_config([one, two])[1] == 0
    assert row_names([one, two]) == {"one": "vade (threads=1)", "two": "vade (threads=2)"}


def test_the_same_seeds_on_another_device_are_no_further_seeds():
    cpu = [record(seed=s, digest="cpu") for s in range(2)]
    cuda = [record(seed=s, digest="cuda") for s in range(3)]
    assert most_seeds([*cpu, *cuda]) == cuda
    assert most_seeds([*cpu, *(r | {"status": "failed"} for r in cuda)]) == cpu
    assert most_seeds([]) == []


def test_rows_are_told_apart_by_what_differs_only():
    a, b = record(digest="a", config={"lr": 1.0, "k": 3}), record(digest="b", config={"lr": 2.0, "k": 3})
    assert row_names([a, b]) == {"a": "vade (lr=1.0)", "b": "vade (lr=2.0)"}
    assert row_names([a]) == {"a": "vade"}


def test_rows_that_differ_in_their_code_alone_have_its_digest():
    """As after `--set lr=2`, once 2 is the default."""
    a = record(digest="0123456789ab", config={"lr": 2.0}, overrides={"lr": 2.0})
    b = record(digest="ba9876543210", config={"lr": 2.0})
    assert row_names([a, b]) == {"0123456789ab": "vade [012345]", "ba9876543210": "vade [ba9876]"}
    assert set(names_by_settings([a, b]).values()) == {"vade"}


def test_models_are_compared_by_the_first_rule_on_the_test_split():
    both = record(accuracy=0.7, splits=("train", "test"), rules=("first", "second"))
    both["metrics"]["test"]["second"]["accuracy"] = 0.9
    both["metrics"]["train"]["first"]["accuracy"] = 0.8
    assert (compared_split(both), score(both)) == ("test", 0.7)
    assert list(rules_on(both, "test")) == ["first", "second"]
    assert rules_on(record(splits=("all",)), "test")["default"]["accuracy"] == 0.9  # there is no other
    failed = record(status="failed")
    assert (compared_metrics(failed), score(failed)) == ({}, None)


def test_hyper_parameters_as_one_types_them():
    assert [as_typed(v) for v in ([1, 2], (3,), True, 0.5, None)] == ["1,2", "3", "true", "0.5", "None"]
