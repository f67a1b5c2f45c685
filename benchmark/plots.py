"""Figures: numbers in, a matplotlib Figure out, in one style. Imports no torch."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from scipy.optimize import linear_sum_assignment

STYLE: Any = {
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "savefig.dpi": 120,
    "figure.dpi": 120,
}
# Without versions and dates, so that equal figures give equal files.
METADATA: Any = {"png": {"Software": None}, "pdf": {"Creator": None, "Producer": None, "CreationDate": None}}
MARK = "dgcbench"  # key of a PNG file's text that says what it was drawn from
CLASSES_IN_TEXT = 30  # of a confusion matrix; one with more classes or clusters is an image without numbers
CONTACTS = 20  # images per class in a contact sheet
MEANS_WRITTEN = 20  # features up to which a cluster's mean is also written in numbers
NUMBER: Any = {"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.7}


def save(
    figure: Figure, folder: Path, name: str, mark: str | None = None, endings: Sequence[str] = ("pdf", "png")
) -> Path:
    """Write name.pdf and name.png, the latter with `mark` in its metadata; returns the path of the latter."""
    folder.mkdir(parents=True, exist_ok=True)
    more = {"png": {} if mark is None else {MARK: mark}, "pdf": {}}
    for ending in endings:  # the marked one last: where it is, both are whole
        figure.savefig(folder / f"{name}.{ending}", metadata={**METADATA[ending], **more[ending]})
    return folder / f"{name}.png"


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
    columns = max(map(len, losses.values()))
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


def image_sheet(rows: Sequence[Any], names: Sequence[str]) -> Figure:
    """Images in [0, 1], one row per array or tensor (n, C, H, W), each row with its name.

    One picture of all of them: an axes for each would take minutes for a hundred rows.
    """
    columns = max(len(row) for row in rows)
    _, height, width = rows[0].shape[1:]
    gap = _gap(rows[0].shape[1:])
    sheet = np.ones((len(rows) * (height + gap) - gap, columns * (width + gap) - gap, 3))
    for i, row in enumerate(rows):
        for j, image in enumerate(_as_array(row).clip(0, 1).transpose(0, 2, 3, 1)):
            top, left = i * (height + gap), j * (width + gap)
            sheet[top : top + height, left : left + width] = image
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(0.5 * columns + 0.4, 0.5 * len(rows)), layout="constrained")
        axes = figure.subplots()
        axes.imshow(sheet, interpolation="nearest")
        axes.set(xticks=[], frame_on=False)
        axes.set_yticks([i * (height + gap) + (height - 1) / 2 for i in range(len(rows))], names)
        axes.tick_params(length=0)
    return figure


def _gap(shape: Sequence[int]) -> int:
    """Pixels between images (C, H, W)."""
    return -(-max(shape[1:]) // 6)


def cluster_sheet(blocks: Mapping[str, Sequence[np.ndarray]], names: Sequence[str]) -> Figure:
    """Images in [0, 1], one row per cluster with its name, in blocks of columns with a title each.

    Args:
        blocks: {title: (n, C, H, W) images of every cluster}; n may differ, and be 0.
    """
    shape = next(iter(blocks.values()))[0].shape[1:]
    widths = [max(1, *map(len, rows)) for rows in blocks.values()]

    def padded(images: np.ndarray, width: int) -> np.ndarray:
        return np.concatenate([images, np.ones((width - len(images), *shape), dtype=np.float32)])

    # One white column behind every block but the last, whose surplus is cut off.
    rows = [
        np.concatenate([padded(part, width + 1) for part, width in zip(parts, widths, strict=True)])[:-1]
        for parts in zip(*blocks.values(), strict=True)
    ]
    figure = image_sheet(rows, names)
    (axes,) = figure.axes
    starts = np.cumsum([0, *(width + 1 for width in widths[:-1])])
    pixels = (axes.get_xlim()[1] + 0.5 + _gap(shape)) / len(rows[0])  # from one image to the next
    centres = [(a + w / 2) * pixels - (_gap(shape) + 1) / 2 for a, w in zip(starts, widths, strict=True)]
    axes.set_xticks(centres, list(blocks))
    axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False)
    return figure


def cluster_means(x: np.ndarray, labels: np.ndarray, names: Sequence[str]) -> Figure:
    """Mean of every cluster's vectors (N, D): as colours in standard deviations from the mean of all points,
    and for few features as numbers in the data's own units. Empty clusters are left white.
    """
    means = np.full((len(names), x.shape[1]), np.nan)
    for k in np.unique(labels):
        means[k] = x[labels == k].mean(axis=0)
    spread = x.std(axis=0)
    shown = (means - x.mean(axis=0)) / np.where(spread > 0, spread, 1)
    written = x.shape[1] <= MEANS_WRITTEN
    digits = 1 - np.floor(np.log10(np.where(spread > 0, spread, 1))).astype(
        int
    )  # what the spread makes sense of
    with mpl.rc_context(STYLE):
        size = (1.8 + (0.42 * x.shape[1] if written else 6), 0.9 + 0.24 * len(names))
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots()
        picture = axes.imshow(shown, aspect="auto", cmap="RdBu_r", vmin=-2, vmax=2, interpolation="none")
        for (k, j), value in np.ndenumerate(means):
            if written and np.isfinite(value):
                color = "white" if abs(shown[k, j]) > 1.3 else "black"
                axes.text(
                    j,
                    k,
                    f"{np.round(value, digits[j]):.3g}",
                    ha="center",
                    va="center",
                    fontsize=6,
                    color=color,
                )
        axes.set(xlabel="feature", ylabel="cluster: points", title="mean of every cluster")
        axes.set_yticks(range(len(names)), names)
        if written:
            axes.set_xticks(range(x.shape[1]))
        figure.colorbar(picture, label="SD from the mean", extend="both")
    return figure


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
                axes.plot(k, y, linewidth=1, color=color, label=model)
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


def _as_array(images: Any) -> np.ndarray:
    """An array of images that may be a tensor on a GPU; torch itself is not imported for that."""
    return np.asarray(images.detach().cpu() if hasattr(images, "detach") else images)


def contact_sheet(title: str, x: np.ndarray, y: np.ndarray | None) -> Figure:
    """Images (N, C, H, W): the first of every class, one row per class. Vectors (N, D): the mean of every
    class.
    """
    classes = np.zeros(len(x), dtype=int) if y is None else y
    rows = [x[classes == k] for k in np.unique(classes)]
    if x.ndim == 2:
        means = np.stack([row.mean(axis=0) for row in rows])
        figure = Figure(figsize=(8, 0.3 * len(rows) + 1.2), layout="constrained")
        axes = figure.subplots()
        figure.colorbar(axes.imshow(means, aspect="auto", interpolation="none"))
        axes.set(title=f"{title}: mean of every class", xlabel="feature", ylabel="class")
        return figure
    c, h, w = x.shape[1:]
    sheet = np.zeros((len(rows), CONTACTS, c, h, w), dtype=x.dtype)
    for line, row in zip(sheet, rows, strict=True):
        line[: min(CONTACTS, len(row))] = row[:CONTACTS]
    image = sheet.transpose(0, 3, 1, 4, 2).reshape(len(rows) * h, CONTACTS * w, c)
    figure = Figure(figsize=(0.4 * CONTACTS, 0.4 * len(rows) * h / w))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.imshow(image.squeeze(-1) if c == 1 else image, cmap="gray", interpolation="none", aspect="auto")
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
            shortest = min(map(len, of_model))
            minutes, quality = np.array([rows[:shortest] for rows in of_model]).transpose(2, 0, 1)
            x, color = minutes.mean(axis=0) / 60, f"C{i % 10}"
            axes.plot(x, quality.mean(axis=0), "." if shortest == 1 else "-", color=color, label=name)
            axes.fill_between(
                x, quality.min(axis=0), quality.max(axis=0), alpha=0.15, color=color, linewidth=0
            )
        axes.set(xlabel=f"minutes of {clock} time", ylabel="ACC", xscale="log", ylim=(0, 1))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        figure.legend(frameon=False, loc="outside right upper")
    return figure


def critical_difference_diagram(ranks: Mapping[str, float], width: float, datasets: int) -> Figure:
    """Mean ranks on a line; a bar spans every group of models whose ranks differ by less than the critical
    difference (Demsar 2006).
    """
    order = sorted(ranks, key=lambda name: ranks[name])
    groups: list[tuple[int, int]] = []  # first and last of the order, none inside another
    for i, name in enumerate(order):
        last = max(j for j, other in enumerate(order) if ranks[other] - ranks[name] <= width)
        if last > (groups[-1][1] if groups else i):
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
