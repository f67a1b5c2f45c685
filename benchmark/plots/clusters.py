"""Clusters: where they lie, what they hold, which classes they meet, and how many there may be."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.optimize import linear_sum_assignment

from benchmark.plots.style import LINES, STYLE

CLASSES_IN_TEXT = 30  # of a confusion matrix; one with more classes or clusters is an image without numbers
MEANS_WRITTEN = 20  # features up to which a cluster's mean is also written in numbers
NAME_LENGTH = 24  # characters of a feature's name that are shown
NUMBER: Any = {"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.7}


def cluster_means(
    x: np.ndarray,
    labels: np.ndarray,
    names: Sequence[str],
    columns: Sequence[str] = (),
    units: Callable[[np.ndarray], np.ndarray] = np.asarray,
) -> Figure:
    """Mean of every cluster's vectors (N, D): as colours in standard deviations from the mean of all points,
    and for few features as numbers in the data's own units. Empty clusters are left white.

    Args:
        names: of the K clusters.
        columns: names of the D features, if they have any.
        units: vectors like `x` to the data's own units, column by column and affine.
    """
    means = np.full((len(names), x.shape[1]), np.nan)
    for k in np.unique(labels):
        means[k] = x[labels == k].mean(axis=0, dtype=np.float64)
    spread = x.std(axis=0, dtype=np.float64)
    shown = (means - x.mean(axis=0, dtype=np.float64)) / np.where(spread > 0, spread, 1)
    written = x.shape[1] <= MEANS_WRITTEN
    short = [name if len(name) <= NAME_LENGTH else f"{name[: NAME_LENGTH - 1]}…" for name in columns]
    known = short if written else []
    below = 0.065 * max(map(len, known), default=0)  # inches
    with mpl.rc_context(STYLE):
        size = (1.8 + (0.42 * x.shape[1] if written else 6), 0.9 + 0.24 * len(names) + below)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots()
        picture = axes.imshow(shown, aspect="auto", cmap="RdBu_r", vmin=-2, vmax=2, interpolation="none")
        axes.set(ylabel="cluster: points", title="mean of every cluster", xlabel="" if known else "feature")
        axes.set_yticks(range(len(names)), names)
        if written:
            for j, texts in enumerate(map(_numbers, units(means).T)):
                for k, text in enumerate(texts):
                    color = "white" if abs(shown[k, j]) > 1.3 else "black"
                    axes.text(j, k, text, ha="center", va="center", fontsize=6, color=color)
            ticks = known or [str(j) for j in range(x.shape[1])]
            axes.set_xticks(range(x.shape[1]), ticks, rotation=90 if known else 0, parse_math=False)
        figure.colorbar(picture, label="SD from the mean", extend="both")
    return figure


def _numbers(values: np.ndarray) -> list[str]:
    """Texts of one feature's means (K,), "" for NaN. All end at the same place: the largest has three digits,
    or more where it takes more to tell them apart, or to reach the ones.
    """
    largest, apart = np.nanmax(np.abs(values)), np.nanmax(values) - np.nanmin(values)
    digits = 3 + int(np.clip(np.log10(largest / apart) - 1, 0, 3)) if apart > 0 else 3
    decimals = max(0, digits - 1 - (int(np.floor(np.log10(largest))) if largest > 0 else 0))
    form = f".{decimals}f" if largest == 0 or 1e-3 <= largest < 1e6 else f".{digits - 1}e"
    rounded = np.round(values, decimals) + 0.0  # -0 becomes 0
    return ["" if np.isnan(value) else f"{value:{form}}" for value in rounded]


def cluster_map(z: np.ndarray, labels: np.ndarray, space: str) -> Figure:
    """Points (N, J) coloured by cluster (N,), in the first two principal components; the number of every
    cluster stands at its median.

    Args:
        space: what `z` is, for the title.
    """
    from sklearn.decomposition import PCA

    title = f"{space}: its two dimensions"
    if z.shape[1] == 1:
        z, title = np.c_[z, np.zeros(len(z))], f"{space}: its one dimension"
    elif z.shape[1] > 2 and len(z) > 2:
        pca = PCA(2, random_state=0).fit(z)
        share = pca.explained_variance_ratio_.sum()
        title = f"{space}: two principal components"
        title += f", {100 * share:.0f} % of the variance" if np.isfinite(share) else ""
        z = pca.transform(z)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.2, 4), layout="constrained")
        axes = figure.subplots()
        n = 10 if labels.max() < 10 else 20  # neighbours in the longer map are shades of one colour
        x, y = z[:, 0], z[:, 1]
        axes.scatter(x, y, c=labels % n, cmap=f"tab{n}", vmin=0, vmax=n - 1, s=5, linewidths=0)
        for k in np.unique(labels):
            x, y = np.median(z[labels == k], axis=0)
            axes.text(x, y, str(k), ha="center", va="center", fontweight="bold", bbox=NUMBER)
        axes.set(title=title, xticks=[], yticks=[])
    return figure


def confusion(table: Sequence[Sequence[int]], names: Sequence[str] = ()) -> Figure:
    """Counts of points by class and cluster, clusters in the order of the classes that they are matched
    with.

    Args:
        table: (K, classes).
        names: of the classes; left out where they are not as many as the table has.
    """
    counts = np.asarray(table)
    matched, classes = linear_sum_assignment(counts, maximize=True)
    order = [*matched[np.argsort(classes)], *sorted(set(range(len(counts))) - set(matched))]
    shares = counts[order].T / np.maximum(1, counts.sum(axis=0))[:, None]  # (classes, K)
    rows, columns = shares.shape
    large = max(shares.shape) > CLASSES_IN_TEXT
    side = min(0.26, 5 / max(shares.shape))  # of a cell, in inches
    known = [str(name) for name in names] if len(names) == rows else [str(i) for i in range(rows)]
    # Margins by hand, in inches, and numbers as text: a layout engine would draw all of it twice, and ticks
    # take four times as long as text.
    left, bottom = 0.5 + (0 if large else 0.065 * max(map(len, known))), 0.5
    box = (left, bottom, max(1.7, side * columns), max(1.4, side * rows))
    with mpl.rc_context(STYLE):
        width, height = box[0] + box[2] + (0.9 if large else 0.1), box[1] + box[3] + 0.1
        figure = Figure(figsize=(width, height))
        axes = figure.add_axes((box[0] / width, box[1] / height, box[2] / width, box[3] / height))
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
        axes.set(xlabel="cluster, after matching", ylabel="class (its points in %)")
        if large:
            axes.set(xlabel="clusters, in the order of their classes", ylabel="class")
            axes.set_xticks([])
            figure.colorbar(image, shrink=0.6, label="share of the class's points")
            return figure
        for (i, j), share in np.ndenumerate(shares):
            if share >= 0.005:
                color = "white" if share > 0.5 else "black"
                axes.text(j, i, f"{100 * share:.0f}", ha="center", va="center", fontsize=6, color=color)
        axes.set(xticks=[], yticks=[])
        for j, k in enumerate(order):
            axes.text(j, rows - 0.4, str(k), ha="center", va="top")
        for i, name in enumerate(known):
            axes.text(-0.6, i, name, ha="right", va="center")
        axes.xaxis.labelpad, axes.yaxis.labelpad = 12, 4 + 4.7 * max(map(len, known))  # in points
    return figure


def cluster_numbers(values: Any, named: Mapping[str, Sequence[int]]) -> Figure:
    """Stability, silhouette and share of empty clusters against K: a panel each, a line for each model, and
    its standard errors.

    Args:
        values: data frame with the columns model, k, stability, stability_error, silhouette,
            silhouette_error and empty.
        named: {model: numbers that are recommended}, shown as full circles.
    """
    panels = {"stability": "agreement of seeds (ARI)", "silhouette": "silhouette", "empty": "empty clusters"}
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 2.8), layout="constrained")
        for axes, (column, title) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
            for i, (model, rows) in enumerate(values.groupby("model", sort=False)):
                k, y = rows["k"].to_numpy(), rows[column].to_numpy()
                color = f"C{i % 10}"
                axes.plot(k, y, LINES[i // 10 % len(LINES)], linewidth=1, color=color, label=model)
                if f"{column}_error" in rows:
                    error = np.nan_to_num(rows[f"{column}_error"].to_numpy())
                    axes.fill_between(k, y - error, y + error, alpha=0.2, color=color, linewidth=0)
                chosen = np.isin(k, named.get(model, ()))
                axes.plot(k[~chosen], y[~chosen], "o", color=color, markersize=3, markerfacecolor="white")
                axes.plot(k[chosen], y[chosen], "o", color=color, markersize=5)
            axes.set(xlabel="K", title=title)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, frameon=False, loc="outside lower center", ncols=6)
    return figure
