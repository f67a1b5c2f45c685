"""Figures of training."""

import numpy as np
import pytest

from benchmark.plots import cost, curves, learning, save


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
    runs = {"vade": [[(60.0, 0.2), (120.0, 0.6)], [(60.0, 0.4), (240.0, 0.8)]]}
    (axes,) = learning(runs, "processor").axes
    assert axes.lines[0].get_xydata() == pytest.approx(np.array([[1, 0.3], [3, 0.7]]))
    assert axes.get_xlabel() == "minutes of processor time"
    assert {1, 2, 5} <= set(axes.get_xticks())  # not the powers of ten alone


def test_every_stage_is_a_row_and_every_loss_a_panel_of_one_run():
    rows = [{"stage": "first", "step": 1, "a": 1.0, "b": 2.0}, {"stage": "second", "step": 2, "c": 3.0}]
    titles = [axes.get_title() for axes in curves([rows]).axes]
    assert titles == ["first: a", "first: b", "second: c", ""]


def test_a_model_without_losses_has_no_panel():
    (axes,) = curves([[{"stage": "train", "step": 1}]]).axes
    assert not axes.axison


def test_the_eleventh_model_has_the_first_s_colour_and_another_line():
    (axes,) = learning({str(i): [[(60.0, 0.2), (120.0, 0.6)]] for i in range(11)}, "processor").axes
    first, last = axes.lines[0], axes.lines[10]
    assert (first.get_color(), first.get_linestyle()) == ("C0", "-")
    assert (last.get_color(), last.get_linestyle()) == ("C0", "--")


@pytest.mark.filterwarnings("error")
def test_rows_with_long_names_leave_room_for_the_points(tmp_path):
    names = [f"kvaes ({'a long setting=[150, 150], ' * 5}n_clusters={k})" for k in range(4)]
    save(figure := cost({name: [(1.0, 0.5), (30.0, 0.6)] for name in names}), tmp_path, "cost")
    box = figure.axes[0].get_window_extent()
    assert min(box.width, box.height) > 150  # pixels
    assert {"1", "2", "5", "10", "20"} <= {t.get_text() for t in figure.axes[0].get_xticklabels()}
