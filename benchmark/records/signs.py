"""Signs of a collapsed run in words, from its record: it ended well, but its clustering is not one to use.
And the best of several runs. No torch.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean

from benchmark.records.run import Record
from benchmark.records.select import compared_metrics, compared_split, score

LARGEST_SHARE = 0.5  # of the points in one cluster; with fewer than four clusters, half more than its due
MANY = 0.2  # of the clusters are empty, or have samples that are assigned elsewhere


def signs_of_collapse(record: Record) -> list[str]:
    """What a reader of the run's numbers must know, e.g. "60 % of the points are in one of 10 clusters"."""
    found: list[str] = []
    metrics = compared_metrics(record)
    sizes = metrics.get("cluster_sizes")
    if sizes and len(sizes) > 1:
        k, share = len(sizes), max(sizes) / sum(sizes)
        if share >= max(LARGEST_SHARE, 1.5 / k):
            found.append(f"{100 * share:.0f} % of the points are in one of {k} clusters")
        empty = sum(size == 0 for size in sizes)
        if empty and empty >= MANY * k:
            found.append(f"{empty} of {k} clusters are empty")
    consistency = record.get("diagnostics", {}).get("consistency")
    if consistency:
        k = len(consistency)
        low = sum(value < 1 / k for value in consistency)
        if low and low >= MANY * k:
            found.append(f"samples of {low} of {k} clusters are assigned to others (consistency below 1 / K)")
    return found


def best(records: Sequence[Record], agreement: Mapping[tuple[str, int, str], float] = {}) -> Record | None:
    """The first seed of the model with the highest mean score (without labels: agreement of its seeds), among
    the runs that ended well, and have not collapsed if there are such; the first, where none has either.

    Args:
        agreement: see `Seeds`.
    """
    good = [record for record in records if record["status"] == "ok"]
    good = [record for record in good if not signs_of_collapse(record)] or good
    values: dict[str, list[float]] = {}
    for r in good:
        value = score(r)
        if value is None:
            value = agreement.get((r["digest"], r["seed"], str(compared_split(r))))
        if value is not None:
            values.setdefault(r["digest"], []).append(value)
    top = max(values, key=lambda digest: fmean(values[digest]), default=None)
    of_top = [record for record in good if top in (None, record["digest"])]
    return min(of_top, key=lambda record: record["seed"], default=None)
