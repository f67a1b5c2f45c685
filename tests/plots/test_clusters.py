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
    assert [t.get_text() for t in axes.texts if t.get_text()] == ["2.00", "8.00", "10.0", "10.0"]
    assert axes.get_xlabel() == "feature"
    shown = axes.images[0].get_array()
    assert np.ma.getmaskarray(shown)[1].all()
    assert shown[0, 0] < 0 < shown[2, 0]
    assert shown[0, 1] == 0


def test_means_of_many_large_values_are_exact():
    """In single precision the mean of all would be off by a good part of the standard deviation."""
    x = (1000 + np.tile([[-1.0] * 3, [1.0] * 3], (200_000, 1))).astype(np.float32)
    labels = np.arange(len(x)) // (len(x) // 2)
    picture = cluster_means(x, labels, ["0", "1"]).axes[0].images[0]
    assert np.abs(picture.get_array()).max() < 1e-6


def test_columns_are_named_and_numbers_are_in_the_units_that_are_given():
    x = np.array([[-1.0, 0.0], [1.0, 0.0]])
    axes = cluster_means(x, np.arange(2), ["0", "1"], ["price ($)", "n" * 99], lambda v: v * 5 + 2001).axes[0]
    assert [t.get_text() for t in axes.texts] == ["1996", "2006", "2001", "2001"]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["price ($)", "n" * 23 + "…"]
    assert axes.images[0].get_array().tolist() == [[-1, 0], [1, 0]]


@pytest.mark.parametrize(
    ("means", "expected"),
    [
        ([-0.0004, 1.0, 0.69], ["0.00", "1.00", "0.69"]),
        ([1115.7, 519.5], ["1116", "520"]),
        ([0.0, -0.0], ["0.00", "0.00"]),
        ([2.5e-8, -1e-12], ["2.50e-08", "0.00e+00"]),
        ([52.5201, 52.5102], ["52.520", "52.510"]),
    ],
)
def test_means_of_a_feature_end_at_the_same_digit(means, expected):
    texts = cluster_means(np.array(means)[:, None], np.arange(len(means)), [""] * len(means)).axes[0].texts
    assert [t.get_text() for t in texts] == expected


@pytest.mark.parametrize("dimensions", [1, 2, 5])
def test_the_map_has_the_number_of_every_cluster(dimensions):
    z = np.random.default_rng(0).normal(size=(30, dimensions))
    (axes,) = cluster_map(z, np.arange(30) % 3 + 4, "data").axes
    assert [t.get_text() for t in axes.texts] == ["4", "5", "6"]
