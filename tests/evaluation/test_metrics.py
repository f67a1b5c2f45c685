"""Clustering metrics against brute force, scikit-learn and cases worked out by hand."""

from itertools import permutations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from benchmark.evaluation.metrics import (
    METRICS,
    Clustering,
    accuracy,
    contingency,
    exemplar_accuracy,
    is_hard,
    measure,
    purity,
)


def labelled(y, log_q):
    """All metrics of points whose values do not matter here."""
    return measure(Clustering(log_q, np.zeros((len(y), 2), np.float32), y))


def brute_force_accuracy(y, c, n_clusters):
    """Best one-to-one map of clusters to classes by trying all of them; None stands for "unmatched"."""
    classes = list(np.unique(y))
    targets = classes + [None] * max(0, n_clusters - len(classes))
    maps = set(permutations(targets, n_clusters))
    return max(np.mean([m[ci] == yi for ci, yi in zip(c, y, strict=True)]) for m in maps)


@pytest.mark.parametrize(("n_clusters", "n_classes"), [(4, 4), (6, 4), (3, 5), (2, 2)])
@pytest.mark.parametrize("seed", range(5))
def test_accuracy_is_the_best_of_all_one_to_one_maps(n_clusters, n_classes, seed):
    rng = np.random.default_rng(seed)
    y, c = rng.integers(n_classes, size=40), rng.integers(n_clusters, size=40)
    assert accuracy(contingency(y, c, n_clusters)) == pytest.approx(brute_force_accuracy(y, c, n_clusters))


def test_two_classes_merged_and_one_split_tells_accuracy_and_purity_apart():
    # 3 classes of 20; cluster 0 holds classes 0 and 1, class 2 is split over clusters 1 and 2
    y = np.repeat([0, 1, 2], 20)
    c = np.concatenate([np.zeros(40, int), np.repeat([1, 2], 10)])
    table = contingency(y, c, 3)
    assert accuracy(table) == pytest.approx(30 / 60)  # one of the merged classes and half of the split one
    assert purity(table) == pytest.approx(40 / 60)


def test_all_points_in_one_cluster():
    y = np.array([0, 0, 0, 1, 1, 2])
    table = contingency(y, np.zeros(6, int), 3)
    assert accuracy(table) == purity(table) == 0.5


def test_more_clusters_than_classes_raise_purity_but_not_accuracy():
    y = np.repeat([0, 1], 8)
    c = np.arange(16)  # every point its own cluster
    table = contingency(y, c, 16)
    assert purity(table) == 1.0
    assert accuracy(table) == pytest.approx(2 / 16)


def test_exemplar_accuracy_worked_out_by_hand():
    y = np.array([0, 0, 1, 1, 1])
    q = np.array([[0.9, 0.1], [0.6, 0.4], [0.8, 0.2], [0.3, 0.7], [0.45, 0.55]])
    # cluster 0 is labelled by point 0 (class 0), cluster 1 by point 3 (class 1); point 2 is wrong
    assert exemplar_accuracy(y, np.log(q)) == pytest.approx(4 / 5)
    # a wrong but most confident point spoils its whole cluster
    assert exemplar_accuracy(np.array([1, 0, 0, 1, 1]), np.log(q)) == pytest.approx(3 / 5)


def test_the_exemplar_of_a_cluster_may_be_a_point_of_another():
    """The point with the largest q(k | x) of all points (Makhzani et al.), not of those in the cluster."""
    y = np.array([0, 0, 1, 1, 2])
    q = np.array([[0.5, 0.5, 0.0], [0.8, 0.1, 0.1], [0.3, 0.4, 0.3], [0.3, 0.4, 0.3], [0.0, 0.49, 0.51]])
    # cluster 0 holds points 0 and 1, cluster 1 points 2 and 3; its exemplar is point 0, of class 0
    assert exemplar_accuracy(y, np.log(q + 1e-9)) == pytest.approx(3 / 5)


@pytest.mark.parametrize("seed", range(10))
def test_exemplar_accuracy_and_accuracy_never_exceed_purity(seed):
    rng = np.random.default_rng(seed)
    y, log_q = rng.integers(3, size=50), np.log(rng.dirichlet(np.ones(5), size=50))
    found = labelled(y, log_q)
    assert found["exemplar_accuracy"] <= found["purity"]
    assert found["accuracy"] <= found["purity"]


