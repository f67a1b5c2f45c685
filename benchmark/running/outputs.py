"""Files that a run leaves beside its record: assignments, curves, embedding, and pictures as PNG and PDF."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark import plots
from benchmark.api import ClusteringModel, as_float, in_full_precision
from benchmark.data.own_file import Standardisation
from benchmark.running import clusters
from benchmark.seeding import start

EMBEDDED_POINTS = 1000
SAMPLES_PER_CLUSTER = 10
RECONSTRUCTIONS = 10
NAMELESS: Mapping[str, Sequence[str]] = {}


def write(
    folder: Path,
    model: ClusteringModel,
    x: Tensor,
    log_q: dict[str, np.ndarray],
    curves: list[dict[str, Any]],
    seed: int,
    names: Mapping[str, Sequence[str]] = NAMELESS,
    columns: Sequence[str] = (),
    standardisation: Standardisation | None = None,
) -> None:
    """Write all of it.

    Args:
        x: all stored training points, on the model's device.
        log_q: {split: (N, K)} of the model's first assignment rule, first of the training points; empty
            leaves out what shows the clusters.
        curves: rows of the Trainer.
        names: {split: (N,)} of the points, where they have names.
        columns, standardisation: of vectors, see `clusters.write`.
    """
    _assignments(folder / "assignments.csv", log_q, names)
    _curves(folder / "curves.csv", curves)
    if "embed" in model.abilities():
        _embedding(folder / "embedding.npz", model, x)
    if log_q:
        start(seed, "eval")
        split, first = next(iter(log_q.items()))
        clusters.write(folder, model, x, first, names.get(split, ()), columns, standardisation)
    shares = _shares(next(iter(log_q.values()))) if log_q else []
    _pictures(folder, model, x, shares, curves, seed)


def _assignments(path: Path, log_q: dict[str, np.ndarray], names: Mapping[str, Sequence[str]]) -> None:
    """Cluster of every point, in the order of the data, the model's probability for it, and its name."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["split", "index", "cluster", "probability", *(["name"] if names else [])])
        for split, values in log_q.items():
            labels, best = values.argmax(axis=1), np.exp(values.max(axis=1))
            named = [(name,) for name in names[split]] if split in names else [()] * len(values)
            writer.writerows(
                (split, i, c, f"{p:.6g}", *name)
                for i, (c, p, name) in enumerate(zip(labels, best, named, strict=True))
            )


def _curves(path: Path, curves: list[dict[str, Any]]) -> None:
    """Losses over training, one row per reading; stages have different losses, so some columns stay empty."""
    columns = list(dict.fromkeys(name for row in curves for name in row))
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(curves)


def _embedding(path: Path, model: ClusteringModel, x: Tensor) -> None:
    """Representation and cluster of some training points, for pictures."""
    chosen = x[torch.linspace(0, len(x) - 1, min(len(x), EMBEDDED_POINTS)).long()]
    labels = model.assign(chosen).argmax(dim=1)
    np.savez_compressed(
        path,
        z=in_full_precision(model.map_batches(model.embed, chosen)).flatten(1).cpu().numpy(),
        cluster=labels.cpu().numpy(),
    )


def _shares(log_q: np.ndarray) -> list[float]:
    """(K,) shares of the points in every cluster."""
    return (np.bincount(log_q.argmax(axis=1), minlength=log_q.shape[1]) / len(log_q)).tolist()


def _row_name(cluster: int, shares: list[float]) -> str:
    """ "3: 12.5 %"; just the cluster's number where the model assigns to other clusters than it samples."""
    return f"{cluster}: {100 * shares[cluster]:.1f} %" if cluster < len(shares) else f"{cluster}"


@torch.no_grad()
def _pictures(
    folder: Path,
    model: ClusteringModel,
    x: Tensor,
    shares: list[float],
    curves: list[dict[str, Any]],
    seed: int,
) -> None:
    """Curves; samples (one row per cluster, with its share of the points); reconstructions; the model's own
    pictures.
    """
    start(seed, "eval")
    if curves:
        plots.save(plots.curves([curves]), folder, "curves")
    if "sample" in model.abilities() and model.data.kind == "image":
        clusters = range(model.n_clusters)
        rows = [in_full_precision(model.sample(SAMPLES_PER_CLUSTER, cluster=i)) for i in clusters]
        plots.save(plots.image_sheet(rows, [_row_name(i, shares) for i in clusters]), folder, "samples")
    if "reconstruct" in model.abilities() and model.data.kind == "image":
        points = as_float(x[torch.linspace(0, len(x) - 1, 2 * RECONSTRUCTIONS).long()])
        pairs = [points, in_full_precision(model.reconstruct(points))]
        halves = [rows[i : i + RECONSTRUCTIONS] for i in (0, RECONSTRUCTIONS) for rows in pairs]
        plots.save(plots.image_sheet(halves, ["data", "model"] * 2), folder, "reconstructions")
    for name, figure in model.draw(x).items():
        plots.save(figure, folder, name)
