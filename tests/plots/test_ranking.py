"""The diagram of ranks."""

from benchmark.plots import critical_difference_diagram


def test_the_bars_of_the_diagram_span_the_groups_that_are_not_separable():
    ranks = {"a": 1.0, "b": 1.5, "c": 2.5, "d": 5.0, "e": 5.2}
    figure = critical_difference_diagram(ranks, 1.35, 6)
    bars = [tuple(line.get_xdata()) for line in figure.axes[0].lines if line.get_linewidth() == 3]
    assert bars == [(1.0, 1.5), (1.5, 2.5), (5.0, 5.2)]  # a and c differ by more than the critical difference
    heights = {line.get_ydata()[0] for line in figure.axes[0].lines if line.get_linewidth() == 3}
    assert len(heights) == 3
    assert "critical difference 1.35" in figure.axes[0].get_title()


def test_a_model_that_is_told_from_all_others_has_no_bar():
    figure = critical_difference_diagram({"a": 1.0, "b": 1.5, "c": 5.0}, 1.0, 6)
    bars = [line for line in figure.axes[0].lines if line.get_linewidth() == 3]
    assert len(bars) == 1
    assert figure.axes[0].get_ylim() == (2.5, -0.7 - 0.4)  # no room for another
