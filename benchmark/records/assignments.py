"""What the runs of one model say of each point: their assignments, how far those agree, and their consensus.
Imports no torch.
"""

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.errors import UserError
from benchmark.records.run import Record
from benchmark.records.select import score

FILE = "assignments.csv"  # a row for every point: split, index, cluster, probability, and name if it has one
RECORD = "consensus.json"  # beside the assignments of a consensus


def read_assignments(folder: Path) -> dict[str, np.ndarray]:
    """{split: (N,) clusters} of a run's folder; empty where the file is not there, as beside bare records.

    Raises:
        UserError: the file is not what a run writes.
    """
    if not (folder / FILE).is_file():
        return {}
    try:
        rows = pd.read_csv(folder / FILE, usecols=["split", "cluster"], dtype={"cluster": np.int64})
    except ValueError as error:
        raise UserError(
            f"{folder / FILE} can't be read as assignments: {error}; delete record.json beside it to run it"
            " again"
        ) from error
    return {str(split): part.to_numpy() for split, part in rows.groupby("split", sort=False)["cluster"]}


def pairwise_agreement(partitions: Sequence[np.ndarray]) -> np.ndarray:
    """(R, R) adjusted Rand indices of R partitions (N,) of the same points; 1 on the diagonal."""
    from sklearn.metrics import adjusted_rand_score  # on demand: most tables need it not

    found = np.eye(len(partitions))
    for i, j in itertools.combinations(range(len(partitions)), 2):
        found[i, j] = found[j, i] = adjusted_rand_score(partitions[i], partitions[j])
    return found


def with_others(agreement: np.ndarray) -> np.ndarray:
    """(R,) mean agreement of each with all others; NaN for a single one."""
    if len(agreement) < 2:
        return np.full(len(agreement), np.nan)
    return (agreement.sum(axis=1) - 1) / (len(agreement) - 1)


@dataclass(frozen=True)
class Seeds:
    """What the runs of each config, which differ in their seed, say together.

    Attributes:
        agreement: {(digest, seed, split): mean adjusted Rand index of the run with the other seeds}.
        consensus: {digest: {"seeds": [...], "metrics": {split: {metric: value}}}}, see `run --consensus`.
    """

    agreement: Mapping[tuple[str, int, str], float]
    consensus: Mapping[str, Record]


NO_SEEDS = Seeds({}, {})


def seeds_together(runs: Iterable[tuple[Path, Record]]) -> Seeds:
    """Of those runs that ended well and have their assignments beside their record; the agreement only where
    there are no labels, which say more.

    A consensus counts where it is of just these seeds, and was measured as they were: one that was made
    before another seed came, or before a metric changed, is old.
    """
    good = [(folder, record) for folder, record in runs if record["status"] == "ok"]
    partitions: dict[tuple[str, str], dict[int, np.ndarray]] = {}
    for folder, record in good:
        for split, labels in read_assignments(folder).items() if score(record) is None else ():
            partitions.setdefault((record["digest"], split), {})[record["seed"]] = labels
    agreement = {
        (digest, seed, split): float(value)
        for (digest, split), by_seed in partitions.items()
        for seed, value in zip(by_seed, with_others(pairwise_agreement([*by_seed.values()])), strict=True)
    }
    measured: dict[str, dict[int, int]] = {}  # {digest: {seed: version of the metrics}}
    for _, record in good:
        measured.setdefault(record["digest"], {})[record["seed"]] = record.get("metrics_version", 1)
    # several of one digest, where results were merged
    places = {consensus_folder(folder) / RECORD: record["digest"] for folder, record in good}
    consensus = {}
    for path, digest in places.items():
        if path.is_file():
            found = json.loads(path.read_text("utf-8"))
            if dict.fromkeys(found["seeds"], found.get("metrics_version", 1)) == measured[digest]:
                consensus[digest] = found
    return Seeds(agreement, consensus)


def consensus_folder(folder: Path) -> Path:
    """Where the consensus of a run and the model's other seeds lies, beside their folders."""
    return folder.parent / "consensus"
