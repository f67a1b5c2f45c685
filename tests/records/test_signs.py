"""Signs of collapse, in words."""

import pytest

from benchmark.records.run import Run
from benchmark.records.signs import best, signs_of_collapse
from benchmark.running.progress import Progress


def record(sizes, consistency=None, status="ok"):
    metrics = {"all": {"default": {"cluster_sizes": sizes}}}
    return {
        "status": status,
        "metrics": metrics,
        "diagnostics": {} if consistency is None else {"consistency": consistency},
    }


COLLAPSED = record([60, 10, 10, 8, 6, 6, 0, 0, 0, 0], [1.0, 0.9, 0.9, *[0.0] * 7])


def test_a_collapsed_run_is_told_in_words():
    assert signs_of_collapse(COLLAPSED) == [
        "60 % of the points are in one of 10 clusters",
        "4 of 10 clusters are empty",
        "samples of 7 of 10 clusters are assigned to others (consistency below 1 / K)",
    ]


@pytest.mark.parametrize(
    "good",
    [
        record([10] * 10, [0.9] * 10),
        record([13] * 9 + [0]),
        record([60, 40]),
        record([45, 30, 25]),
        record([1] * 95 + [0] * 5),
        record([100]),
        record([60, *[0] * 9], status="failed"),
        {"status": "failed"},
    ],
)
def test_an_ordinary_run_shows_none(good):
    assert signs_of_collapse(good) == []


def test_the_limits_themselves():
    """Half of the points are a sign, and a fifth of the clusters; a consistency of 1 / K is none."""
    assert signs_of_collapse(record([50, *[10] * 5])) == ["50 % of the points are in one of 6 clusters"]
    assert signs_of_collapse(record([49, *[10] * 5, 1])) == []
    assert signs_of_collapse(record([10] * 8 + [0] * 2)) == ["2 of 10 clusters are empty"]
    assert signs_of_collapse(record([10] * 10, [0.1] * 10)) == []
    assert signs_of_collapse(record([10] * 10, [0.9] * 8 + [0.09] * 2)) == [
        "samples of 2 of 10 clusters are assigned to others (consistency below 1 / K)"
    ]


@pytest.mark.parametrize(("sizes", "words"), [([80, 20], "80 %"), ([50, 50, 0], "1 of 3 clusters are empty")])
def test_few_clusters_have_limits_of_their_own(sizes, words):
    assert words in "; ".join(signs_of_collapse(record(sizes)))


def test_a_run_that_ends_collapsed_is_warned_of(capsys):
    run = Run({"dataset": "digits", "model": "vade"}, 0, "digits", ())
    progress = Progress({run: 1.0}, 1)
    progress.end(run, COLLAPSED)
    progress.close()
    assert (
        "digits vade seed 0: ok; warning: collapsed, 60 % of the points are in one of 10 clusters; 4 of"
        in capsys.readouterr().err
    )


def test_the_best_run_is_of_the_best_model_that_has_not_collapsed():
    runs = [seed_of("a", 0, 0.4), seed_of("a", 1, 0.8), seed_of("b", 1, 0.7), seed_of("b", 0, 0.7)]
    assert best(runs) is runs[3]
    assert best([*runs, {**COLLAPSED, **seed_of("c", 0, 0.9), "metrics": COLLAPSED["metrics"]}]) is runs[3]
    assert best([{**COLLAPSED, "digest": "c", "seed": 0}])["digest"] == "c"
    assert best([{"status": "failed"}]) is None


def test_without_labels_the_best_run_is_of_the_model_whose_seeds_agree():
    runs = [{**record([10] * 10), "digest": digest, "seed": seed} for digest in "ab" for seed in (1, 0)]
    agreement = {("a", seed, "all"): 0.2 for seed in (0, 1)} | {("b", seed, "all"): 0.6 for seed in (0, 1)}
    assert best(runs, agreement) is runs[3]
    assert best(runs) is runs[1]


def seed_of(digest, seed, accuracy):
    metrics = {"all": {"default": {"cluster_sizes": [10] * 10, "accuracy": accuracy}}}
    return {"status": "ok", "metrics": metrics, "digest": digest, "seed": seed}
