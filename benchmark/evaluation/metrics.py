"""Clustering metrics: one table that says what each is called and shown as, and one function for each. No
torch.

What papers call "accuracy" is one of three numbers here, each under its own name:
    accuracy           one-to-one (Hungarian) matching of clusters and classes; VaDE, DEC and most others
    purity             every cluster counts as its majority class, many-to-one; MPCC's and ClusterGAN's code
    exemplar_accuracy  every cluster counts as the class of its most confident point; GMVAE, adversarial
                       autoencoders
For the same clustering accuracy <= purity and exemplar accuracy <= purity; more clusters than classes raise
the last two but not the first.

A further metric is a function of a `Clustering` and an entry in METRICS: records, tables and the report
follow, and `python -m benchmark evaluate RESULTS` adds it to the runs that are there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

# Stands in every record: raise it when a definition here changes; `evaluate` measures again.
METRICS_VERSION = 1
SILHOUETTE_POINTS = 2000


@dataclass(frozen=True)
class Clustering:
    """A clustering of points: all that a metric may look at.

    Attributes:
        log_q: (N, K) log q(y = k | x).
        x: (N, *shape) points as they are stored.
        y: (N,) true labels, integers or strings; None where they are absent. Where only some points have one,
            `measure` gives those alone to the metrics that need labels.
        seed: of whatever a metric draws.
    """

    log_q: np.ndarray
    x: np.ndarray
    y: np.ndarray | None
    seed: int = 0

    @cached_property
    def c(self) -> np.ndarray:
        """(N,) clusters."""
        return self.log_q.argmax(axis=1)

    @cached_property
    def sizes(self) -> np.ndarray:
        """(K,) numbers of points."""
        return np.bincount(self.c, minlength=self.log_q.shape[1])

    @cached_property
    def table(self) -> np.ndarray:
        """(K, classes) counts of points by cluster and class."""
        assert self.y is not None
        return contingency(self.y, self.c, self.log_q.shape[1])


def contingency(y: np.ndarray, c: np.ndarray, n_clusters: int) -> np.ndarray:
    """(K, classes) counts of points by cluster and class; classes in sorted order of their labels."""
    _, classes = np.unique(y, return_inverse=True)
    table = np.zeros((n_clusters, classes.max() + 1), dtype=np.int64)
    np.add.at(table, (c, classes), 1)
    return table


def accuracy(table: np.ndarray) -> float:
    """Hungarian accuracy: the largest fraction of points that a one-to-one map of clusters to classes gets
    right.

    With K different from the number of classes the matching is rectangular: surplus clusters (or classes)
    stay unmatched and all their points count as wrong.
    """
    from scipy.optimize import linear_sum_assignment  # on demand, like sklearn below: tables need neither

    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(table[rows, columns].sum() / table.sum())


def purity(table: np.ndarray) -> float:
    """Fraction of points that belong to their cluster's majority class."""
    return float(table.max(axis=1).sum() / table.sum())


def is_hard(log_q: np.ndarray) -> bool:
    """Whether every row is one-hot: then the model says nothing of how certain it is."""
    return bool(np.isneginf(log_q).sum() == log_q.shape[0] * (log_q.shape[1] - 1))


def exemplar_accuracy(y: np.ndarray, log_q: np.ndarray) -> float | None:
    """Accuracy when each cluster is labelled by one point: the one with the largest q(k | x) (the first of
    equals).

    Makhzani et al. 2015 (adversarial autoencoders), section 5; used by GMVAE. None where every row is one-hot
    (a hard method): then there is no most confident point.
    """
    if is_hard(log_q):
        return None
    labels_of_clusters = y[log_q.argmax(axis=0)]  # (K,)
    return float((labels_of_clusters[log_q.argmax(axis=1)] == y).mean())


def nmi(y: np.ndarray, c: np.ndarray, average: str) -> float:
    """Mutual information of classes and clusters over the arithmetic or geometric mean of their entropies."""
    from sklearn.metrics import normalized_mutual_info_score

    return float(normalized_mutual_info_score(y, c, average_method=average))


def ari(y: np.ndarray, c: np.ndarray) -> float:
    """Rand index adjusted for chance (Hubert and Arabie 1985)."""
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(y, c))


