"""Training: losses over steps, quality over time, and quality against cost."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from benchmark.plots.style import LINES, STYLE


def curves(runs: Sequence[Sequence[Mapping[str, Any]]]) -> Figure:
    """Losses over training: mean over the runs, and the range from the lowest to the highest.

    One row per stage, one panel per loss: losses differ in scale, and a small one may be the telling one.

    Args:
        runs: for each, its rows {"stage", "step", loss: value}; a run that was stopped early bounds the
        others.
    """
    stages = list(dict.fromkeys(row["stage"] for row in runs[0]))
    parts = {stage: [[row for row in rows if row["stage"] == stage] for rows in runs] for stage in stages}
    losses = {
        s: [k for k, v in parts[s][0][0].items() if k not in ("stage", "step") and v != ""] for s in stages
    }
    columns = max(1, *map(len, losses.values()))  # a step may return none
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(2.2 * columns, 1.9 * len(stages)))
        panels = figure.subplots(len(stages), columns, squeeze=False)
        # margins by hand, in inches: a layout engine would draw all of it twice
        figure.subplots_adjust(
            left=0.55 / (2.2 * columns),
            right=1 - 0.1 / (2.2 * columns),
            bottom=0.45 / (1.9 * len(stages)),
            top=1 - 0.25 / (1.9 * len(stages)),
            wspace=0.65 / 1.55,
            hspace=0.7 / 1.2,
        )
        for row_of_axes, stage in zip(panels, stages, strict=True):
            shortest = min(map(len, parts[stage]))
            steps = [int(row["step"]) for row in parts[stage][0][:shortest]]
            for axes, name in zip(row_of_axes, losses[stage], strict=False):
                values = np.array([[float(row[name]) for row in rows[:shortest]] for rows in parts[stage]])
                (line,) = axes.plot(steps, values.mean(axis=0), linewidth=1)
                if len(runs) > 1:
                    low, high = values.min(axis=0), values.max(axis=0)
                    axes.fill_between(steps, low, high, alpha=0.2, color=line.get_color(), linewidth=0)
                axes.set(title=f"{stage}: {name}", xlabel="step")
                axes.locator_params(nbins=4)  # every tick takes time to draw
            for axes in row_of_axes[len(losses[stage]) :]:
                axes.set_axis_off()
    return figure


def learning(runs: Mapping[str, Sequence[Sequence[tuple[float, float]]]], clock: str) -> Figure:
    """Quality over training: (seconds, ACC) at the same steps of every run, one colour per model; the mean
    over its runs, and the range from the lowest to the highest.

    Args:
        clock: what the seconds are of, "processor" or "wall".
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.2, 3.2), layout="constrained")
        axes = figure.subplots()
        for i, (name, of_model) in enumerate(runs.items()):
            minutes, quality = np.array(of_model).transpose(2, 0, 1)
            x, color = minutes.mean(axis=0) / 60, f"C{i % 10}"
            form = "." if len(x) == 1 else LINES[i // 10 % len(LINES)]  # there are ten colours
            axes.plot(x, quality.mean(axis=0), form, color=color, label=name)
            axes.fill_between(
                x, quality.min(axis=0), quality.max(axis=0), alpha=0.15, color=color, linewidth=0
            )
        axes.set(xlabel=f"minutes of {clock} time", ylabel="ACC", xscale="log", ylim=(0, 1))
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        figure.legend(frameon=False, loc="outside right upper")
    return figure


def cost(scores: Mapping[str, Sequence[tuple[float, float]]]) -> Figure:
    """Quality against cost: (seconds, ACC) of every run, one colour per model, with the model's means."""
    with mpl.rc_context(STYLE):
        columns = max(1, min(len(scores), 75 // (max(map(len, scores)) + 9)))  # of the legend, below the axes
        labels = {name: "\n".join(textwrap.wrap(name, 70, subsequent_indent="   ")) for name in scores}
        lines = sum(1 + label.count("\n") for label in labels.values())
        below = 0.16 * -(-lines // columns)  # the legend's height, in inches
        height = 2.7 + below
        figure = Figure(figsize=(4.6, height))
        axes = figure.add_axes((0.12, (0.55 + below) / height, 0.86, 2.1 / height))
        for i, (name, runs) in enumerate(scores.items()):
            seconds, quality = np.array(runs).T
            axes.scatter(seconds, quality, s=8, color=f"C{i % 10}", alpha=0.5, linewidths=0)
            marker = "os^D"[i // 10 % 4]  # there are ten colours
            axes.plot(
                seconds.mean(), quality.mean(), marker, color=f"C{i % 10}", markersize=5, label=labels[name]
            )
        axes.set(xlabel="seconds per run", ylabel="ACC")
        every = [seconds for runs in scores.values() for seconds, _ in runs]
        if min(every) > 0 and max(every) > 10 * min(every):
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter(NullFormatter())
        figure.legend(frameon=False, loc="lower left", ncols=columns)
    return figure