def test_nmi_and_ari_are_those_of_scikit_learn_and_labels_may_be_text():
    rng = np.random.default_rng(0)
    y, log_q = rng.integers(3, size=60), np.log(rng.dirichlet(np.ones(4), size=60))
    c = log_q.argmax(axis=1)
    found = labelled(np.array(["ant", "bee", "cow"])[y], log_q)
    assert found["nmi"] == pytest.approx(normalized_mutual_info_score(y, c))
    assert found["nmi_geometric"] == pytest.approx(
        normalized_mutual_info_score(y, c, average_method="geometric")
    )
    assert found["ari"] == pytest.approx(adjusted_rand_score(y, c))
    assert np.sum(found["confusion"]) == 60
    assert np.shape(found["confusion"]) == (4, 3)


def test_nmi_means_differ_for_a_collapsed_solution():
    y, c = np.repeat(np.arange(10), 10), np.repeat([0, 1], 50)
    mutual = np.log(2)  # entropies log 10 and log 2
    found = labelled(y, np.log(np.eye(2)[c] + 1e-9))
    assert found["nmi"] == pytest.approx(mutual / ((np.log(10) + np.log(2)) / 2))
    assert found["nmi_geometric"] == pytest.approx(mutual / np.sqrt(np.log(10) * np.log(2)))


def test_a_hard_assignment_is_known_by_its_rows_and_has_no_exemplars():
    with np.errstate(divide="ignore"):
        log_q = np.log(np.eye(3)[[0, 1, 2, 0]])
        assert not is_hard(np.log([[0.5, 0.5], [1.0, 0.0]]))
    assert is_hard(log_q)
    assert labelled(np.array([0, 1, 2, 0]), log_q)["exemplar_accuracy"] is None


def test_without_labels_only_what_needs_none_is_measured():
    log_q = np.log(np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]]))
    found = measure(Clustering(log_q, np.array([[0.0], [0.1], [5.0]], np.float32), None))
    assert set(found) == {name for name, metric in METRICS.items() if not metric.needs_labels}
    assert (found["n"], found["cluster_sizes"], found["clusters_used"]) == (3, [2, 1], 2)
    assert found["largest_share"] == pytest.approx(2 / 3)


def test_a_metric_is_one_entry_and_one_function(monkeypatch):
    """Records and tables follow from the entry."""
    from benchmark.evaluation.metrics import Metric
    from benchmark.tables.means import build
    from tests.helpers import record

    monkeypatch.setitem(
        METRICS, "smallest", Metric("smallest", lambda m: float(m.sizes.min()), needs_labels=False, digits=1)
    )
    log_q = np.log(np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]]))
    found = labelled(np.array([0, 0, 1]), log_q)
    assert found["smallest"] == 1.0
    one = record()
    one["metrics"]["test"]["default"]["smallest"] = 4.0
    (table,) = build([one])
    assert table.text()["smallest"].tolist() == ["4.0"]


def test_the_silhouette_is_the_same_far_from_the_origin():
    rng = np.random.default_rng(0)
    c = np.arange(400) % 4
    x = (rng.normal(size=(400, 10)) + 6.4 * np.eye(10)[c]).astype(np.float32)
    log_q = np.log(np.eye(4)[c] + 1e-9)
    near, far = (
        measure(Clustering(log_q, points, None))["silhouette"] for points in (x, x + np.float32(10_000))
    )
    assert far == pytest.approx(near, abs=1e-3)


@pytest.mark.parametrize("kind", ["numbers", "texts", "floats"])
def test_points_without_a_label_are_clustered_but_not_scored(kind):
    rng = np.random.default_rng(0)
    y, log_q = rng.integers(3, size=60), np.log(rng.dirichlet(np.ones(3), size=60))
    known = np.arange(60) >= 25
    given = {
        "numbers": np.where(known, y, -1),
        "texts": np.where(known, np.array(["a", "b", "c"])[y], ""),
        "floats": np.where(known, y.astype(float), np.nan),
    }[kind]
    found, alone = labelled(given, log_q), labelled(y[known], log_q[known])
    assert (found["n"], found["labelled"]) == (60, 35)
    for name, metric in METRICS.items():
        if metric.needs_labels:
            assert found[name] == alone[name], name
    assert sum(found["cluster_sizes"]) == 60
    assert "accuracy" not in labelled(np.full(60, -1.0) * np.nan, log_q)
