"""The ranks of models over data sets."""

from collections.abc import Mapping

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmark.plots.style import STYLE


def critical_difference_diagram(ranks: Mapping[str, float], width: float, datasets: int) -> Figure:
    """Mean ranks on a line; a bar spans every group of models whose ranks differ by less than the critical
    difference (Demsar 2006).
    """
    order = sorted(ranks, key=lambda name: ranks[name])
    groups: list[tuple[int, int]] = []  # first and last of the order, none inside another
    for i, name in enumerate(order):
        last = max(j for j, other in enumerate(order) if ranks[other] - ranks[name] <= width)
        if last > max(i, groups[-1][1] if groups else i):
            groups.append((i, last))
    top = -0.7 - 0.4 * len(groups)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5, 1 + 0.25 * (len(ranks) - top)), layout="constrained")
        axes = figure.subplots()
        for i, name in enumerate(order):
            axes.plot([ranks[name]] * 2, [top, i], color="0.85", linewidth=0.7, zorder=0)
            axes.plot(ranks[name], i, "o", color="C0", markersize=4)
            axes.annotate(
                f"{name} {ranks[name]:.2f}",
                (ranks[name], i),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
            )
        for i, (first, last) in enumerate(groups):
            ends = [ranks[order[first]], ranks[order[last]]]
            axes.plot(ends, [-0.8 - 0.4 * i] * 2, color="C3", linewidth=3, solid_capstyle="butt")
        axes.set(ylim=(len(order) - 0.5, top), yticks=[], xlim=(0.8, len(order) + 0.9), xlabel="mean rank")
        axes.set_title(
            f"critical difference {width:.2f} ({datasets} data sets); bars span what is not separable"
        )
        axes.spines["left"].set_visible(False)
    return figure
