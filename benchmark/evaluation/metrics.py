"""Clustering metrics. They know only arrays: true labels y (N,) and clusters c (N,), or log-assignments (N, K).

What papers call "accuracy" is one of three numbers here, each under its own name:
    accuracy           one-to-one (Hungarian) matching of clusters and classes; VaDE, DEC and most others
    purity             every cluster counts as its majority class, many-to-one; MPCC's and ClusterGAN's code
    exemplar_accuracy  every cluster counts as the class of its most confident point; GMVAE, adversarial autoencoders
For the same clustering accuracy <= purity and exemplar accuracy <= purity; more clusters than classes raise the last
two but not the first.
"""

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

METRICS_VERSION = 1  # part of every record's key: raise it when a definition here changes


def contingency(y: np.ndarray, c: np.ndarray, n_clusters: int) -> np.ndarray:
    """(K, classes) counts of points by cluster and class; classes in sorted order of their labels."""
    _, classes = np.unique(y, return_inverse=True)
    table = np.zeros((n_clusters, classes.max() + 1), dtype=np.int64)
    np.add.at(table, (c, classes), 1)
    return table


def accuracy(table: np.ndarray) -> float:
    """Hungarian accuracy: the largest fraction of points that a one-to-one map of clusters to classes gets right.

    With K different from the number of classes the matching is rectangular: surplus clusters (or classes) stay
    unmatched and all their points count as wrong.
    """
    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(table[rows, columns].sum() / table.sum())


def purity(table: np.ndarray) -> float:
    """Fraction of points that belong to their cluster's majority class."""
    return float(table.max(axis=1).sum() / table.sum())


def exemplar_accuracy(y: np.ndarray, log_q: np.ndarray) -> float:
    """Accuracy when each cluster is labelled by one point: the one with the largest q(k | x) (the first of equals).

    Makhzani et al. 2015 (adversarial autoencoders), section 5; used by GMVAE.
    """
    labels_of_clusters = y[log_q.argmax(axis=0)]  # (K,)
    return float((labels_of_clusters[log_q.argmax(axis=1)] == y).mean())


def clustering_metrics(y: np.ndarray, log_q: np.ndarray) -> dict[str, object]:
    """All metrics that need labels.

    Args:
        y: (N,) true labels, integers or strings.
        log_q: (N, K) log q(y = k | x). Where every row is one-hot (a hard method) there is no most confident point,
            and exemplar_accuracy is None.
    """
    c = log_q.argmax(axis=1)
    table = contingency(y, c, log_q.shape[1])
    hard = np.isneginf(log_q).sum() == log_q.shape[0] * (log_q.shape[1] - 1)
    return {
        "accuracy": accuracy(table),
        "purity": purity(table),
        "exemplar_accuracy": None if hard else exemplar_accuracy(y, log_q),
        "nmi": float(normalized_mutual_info_score(y, c, average_method="arithmetic")),
        "nmi_geometric": float(normalized_mutual_info_score(y, c, average_method="geometric")),
        "ari": float(adjusted_rand_score(y, c)),
        "confusion": table.tolist(),
    }
