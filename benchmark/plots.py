"""Figures: numbers in, a matplotlib Figure out, in one style. Imports no torch."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
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
CONTACTS = 20  # images per class in a contact sheet
TSNE_SEED = 0


def save(figure: Figure, folder: Path, name: str) -> Path:
    """Write name.png and name.pdf; returns the path of the first."""
    folder.mkdir(parents=True, exist_ok=True)
    for ending, metadata in METADATA.items():
        figure.savefig(folder / f"{name}.{ending}", metadata=metadata)
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
        figure = Figure(figsize=(2.2 * columns, 1.9 * len(stages)), layout="constrained")
        for row_of_axes, stage in zip(
            figure.subplots(len(stages), columns, squeeze=False), stages, strict=True
        ):
            shortest = min(map(len, parts[stage]))
            steps = [int(row["step"]) for row in parts[stage][0][:shortest]]
            for axes, name in zip(row_of_axes, losses[stage], strict=False):
                values = np.array([[float(row[name]) for row in rows[:shortest]] for rows in parts[stage]])
                (line,) = axes.plot(steps, values.mean(axis=0), linewidth=1)
                if len(runs) > 1:
                    low, high = values.min(axis=0), values.max(axis=0)
                    axes.fill_between(steps, low, high, alpha=0.2, color=line.get_color(), linewidth=0)
                axes.set(title=f"{stage}: {name}", xlabel="step")
            for axes in row_of_axes[len(losses[stage]) :]:
                axes.set_axis_off()
    return figure


def image_sheet(rows: Sequence[Any], names: Sequence[str]) -> Figure:
    """Images in [0, 1], one row per array or tensor (n, C, H, W), each row with its name.

    One picture of all of them: an axes for each would take minutes for a hundred rows.
    """
    columns = max(len(row) for row in rows)
    _, height, width = rows[0].shape[1:]
    gap = -(-max(height, width) // 6)  # pixels between images
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


def confusion(table: Sequence[Sequence[int]]) -> Figure:
    """Counts of points by class and cluster, clusters in the order of the classes that they are matched
    with.
    """
    counts = np.asarray(table)  # (K, classes)
    matched, classes = linear_sum_assignment(counts, maximize=True)
    order = [*matched[np.argsort(classes)], *sorted(set(range(len(counts))) - set(matched))]
    shares = counts[order].T / np.maximum(1, counts.sum(axis=0))[:, None]  # (classes, K)
    with mpl.rc_context(STYLE):
        figure = Figure(
            figsize=(0.8 + 0.26 * shares.shape[1], 0.7 + 0.26 * shares.shape[0]), layout="constrained"
        )
        axes = figure.subplots()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for (i, j), share in np.ndenumerate(shares):
            if share >= 0.005:
                color = "white" if share > 0.5 else "black"
                axes.text(j, i, f"{100 * share:.0f}", ha="center", va="center", fontsize=6, color=color)
        axes.set(xlabel="cluster, after matching", ylabel="class (its points in %)")
        axes.set_xticks(range(len(order)), [str(k) for k in order])
        axes.set_yticks(range(len(shares)))
    return figure


def embedding(path: Path) -> Figure | None:
    """Representation of training points, coloured by cluster: two principal components, and t-SNE."""
    if not path.is_file():
        return None
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    with np.load(path) as file:
        z, cluster = file["z"], file["cluster"]
    if not np.isfinite(z).all() or len(z) < 50:
        return None
    views = {"the two dimensions": z}
    if z.shape[1] > 2:
        tsne = TSNE(init="pca", random_state=TSNE_SEED, max_iter=500)
        views = {"principal components": PCA(2).fit_transform(z), "t-SNE": tsne.fit_transform(z)}
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(2.6 * len(views), 2.6), layout="constrained")
        for axes, (title, points) in zip(
            figure.subplots(1, len(views), squeeze=False)[0], views.items(), strict=True
        ):
            axes.scatter(
                points[:, 0], points[:, 1], c=cluster % 20, cmap="tab20", vmin=0, vmax=19, s=3, linewidths=0
            )
            axes.set(title=title, xticks=[], yticks=[])
    return figure


def cost(scores: Mapping[str, Sequence[tuple[float, float]]]) -> Figure:
    """Quality against cost: (seconds, ACC) of every run, one colour per model, with the model's means."""
    with mpl.rc_context(STYLE):
        columns = max(1, min(len(scores), 70 // (max(map(len, scores)) + 6)))  # of the legend, below the axes
        labels = {name: "\n".join(textwrap.wrap(name, 70, subsequent_indent="   ")) for name in scores}
        lines = sum(1 + label.count("\n") for label in labels.values())
        figure = Figure(figsize=(4.6, 2.5 + 0.16 * lines / columns), layout="constrained")
        axes = figure.subplots()
        for i, (name, runs) in enumerate(scores.items()):
            seconds, quality = np.array(runs).T
            axes.scatter(seconds, quality, s=8, color=f"C{i % 10}", alpha=0.5, linewidths=0)
            axes.plot(
                seconds.mean(), quality.mean(), "o", color=f"C{i % 10}", markersize=5, label=labels[name]
            )
        axes.set(xlabel="seconds per run", ylabel="ACC")
        every = [seconds for runs in scores.values() for seconds, _ in runs]
        if min(every) > 0 and max(every) > 10 * min(every):
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter(NullFormatter())
        figure.legend(frameon=False, loc="outside lower left", ncols=columns)
    return figure


def critical_difference_diagram(ranks: Mapping[str, float], width: float, datasets: int) -> Figure:
    """Mean ranks on a line; models whose ranks differ by less than the critical difference are joined (Demsar
    2006).
    """
    order = sorted(ranks, key=lambda name: ranks[name])
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5, 1 + 0.25 * len(ranks)), layout="constrained")
        axes = figure.subplots()
        for i, name in enumerate(order):
            axes.plot(ranks[name], i, "o", color="C0", markersize=4)
            axes.annotate(
                f"{name} {ranks[name]:.2f}",
                (ranks[name], i),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
            )
        reach = -1
        for i, name in enumerate(order):
            last = max(j for j, other in enumerate(order) if ranks[other] - ranks[name] <= width)
            if last > max(i, reach):
                axes.plot([ranks[name]] * 2, [i - 0.2, last + 0.2], color="C3", linewidth=2, alpha=0.6)
                reach = last
        axes.set(ylim=(len(order) - 0.5, -0.8), yticks=[], xlim=(0.8, len(order) + 0.9), xlabel="mean rank")
        axes.set_title(
            f"critical difference {width:.2f} ({datasets} data sets); lines join what is not separable"
        )
        axes.spines["left"].set_visible(False)
    return figure
