"""Which records count for a published number, and which of their values."""

import pytest

from benchmark.papers.measured import Measured, measured, neighbouring, value_of
from benchmark.papers.published import numbers
from tests.helpers import record


def of_vade(records, protocol="pooled", config=None, split="all", rule="default", metric="accuracy"):
    return measured(records, "vade", "mnist", protocol, config or {}, "paper", split, rule, metric)


def pooled(seed, accuracy=0.9, **more):
    return record(seed=seed, accuracy=accuracy, **{"protocol": "pooled", "splits": ("all",), **more})


def test_values_by_seed_and_the_runs_that_have_none():
    found = of_vade([pooled(2, 0.7), pooled(0, 0.8), pooled(1, status="diverged")])
    assert found.values == {0: 0.8, 2: 0.7}
    assert found.seeds == 3
    assert found.failures == ["seed 1: diverged, it broke"]


def test_the_same_seed_on_another_device_counts_once():
    cuda = [pooled(0, 0.1, digest="cuda")]
    cuda[0]["key"]["device"] = "cuda"
    assert of_vade([pooled(0, 0.8), pooled(1, 0.7), *cuda]).values == {0: 0.8, 1: 0.7}


@pytest.mark.parametrize(
    "other",
    [
        {"model": "gmvae"},
        {"dataset": "digits"},
        {"budget": "quick"},
        {"protocol": "neutral"},
        {"config": {"n_clusters": 7}, "overrides": {"n_clusters": 7}},
    ],
)
def test_another_experiment_does_not_count(other):
    assert of_vade([pooled(0, 0.8), pooled(1, 0.1, **other)]).values == {0: 0.8}


def test_an_override_counts_where_it_is_asked_for():
    fewer = pooled(0, 0.6, config={"n_clusters": 7}, overrides={"n_clusters": 7})
    assert of_vade([fewer, pooled(0, 0.8)], config={"n_clusters": 7}).values == {0: 0.6}


def test_without_a_test_split_every_protocol_is_the_neutral_one():
    runs = [record(seed=0, accuracy=0.8, splits=("all",))]
    assert of_vade(runs, protocol="held-out").values == {0: 0.8}
    assert of_vade([record(seed=0, splits=("train", "test"))], protocol="held-out").values == {}


def test_a_best_run_is_chosen_on_validation_points_where_there_are_any():
    run = pooled(0, splits=("test", "validation"))
    run["metrics"]["validation"]["default"]["purity"] = 0.3
    assert of_vade([run], split="test").chosen_by == {0: 0.3}
    assert of_vade([pooled(0, 0.8)]).chosen_by == {0: 0.8}


def test_where_a_value_stands():
    run = record(rules=("kmeans", "argmax"), fid={"inception": {"value": 12.5}}, diagnostics={"kde": -5.0})
    run["metrics"]["test"]["argmax"]["accuracy"] = 0.4
    assert value_of(run, "test", "default", "accuracy") == 0.9
    assert value_of(run, "test", "argmax", "accuracy") == 0.4
    assert value_of(run, "test", "default", "fid") == 12.5
    assert value_of(run, "test", "default", "kde") == -5.0
    assert value_of(run, "train", "default", "accuracy") is None
    assert value_of(run, "test", "unheard_of", "accuracy") is None


def test_neighbouring_runs_are_of_another_protocol_the_neutral_one_first():
    (number,) = [
        n for n in numbers() if (n.paper.name, n.table, n.metric) == ("vade", "released", "accuracy")
    ]
    held_out = record(accuracy=0.6, protocol="held-out", splits=("train", "validation", "test"))
    found, differs = neighbouring([held_out, pooled(0)], number, "vade", "paper")
    assert found.values == {0: 0.6}
    assert differs.startswith("our runs are of the held-out protocol")
    neutral = record(accuracy=0.7, splits=("train", "test"))
    assert neighbouring([held_out, neutral], number, "vade", "paper")[0].values == {0: 0.7}
    assert neighbouring([neutral], number, "vade", "quick") == (Measured(), "")
    assert neighbouring([pooled(0)], number, "vade", "paper") == (Measured(), "")