def silhouette(clustering: Clustering) -> float | None:
    """Mean silhouette coefficient in the space of the data, on a random subset; None with one cluster
    only.
    """
    from sklearn.metrics import silhouette_score

    x, c = clustering.x, clustering.c
    chosen = np.random.default_rng(clustering.seed).permutation(len(x))[:SILHOUETTE_POINTS]
    points, labels = x[chosen].reshape(len(chosen), -1).astype(np.float32), c[chosen]
    several = 1 < len(np.unique(labels)) < len(chosen)
    return float(silhouette_score(points, labels)) if several else None


def mutual_information(log_q: np.ndarray) -> float:
    """I(x; y) = H(mean of q) - mean of H(q) in nats: what the cluster says of a point.

    0 where all points are assigned alike, log K where every point is certain and clusters are of one size. Of
    a hard method it is the entropy of the clusters' sizes.
    """
    from scipy.special import entr

    q = np.exp(log_q.astype(np.float64))
    return float(entr(q.mean(axis=0)).sum() - entr(q).sum(axis=1).mean())


@dataclass(frozen=True)
class Metric:
    """How a metric is computed and shown.

    Attributes:
        title: heading of its column.
        compute: from a clustering to a number, a list for the record only, or None where it has no value.
        needs_labels: it is computed where labels are there.
        column: in tables: of data with labels, without ("unlabelled"), or never (None): for the record.
        digits: after the point.
        higher_is_better: None where it is neither.
    """

    title: str
    compute: Callable[[Clustering], Any]
    needs_labels: bool = True
    column: str | None = "labelled"
    digits: int = 3
    higher_is_better: bool | None = True


METRICS: dict[str, Metric] = {
    "n": Metric("n", lambda m: len(m.x), needs_labels=False, column=None, digits=0, higher_is_better=None),
    "cluster_sizes": Metric(
        "sizes of the clusters",
        lambda m: m.sizes.tolist(),
        needs_labels=False,
        column=None,
        higher_is_better=None,
    ),
    "clusters_used": Metric(
        "clusters", lambda m: int((m.sizes > 0).sum()), needs_labels=False, column="unlabelled", digits=1
    ),
    "largest_share": Metric(
        "largest share",
        lambda m: float(m.sizes.max() / m.sizes.sum()),
        needs_labels=False,
        column=None,
        higher_is_better=False,
    ),
    "mutual_information": Metric(
        "I(x; y)", lambda m: mutual_information(m.log_q), needs_labels=False, column="unlabelled"
    ),
    "silhouette": Metric("silhouette", silhouette, needs_labels=False, column="unlabelled"),
    "labelled": Metric("labelled points", lambda m: len(m.x), column=None, digits=0, higher_is_better=None),
    "accuracy": Metric("ACC", lambda m: accuracy(m.table)),
    "purity": Metric("purity", lambda m: purity(m.table)),
    "exemplar_accuracy": Metric("exemplar", lambda m: exemplar_accuracy(m.y, m.log_q)),  # type: ignore[arg-type]
    "nmi": Metric("NMI", lambda m: nmi(m.y, m.c, "arithmetic")),  # type: ignore[arg-type]
    "nmi_geometric": Metric("NMI (geometric)", lambda m: nmi(m.y, m.c, "geometric"), column=None),  # type: ignore[arg-type]
    "ari": Metric("ARI", lambda m: ari(m.y, m.c)),  # type: ignore[arg-type]
    "confusion": Metric("confusion", lambda m: m.table.tolist(), column=None, higher_is_better=None),
}


def measure(clustering: Clustering) -> dict[str, Any]:
    """{name: value} of every metric that these data allow; those that need labels, of the labelled points."""
    scored = _labelled(clustering)
    return {
        name: metric.compute(clustering if not metric.needs_labels or scored is None else scored)
        for name, metric in METRICS.items()
        if scored is not None or not metric.needs_labels
    }


def _labelled(clustering: Clustering) -> Clustering | None:
    """The points that have a label; None where no point has one."""
    from benchmark.data.labels import labelled  # on demand: its package imports torch

    if clustering.y is None:
        return None
    known = labelled(clustering.y)
    if known.all():
        return clustering
    if not known.any():
        return None
    return Clustering(clustering.log_q[known], clustering.x[known], clustering.y[known], clustering.seed)
