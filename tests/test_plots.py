"""Figures: what stands where, and what they are drawn from."""

import numpy as np
import pytest
import torch

from benchmark.plots import (
    cluster_map,
    cluster_means,
    cluster_sheet,
    confusion,
    cost,
    critical_difference_diagram,
    curves,
    image_sheet,
    learning,
    save,
)


def test_curves_are_the_mean_and_range_over_seeds():
    # As read from a file: text. The second run was stopped earlier.
    runs = [
        [{"stage": "train", "step": str(i), "loss": str(v)} for i, v in enumerate(values)]
        for values in [(1.0, 3.0, 9.0), (3.0, 5.0)]
    ]
    (axes,) = curves(runs).axes
    assert axes.lines[0].get_ydata().tolist() == [2.0, 4.0]
    low, high = axes.collections[0].get_datalim(axes.transData).intervaly
    assert (low, high) == (1.0, 5.0)


def test_learning_curves_are_means_over_seeds_in_minutes():
    runs = {"vade": [[(60.0, 0.2), (120.0, 0.6)], [(60.0, 0.4), (240.0, 0.8), (300.0, 0.9)]]}
    (axes,) = learning(runs, "processor").axes
    assert axes.lines[0].get_xydata() == pytest.approx(np.array([[1, 0.3], [3, 0.7]]))
    assert axes.get_xlabel() == "minutes of processor time"


def test_every_stage_is_a_row_and_every_loss_a_panel_of_one_run():
    rows = [{"stage": "first", "step": 1, "a": 1.0, "b": 2.0}, {"stage": "second", "step": 2, "c": 3.0}]
    titles = [axes.get_title() for axes in curves([rows]).axes]
    assert titles == ["first: a", "first: b", "second: c", ""]


def test_the_confusion_matrix_is_matched_also_with_surplus_clusters():
    (axes,) = confusion([[0, 90], [10, 0], [80, 5], [0, 5]]).axes  # four clusters, two classes
    shares = axes.images[0].get_array()
    assert [t.get_text() for t in axes.texts if t.get_va() == "top"] == ["2", "0", "1", "3"]
    assert np.allclose(np.diag(shares), [80 / 90, 90 / 100])


def test_the_bars_of_the_diagram_span_the_groups_that_are_not_separable():
    ranks = {"a": 1.0, "b": 1.5, "c": 2.5, "d": 5.0, "e": 5.2}
    figure = critical_difference_diagram(ranks, 1.35, 6)
    bars = [tuple(line.get_xdata()) for line in figure.axes[0].lines if line.get_linewidth() == 3]
    assert bars == [(1.0, 1.5), (1.5, 2.5), (5.0, 5.2)]  # a and c differ by more than the critical difference
    heights = {line.get_ydata()[0] for line in figure.axes[0].lines if line.get_linewidth() == 3}
    assert len(heights) == 3
    assert "critical difference 1.35" in figure.axes[0].get_title()


def test_files_have_the_same_bytes_every_time(tmp_path):
    first = [p.read_bytes() for p in (save(confusion([[1, 0], [0, 1]]), tmp_path / n, "c") for n in "xy")]
    assert first[0] == first[1]
    assert (tmp_path / "x" / "c.pdf").read_bytes() == (tmp_path / "y" / "c.pdf").read_bytes()


@pytest.mark.filterwarnings("error")
def test_rows_with_long_names_leave_room_for_the_points(tmp_path):
    names = [f"kvaes ({'a long setting=[150, 150], ' * 5}n_clusters={k})" for k in range(4)]
    save(figure := cost({name: [(1.0, 0.5), (30.0, 0.6)] for name in names}), tmp_path, "cost")
    box = figure.axes[0].get_window_extent()
    assert min(box.width, box.height) > 150  # pixels
    assert {"1", "2", "5", "10", "20"} <= {t.get_text() for t in figure.axes[0].get_xticklabels()}


def test_a_sheet_shows_every_image_in_its_place():
    grey = [torch.full((n, 1, 6, 12), 0.25 * i) for i, n in ((1, 3), (2, 2))]
    (axes,) = image_sheet(grey, ["first", "second"]).axes
    sheet = axes.images[0].get_array()
    assert sheet.shape == (2 * 6 + 2, 3 * 12 + 2 * 2, 3)  # two pixels between images
    np.testing.assert_array_equal(sheet[:6, :12], 0.25)
    np.testing.assert_array_equal(sheet[8:, 14:26], 0.5)
    np.testing.assert_array_equal(sheet[8:, 28:], 1)  # the second row has no third image
    np.testing.assert_array_equal(sheet[6:8], 1)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["first", "second"]


def test_colours_and_values_out_of_range():
    colours = torch.tensor([-1.0, 0.5, 2.0]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    (axes,) = image_sheet([colours], ["one"]).axes
    np.testing.assert_array_equal(axes.images[0].get_array()[2, 2], [0, 0.5, 1])


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


def test_blocks_of_a_sheet_of_clusters_stand_under_their_titles():
    blocks = {"near": [np.zeros((3, 1, 6, 6)), np.zeros((0, 1, 6, 6))], "far": [np.zeros((1, 1, 6, 6))] * 2}
    (axes,) = cluster_sheet(blocks, ["0: 4", "1: 1"]).axes
    assert [t.get_text() for t in axes.get_xticklabels()] == ["near", "far"]
    sheet = axes.images[0].get_array()
    assert sheet.shape[:2] == (13, 34)  # two rows of five columns (one of them white), with a pixel between
    assert axes.get_xticks().tolist() == [9.5, 30.5]  # middles of columns 0 to 2, and of column 4
    assert (sheet[:6, 28:] == 0).all()
    assert (sheet[7:, :27] == 1).all()


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
