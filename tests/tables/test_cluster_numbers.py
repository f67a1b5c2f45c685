"""How many clusters: stability, its error and the words, from partitions and points made by hand."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from benchmark.tables.cluster_numbers import (
    Point,
    cluster_number_tables,
    most_stable,
    stability_of,
    verdict,
)
from tests.helpers import record


def points(stabilities, error=0.001, silhouettes=None, first=4):
    silhouettes = silhouettes or [0.1] * len(stabilities)
    return [
        Point(first + i, 5, 5, 5, s, error, silhouette, 0.0, 0.0)
        for i, (s, silhouette) in enumerate(zip(stabilities, silhouettes, strict=True))
    ]


def test_stability_is_the_mean_over_pairs_and_its_error_that_of_the_jackknife():
    rng = np.random.default_rng(0)
    base = rng.integers(4, size=80)
    partitions = [np.where(rng.random(80) < 0.3, rng.integers(4, size=80), base) for _ in range(5)]

    def mean(chosen):
        return np.mean([adjusted_rand_score(a, b) for a, b in itertools.combinations(chosen, 2)])

    without = np.array([mean(partitions[:i] + partitions[i + 1 :]) for i in range(5)])
    found, error = stability_of(partitions)
    assert found == pytest.approx(mean(partitions))
    assert error == pytest.approx(np.sqrt(4 / 5 * ((without - without.mean()) ** 2).sum()))
    assert np.isnan(stability_of(partitions[:2])[1])
    assert np.isnan(stability_of(partitions[:1])[0])


def test_the_largest_k_at_which_seeds_agree_as_well_is_named_with_the_others():
    found = verdict(points([0.99, 0.998, 0.995, 0.9, 0.7], silhouettes=[0.2, 0.3, 0.1, 0.1, 0.1]))
    assert (found.k, found.near) == (6, [4, 5, 6])
    assert found.text == (
        "K = 6, the largest of 4 to 6: seeds agree best, to 1.00 ± 0.00, at K = 5; the silhouette is highest"
        " at K = 5"
    )
    assert verdict(points([0.99, 0.7, 0.995, 0.7])).text.startswith("K = 6, the largest of 4 and 6: ")
    assert verdict(points([0.8, 0.95, 0.9, 0.7], error=0.05)).near == [4 + 1, 4 + 2]  # as far as one can tell


def test_two_k_agree_as_well_by_the_errors_of_both():
    best, other = points([0.95, 0.90])
    sure, unsure = 0.001, 0.03
    for errors, near in (((sure, sure), [4]), ((unsure, sure), [4, 5]), ((sure, unsure), [4, 5])):
        both = [replace(p, stability_error=e) for p, e in zip((best, other), errors, strict=True)]
        assert most_stable(both) == (both[0], near)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            points([0.5, 0.6, 0.4]),
            "no K stands out: seeds agree best, to 0.60 ± 0.00, at K = 5, which is less",
        ),
        (points([0.9, 0.95, 0.949]), "and alike up to the end of the range, K = 6: try a wider one"),
        (points([0.9, 0.8]), "no K stands out: too few runs ended well"),
        (points([0.9, 0.8, 0.7], error=np.nan), "no K stands out: two seeds have no standard error"),
    ],
)
def test_no_k_stands_out(given, said):
    found = verdict(given)
    assert said in found.text
    assert found.k is None


def test_the_best_at_the_start_of_the_range_is_named_with_a_warning():
    assert verdict(points([0.99, 0.8, 0.7])).text.startswith(
        "K = 4, the start of the range: try a wider one: "
    )


def test_a_table_needs_three_numbers_and_takes_what_the_runs_left(tmp_path):
    rng = np.random.default_rng(0)
    runs = []
    for k, seed in itertools.product((2, 3, 4), range(3)):
        folder = tmp_path / f"{k}" / f"seed-{seed}"
        folder.mkdir(parents=True)
        labels = np.arange(60) % k if k < 4 else rng.integers(4, size=60)
        rows = "".join(f"all,{i},{c},1\n" for i, c in enumerate(labels))
        (folder / "assignments.csv").write_text(f"split,index,cluster,probability\n{rows}")
        made = record("kmeans", seed=seed, config={"n_clusters": k}, splits=("all",), data={"title": "Toy"})
        made["metrics"]["all"]["default"] |= {
            "silhouette": 0.1 * k + 0.01 * seed,
            "clusters_used": k - (k == 4),
        }
        runs.append((folder, made))
    (table,) = cluster_number_tables(runs)
    rows = table.text().to_dict("records")
    assert [row["K"] for row in rows] == ["2", "3", "4"]
    assert [row["stability"] for row in rows[:2]] == ["1.000 ± 0.000"] * 2
    assert rows[0]["silhouette"] == "0.210 ± 0.006"  # 0.20, 0.21, 0.22: 0.01 / sqrt(3)
    assert [row["empty"] for row in rows] == ["0.000", "0.000", "0.250"]
    assert table.notes[0].startswith("kmeans: K = 3, the largest of 2 and 3: ")
    table.write(tmp_path)
    assert {p.suffix for p in tmp_path.glob("mnist-paper-clusters.*")} == {
        ".md",
        ".tex",
        ".csv",
        ".png",
        ".pdf",
    }
    assert cluster_number_tables(runs[:6]) == []


def test_bare_records_say_nothing_of_stability(tmp_path):
    runs = [(tmp_path, record(seed=s, config={"n_clusters": k})) for k in (2, 3, 4) for s in (0, 1, 2)]
    (table,) = cluster_number_tables(runs)
    assert "assignments.csv of its runs" in table.notes[0]


def test_runs_that_ended_badly_are_counted(tmp_path):
    runs = [(tmp_path, record(seed=s, config={"n_clusters": k})) for k in (2, 3, 4) for s in (0, 1, 2)]
    (whole,) = cluster_number_tables(runs)
    bad = [(tmp_path, record(seed=3, config={"n_clusters": k}, status="failed")) for k in (3, 5)]
    (table,) = cluster_number_tables([*runs, *bad])
    assert table.text()[["K", "seeds"]].values.tolist() == [
        ["2", "3"],
        ["3", "3/4"],
        ["4", "3"],
        ["5", "0/1"],
    ]
    assert table.text()["empty"].tolist()[-1] == "–"
    assert set(table.notes) - set(whole.notes) == {"seeds: 4/5 means that 4 of 5 runs ended well and count"}
    table.write(tmp_path)
    assert cluster_number_tables(runs[:6] + bad[1:]) == []
