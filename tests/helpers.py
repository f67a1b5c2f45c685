"""Records for tests, made by hand."""

from benchmark.tables.table import Table


def record(
    model="vade",
    dataset="mnist",
    seed=0,
    accuracy=0.9,
    status="ok",
    budget="paper",
    protocol="neutral",
    config=None,
    overrides=None,
    splits=("test",),
    rules=("default",),
    **more,
):
    """A record with accuracy, and the other metrics at a fixed distance from it."""
    config = {"n_clusters": 10, **(config or {})}
    metrics = {
        "n": 100,
        "accuracy": accuracy,
        "purity": accuracy + 0.01,
        "exemplar_accuracy": accuracy - 0.01,
        "nmi": accuracy - 0.05,
        "nmi_geometric": accuracy - 0.04,
        "ari": accuracy - 0.1,
        "clusters_used": 10,
        "confusion": [[9, 1], [2, 8]],
    }
    good = {
        "metrics": {split: {rule: dict(metrics) for rule in rules} for split in splits},
        "diagnostics": {},
    }
    return {
        "status": status,
        "key": {"dataset": dataset, "model": model, "budget": budget, "protocol": protocol, "config": config},
        "digest": f"{model}-{dataset}-{budget}-{protocol}-{sorted(config.items())}",
        "seed": seed,
        "overrides": overrides or {},
        "seconds": {"train": 10.0 + seed},
        "provenance": {"device": "cpu", "commit": "0123456789", "packages": {"torch": "2.13.0"}},
        **(good if status == "ok" else {"error": "it broke"}),
        **more,
    }


def runs(model, dataset, accuracies, **more):
    """A record for every accuracy, seeds from 0."""
    return [record(model, dataset, seed, accuracy, **more) for seed, accuracy in enumerate(accuracies)]


def held_out(accuracies, **more):
    """ClusterGAN on MNIST as its paper evaluates it."""
    protocol = {
        "protocol": "held-out",
        "splits": ("train", "test", "validation"),
        "rules": ("kmeans", "kmeans_refit"),
    }
    return runs("clustergan", "mnist", accuracies, **{**protocol, **more})


def rows(table: Table, *columns: str) -> dict[tuple[str, ...], dict[str, str]]:
    """{(values of these columns): row} of a table as it is shown; the first of equal rows."""
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for row in table.text().to_dict("records"):
        found.setdefault(tuple(row[c] for c in columns), row)
    return found
