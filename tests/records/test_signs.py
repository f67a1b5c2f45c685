"""Signs of collapse, in words."""

import pytest

from benchmark.records.run import Run
from benchmark.records.signs import signs_of_collapse
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
