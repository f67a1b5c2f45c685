"""What each cluster is: its size, its most and least typical points, and where it lies in the embedding."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from benchmark import plots
from benchmark.api import ClusteringModel, as_float, in_full_precision
from benchmark.data.own_file import Standardisation
from benchmark.evaluation.metrics import is_hard

MOST, LEAST, SAMPLES = 8, 4, 4  # images of a cluster in its row of the sheet
MAP_POINTS = 2000


@dataclass(frozen=True)
class Cluster:
    """One cluster of a trained model.

    Attributes:
        size, share: number of its points, and their share of all.
        probability: mean of q(y = k | x) over them; NaN where it is empty.
        order: indices of its points, the most certain first. Where the model is equally certain of several,
            the one nearer to the cluster's centre in the embedding comes first.
    """

    size: int
    share: float
    probability: float
    order: np.ndarray

    @property
    def name(self) -> str:
        return f"{self.size} ({100 * self.share:.1f} %)" if self.size else "empty"


def write(
    folder: Path,
    model: ClusteringModel,
    x: Tensor,
    log_q: np.ndarray,
    names: Sequence[str] = (),
    columns: Sequence[str] = (),
    standardisation: Standardisation | None = None,
) -> None:
    """Write clusters.csv, clusters.png and embedding.png, the last two also as PDF.

    Args:
        x: all stored training points, on the model's device.
        log_q: (N, K) of these points.
        names: (N,) of these points, where they have names.
        columns: (D,) of vectors, where these have names.
        standardisation: by which vectors were standardised.
    """
    clusters = describe(model, x, log_q)
    _table(folder / "clusters.csv", clusters, names)
    labels = [f"{k}: {cluster.name}" for k, cluster in enumerate(clusters)]
    if model.data.kind == "vector":
        units = standardisation.inverse if standardisation else np.asarray
        points = as_float(x).cpu().numpy()
        figure = plots.cluster_means(points, log_q.argmax(axis=1), labels, columns, units)
    else:
        figure = _sheet(model, x, log_q, clusters, labels)
    plots.save(figure, folder, "clusters")
    chosen = torch.linspace(0, len(x) - 1, min(len(x), MAP_POINTS)).long()
    z = embedded(model, x[chosen.to(x.device)])
    if np.isfinite(z).all():
        space = "embedding" if "embed" in model.abilities() else "data"
        plots.save(plots.cluster_map(z, log_q[chosen.numpy()].argmax(axis=1), space), folder, "embedding")


def embedded(model: ClusteringModel, x: Tensor) -> np.ndarray:
    """(N, J) the model's embedding of stored points, or the points themselves where it has none."""
    if "embed" in model.abilities():
        return in_full_precision(model.map_batches(model.embed, x)).flatten(1).cpu().numpy()
    return as_float(x).flatten(1).cpu().numpy()


def describe(model: ClusteringModel, x: Tensor, log_q: np.ndarray) -> list[Cluster]:
    """All K clusters, the empty ones too."""
    labels, best = log_q.argmax(axis=1), log_q.max(axis=1)
    found = []
    for k in range(log_q.shape[1]):
        members = np.flatnonzero(labels == k)
        share = len(members) / len(labels)
        probability = float(np.exp(best[members]).mean()) if len(members) else float("nan")
        found.append(Cluster(len(members), share, probability, _by_certainty(model, x, best, members)))
    return found


def _by_certainty(model: ClusteringModel, x: Tensor, best: np.ndarray, members: np.ndarray) -> np.ndarray:
    """`members` by falling log q, equals by their distance to the cluster's centre."""
    if not len(members):
        return members
    z = embedded(model, x[torch.from_numpy(members).to(x.device)])
    distance = np.linalg.norm(z - z.mean(axis=0), axis=1)
    return members[np.lexsort((distance, -best[members]))]


def _table(path: Path, clusters: list[Cluster], names: Sequence[str]) -> None:
    """Size, share, mean probability, and the most and least certain points, by index in the data and by name
    where they have one.
    """
    columns = ["cluster", "size", "share", "mean_probability", "most_certain", "least_certain"]
    if names:
        columns += ["most_certain_names", "least_certain_names"]
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for k, cluster in enumerate(clusters):
            ends = _most(cluster), _least(cluster)
            writer.writerow(
                [k, cluster.size, f"{cluster.share:.6g}"]
                + [f"{cluster.probability:.6g}" if cluster.size else ""]
                + [" ".join(map(str, indices)) for indices in ends]
                + ["; ".join(names[i] for i in indices) for indices in ends if names]
            )


def _most(cluster: Cluster) -> np.ndarray:
    return cluster.order[:MOST]


def _least(cluster: Cluster) -> np.ndarray:
    """The least certain first; none that is among the most certain."""
    return np.flip(cluster.order[MOST:])[:LEAST].copy()  # torch takes no negative stride


@torch.no_grad()
def _sheet(
    model: ClusteringModel, x: Tensor, log_q: np.ndarray, clusters: list[Cluster], labels: list[str]
) -> Figure:
    """Real images of every cluster, in a row with its label, beside samples of it."""

    def images(indices: np.ndarray) -> np.ndarray:
        return as_float(x[torch.from_numpy(indices).to(x.device)]).cpu().numpy()

    first, last = ("nearest", "farthest") if is_hard(log_q) else ("most certain", "least certain")
    blocks = {
        first: [images(_most(cluster)) for cluster in clusters],
        last: [images(_least(cluster)) for cluster in clusters],
    }
    # A model may assign to other clusters than it samples.
    if "sample" in model.abilities() and len(clusters) == model.n_clusters:
        samples = [in_full_precision(model.sample(SAMPLES, cluster=k)) for k in range(len(clusters))]
        blocks["samples"] = [part.cpu().numpy() for part in samples]
    return plots.cluster_sheet(blocks, labels)
