"""One partition from all seeds of a model: each point goes where most of them put it."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from benchmark.errors import UserError
from benchmark.evaluation.metrics import METRICS_VERSION, Clustering, measure
from benchmark.files import whole_file, write_atomically
from benchmark.records.assignments import (
    FILE,
    RECORD,
    consensus_folder,
    pairwise_agreement,
    read_assignments,
    with_others,
)
from benchmark.records.load import load_run

ROUNDS = 100
ALIGNED_ON = 2000  # points for the choice of the first reference


def vote(partitions: Sequence[np.ndarray], n_clusters: int) -> np.ndarray:
    """(N, K) share of the partitions (N,) that put a point into a cluster, once their clusters are numbered
    alike.

    Aligned voting (Dudoit and Fridlyand 2003; cumulative voting of Ayad and Kamel 2008 with hard votes): the
    clusters of every partition are matched one to one with those of a reference by the Hungarian algorithm,
    and the majority is the next reference, until nothing changes. The first reference is the partition that
    agrees best with the others. Time and memory grow with N, unlike those of co-association, which is N x N.
    """
    few = [partition[:: -(-len(partition) // ALIGNED_ON)] for partition in partitions]
    reference = partitions[int(with_others(pairwise_agreement(few)).argmax())]
    points = np.arange(len(reference))
    for _ in range(ROUNDS):
        votes = np.zeros((len(reference), n_clusters))
        for partition in partitions:
            votes[points, _aligned(partition, reference, n_clusters)] += 1
        if (votes.argmax(axis=1) == reference).all():
            break
        reference = votes.argmax(axis=1)
    return votes / len(partitions)


def _aligned(partition: np.ndarray, reference: np.ndarray, n_clusters: int) -> np.ndarray:
    """The partition with the numbers of those clusters of the reference that its own share most points
    with.
    """
    _, numbers = linear_sum_assignment(_overlap(partition, reference, n_clusters), maximize=True)
    return numbers[partition]


def _overlap(a: np.ndarray, b: np.ndarray, n_clusters: int) -> np.ndarray:
    """(K, K) counts of points by their clusters in two partitions."""
    return np.bincount(a * n_clusters + b, minlength=n_clusters**2).reshape(n_clusters, n_clusters)


def write_consensus(folders: Sequence[Path], plugins: Sequence[str] = (), data: Sequence[Path] = ()) -> Path:
    """Write the consensus of a model's runs beside their folders; returns the path of its assignments.

    Their `probability` is the share of the seeds that agree on it. Beside them consensus.json has the metrics
    of this partition, with the votes as probabilities.

    Args:
        folders: of one model's runs that ended well, `.../seed-<n>`.
        plugins, data: see `load_run`.

    Raises:
        UserError: there is one seed only, or its data are no longer as they were.
    """
    if len(folders) < 2:
        raise UserError(f"a consensus needs two seeds at least; {folders[0].parent} has one that ended well")
    run = load_run(folders[0], plugins, data)
    divided = run.data.divided
    found = [read_assignments(folder) for folder in folders]
    if missing := [str(folder) for folder, labels in zip(folders, found, strict=True) if not labels]:
        raise UserError(
            f"there is no {FILE} in {' and '.join(missing)}; delete record.json there to run it again"
        )
    metrics, rows = {}, []
    for split in divided.splits:
        partitions = [labels[split] for labels in found]
        k = max(run.run.key["config"]["n_clusters"], *(int(labels.max()) + 1 for labels in partitions))
        votes = vote(partitions, k)
        with np.errstate(divide="ignore"):
            clustering = Clustering(np.log(votes), divided.x(split), divided.y(split), 0)
        metrics[split] = measure(clustering)
        names = divided.names(split)
        rows += [
            (split, i, c, f"{p:.4g}", *([names[i]] if names else []))
            for i, (c, p) in enumerate(zip(clustering.c, votes.max(axis=1), strict=True))
        ]
    target = consensus_folder(folders[0])
    target.mkdir(exist_ok=True)
    with whole_file(target / FILE) as file:
        writer = csv.writer(file)
        writer.writerow(["split", "index", "cluster", "probability", "name"][: len(rows[0])])
        writer.writerows(rows)
    seeds = [int(folder.name.removeprefix("seed-")) for folder in folders]
    entry = {"seeds": seeds, "metrics": metrics, "metrics_version": METRICS_VERSION}
    write_atomically(target / RECORD, json.dumps(entry, indent=1))
    return target / FILE
