"""Pictures of several runs, for the report: from records and the files beside them. Imports no torch."""

import csv
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from scipy.optimize import linear_sum_assignment

from benchmark.results import Record
from benchmark.statistics import critical_difference

STYLE: Any = {"font.size": 8, "axes.spines.top": False, "axes.spines.right": False, "savefig.dpi": 120, "figure.dpi": 120}
METADATA: Any = {"png": {"Software": None}, "pdf": {"Creator": None, "Producer": None, "CreationDate": None}}
TSNE_SEED = 0


def save(figure: Figure, folder: Path, name: str) -> Path:
    """Write name.png and name.pdf, equal bytes for equal figures; returns the path of the first."""
    folder.mkdir(parents=True, exist_ok=True)
    for ending, metadata in METADATA.items():
        figure.savefig(folder / f"{name}.{ending}", metadata=metadata)
    return folder / f"{name}.png"


def curves(files: Sequence[Path]) -> Figure | None:
    """Losses over training, one panel per stage: mean over seeds, and the range from the lowest to the highest seed."""
    runs = [rows for path in files if path.is_file() and (rows := _rows(path))]
    if not runs:
        return None
    stages = list(dict.fromkeys(row["stage"] for row in runs[0]))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(max(3.2, 2.8 * len(stages)), 2.4), layout="constrained")
        for axes, stage in zip(figure.subplots(1, len(stages), squeeze=False)[0], stages, strict=True):
            parts = [[row for row in rows if row["stage"] == stage] for rows in runs]
            names = [name for name, value in parts[0][0].items() if name not in ("stage", "step") and value]
            shortest = min(map(len, parts))
            steps = [int(row["step"]) for row in parts[0][:shortest]]
            for name in names:
                values = np.array([[float(row[name] or "nan") for row in part[:shortest]] for part in parts])
                (line,) = axes.plot(steps, values.mean(axis=0), label=name, linewidth=1)
                axes.fill_between(steps, values.min(axis=0), values.max(axis=0), alpha=0.2, color=line.get_color(), linewidth=0)
            axes.set(title=stage, xlabel="step")
            axes.legend(frameon=False)
    return figure


def _rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def confusion(table: Sequence[Sequence[int]]) -> Figure:
    """Counts of points by class and cluster, clusters in the order of the classes that they are matched with."""
    counts = np.asarray(table)  # (K, classes)
    matched, classes = linear_sum_assignment(counts, maximize=True)
    order = [*matched[np.argsort(classes)], *sorted(set(range(len(counts))) - set(matched))]
    shares = counts[order].T / np.maximum(1, counts.sum(axis=0))[:, None]  # (classes, K)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(0.8 + 0.26 * shares.shape[1], 0.7 + 0.26 * shares.shape[0]), layout="constrained")
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
        for axes, (title, points) in zip(figure.subplots(1, len(views), squeeze=False)[0], views.items(), strict=True):
            axes.scatter(points[:, 0], points[:, 1], c=cluster % 20, cmap="tab20", vmin=0, vmax=19, s=3, linewidths=0)
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
            axes.plot(seconds.mean(), quality.mean(), "o", color=f"C{i % 10}", markersize=5, label=labels[name])
        axes.set(xlabel="seconds per run", ylabel="ACC")
        every = [seconds for runs in scores.values() for seconds, _ in runs]
        if min(every) > 0 and max(every) > 10 * min(every):
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter(NullFormatter())
        figure.legend(frameon=False, loc="outside lower left", ncols=columns)
    return figure


def critical_difference_diagram(ranks: Mapping[str, float], datasets: int) -> Figure:
    """Mean ranks on a line; models whose ranks differ by less than the critical difference are joined (Demsar 2006)."""
    width = critical_difference(len(ranks), datasets)
    order = sorted(ranks, key=lambda name: ranks[name])
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5, 1 + 0.25 * len(ranks)), layout="constrained")
        axes = figure.subplots()
        for i, name in enumerate(order):
            axes.plot(ranks[name], i, "o", color="C0", markersize=4)
            axes.annotate(f"{name} {ranks[name]:.2f}", (ranks[name], i), xytext=(6, 0), textcoords="offset points", va="center")
        reach = -1
        for i, name in enumerate(order):
            last = max(j for j, other in enumerate(order) if ranks[other] - ranks[name] <= width)
            if last > max(i, reach):
                axes.plot([ranks[name]] * 2, [i - 0.2, last + 0.2], color="C3", linewidth=2, alpha=0.6)
                reach = last
        axes.set(ylim=(len(order) - 0.5, -0.8), yticks=[], xlim=(0.8, len(order) + 0.9), xlabel="mean rank")
        axes.set_title(f"critical difference {width:.2f} ({datasets} data sets); lines join what is not separable")
        axes.spines["left"].set_visible(False)
    return figure


def run_costs(records: Sequence[Record], names: Mapping[str, str], score: Any) -> dict[str, list[tuple[float, float]]]:
    """{row name: [(seconds, ACC)]} of the runs that have both."""
    found: dict[str, list[tuple[float, float]]] = {}
    for record in records:
        value = score(record)
        if value is not None:
            found.setdefault(names[record["digest"]], []).append((sum(record["seconds"].values()), value))
    return found
