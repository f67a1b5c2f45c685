"""Figures of clusters."""

import numpy as np
import pytest

from benchmark.plots import cluster_map, cluster_means, confusion


def test_the_confusion_matrix_is_matched_also_with_surplus_clusters():
    (axes,) = confusion([[0, 90], [10, 0], [80, 5], [0, 5]]).axes  # four clusters, two classes
    shares = axes.images[0].get_array()
    assert [t.get_text() for t in axes.texts if t.get_va() == "top"] == ["2", "0", "1", "3"]
    assert np.allclose(np.diag(shares), [80 / 90, 90 / 100])


def test_classes_of_a_confusion_matrix_are_named_where_the_names_fit():
    def names(*given):
        (axes,) = confusion([[9, 1], [2, 8]], given).axes
        return [text.get_text() for text in axes.texts if text.get_ha() == "right"]

    assert names("cat", "dog") == ["cat", "dog"]
    assert names("cat") == ["0", "1"]


def test_a_large_confusion_matrix_is_an_image():
    figure = confusion(np.random.default_rng(0).integers(0, 50, (100, 100)))
    assert figure.axes[0].images[0].get_array().shape == (100, 100)
    assert not figure.axes[0].texts


def test_means_of_clusters_are_written_in_units_of_the_data():
    x = np.array([[1.0, 10.0], [3.0, 10.0], [8.0, 10.0]])
    axes = cluster_means(x, np.array([0, 0, 2]), ["0: 2", "1: empty", "2: 1"]).axes[0]
    assert [t.get_text() for t in axes.texts] == ["2", "10", "8", "10"]
    shown = axes.images[0].get_array()
    assert np.ma.getmaskarray(shown)[1].all()
    assert shown[0, 0] < 0 < shown[2, 0]
    assert shown[0, 1] == 0


@pytest.mark.parametrize("dimensions", [1, 2, 5])
def test_the_map_has_the_number_of_every_cluster(dimensions):
    z = np.random.default_rng(0).normal(size=(30, dimensions))
    (axes,) = cluster_map(z, np.arange(30) % 3 + 4, "data").axes
    assert [t.get_text() for t in axes.texts] == ["4", "5", "6"]
