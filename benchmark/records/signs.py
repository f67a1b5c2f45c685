"""Signs of a collapsed run in words, from its record: it ended well, but its clustering is not one to use. No
torch.
"""

from benchmark.records.run import Record
from benchmark.records.select import compared_metrics

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
