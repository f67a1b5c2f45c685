"""What measures without labels say of every run whose accuracy is known: the data of docs/label-free.md."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.evaluation.consensus import write_consensus
from benchmark.records.assignments import (
    pairwise_agreement,
    read_assignments,
    seeds_together,
    with_others,
)
from benchmark.records.run import Record
from benchmark.records.select import compared_metrics, compared_split, groups, newest_per_config, row_names

Runs = Sequence[tuple[Path, Record]]


def measure_runs(
    runs: Iterable[tuple[Path, Record]], plugins: Sequence[str] = (), data: Sequence[Path] = ()
) -> pd.DataFrame:
    """A row for every run that ended well, of data with labels, with its assignments beside its record.

    Columns: dataset, protocol, budget, model, seed, digest, accuracy, consensus (the accuracy of the one
    partition of all seeds; it is written where it was missing), and without labels, higher being better:
        mutual_information  I(x; y), see `metrics`
        bound               on log p(x) per point, of the points that were fitted, where the record has one
        agreement           mean adjusted Rand index with the model's other seeds
        own_space           silhouette in the run's own embedding
        all_spaces          mean of its silhouettes in the embeddings of all seeds, as in ACE (Wang and Ye,
                            arXiv 2403.14830) without its choice and weights of spaces
        common_space        silhouette in the space of the data
        other_models        mean adjusted Rand index with the runs of each other model, mean over these
    """
    runs = [run for run in runs if "accuracy" in compared_metrics(run[1]) and read_assignments(run[0])]
    rows = []
    for (dataset, protocol, budget), records in groups(record for _, record in runs).items():
        kept, _ = newest_per_config(records)
        digests, names = {record["digest"] for record in kept}, row_names(kept)
        by_model: dict[str, Runs] = {}
        for folder, record in runs:
            if record["digest"] in digests:
                model = names[record["digest"]]
                by_model[model] = [*by_model.get(model, ()), (folder, record)]
        labels = {model: [_labels(*run) for run in group] for model, group in by_model.items()}
        for model, group in by_model.items():
            others = [found for other, found in labels.items() if other != model]
            rows += [
                {"dataset": dataset, "protocol": protocol, "budget": budget, "model": model, **row}
                for row in _of_model(group, labels[model], others, plugins, data)
            ]
    return pd.DataFrame(rows)


def _labels(folder: Path, record: Record) -> np.ndarray:
    return read_assignments(folder)[str(compared_split(record))]


def _of_model(
    runs: Runs,
    labels: Sequence[np.ndarray],
    others: Sequence[Sequence[np.ndarray]],
    plugins: Sequence[str],
    data: Sequence[Path],
) -> Iterable[Mapping[str, object]]:
    agreement = with_others(pairwise_agreement(labels))
    own, everywhere = _silhouettes([folder for folder, _ in runs])
    consensus = _consensus(runs, plugins, data)
    for i, (_, record) in enumerate(runs):
        metrics = compared_metrics(record)
        means = [np.mean([pairwise_agreement([labels[i], c])[0, 1] for c in found]) for found in others]
        yield {
            "seed": record["seed"],
            "digest": record["digest"],
            "accuracy": metrics["accuracy"],
            "consensus": consensus,
            "mutual_information": metrics.get("mutual_information"),
            "bound": _bound(record),
            "agreement": agreement[i],
            "own_space": own[i],
            "all_spaces": everywhere[i],
            "common_space": metrics.get("silhouette"),
            "other_models": np.mean(means) if means else math.nan,
        }


def _bound(record: Record) -> float:
    """Evidence lower bound: measured after training, or else that of the last steps."""
    for where in ("diagnostics", "last_losses"):
        if "nelbo" in (record.get(where) or {}):
            return -float(record[where]["nelbo"])
    return math.nan


def _silhouettes(folders: Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
    """(R,) silhouettes of every run in its own embedding, and their mean over the embeddings of all runs.

    Of the points that runs embed for their pictures, which are the same for all seeds.
    """
    from sklearn.metrics import pairwise_distances, silhouette_score

    none = np.full(len(folders), math.nan)
    if not all((folder / "embedding.npz").is_file() for folder in folders):
        return none, none
    files = [np.load(folder / "embedding.npz") for folder in folders]
    found = np.full((len(files), len(files)), math.nan)  # [space, run]
    for i, space in enumerate(files):
        distances = pairwise_distances(space["z"].astype(np.float64))
        for j, run in enumerate(files):
            if 1 < len(np.unique(run["cluster"])) < len(distances):
                found[i, j] = silhouette_score(distances, run["cluster"], metric="precomputed")
    return found.diagonal().copy(), found.mean(axis=0)


def _consensus(runs: Runs, plugins: Sequence[str], data: Sequence[Path]) -> float:
    """Accuracy of the consensus of these runs."""
    if len(runs) < 2:
        return math.nan
    digest, split = runs[0][1]["digest"], str(compared_split(runs[0][1]))
    if digest not in seeds_together(runs).consensus:
        write_consensus([folder for folder, _ in runs], plugins, data)
    return float(seeds_together(runs).consensus[digest]["metrics"][split]["accuracy"])
