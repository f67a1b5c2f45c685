"""Which records count, what their rows are called, and what their models are compared by. Imports no torch."""

from collections.abc import Iterable
from typing import Any

from benchmark.records.run import Record

SPLITS = ("test", "all", "train")  # the first that a record has is compared


def score(record: Record) -> float | None:
    """What models are compared by: accuracy of the first assignment rule, on the test split where there is one."""
    metrics = record.get("metrics", {})
    split = next((s for s in SPLITS if s in metrics), None)
    if record["status"] != "ok" or split is None:
        return None
    value = next(iter(metrics[split].values())).get("accuracy")
    return None if value is None else float(value)


def current(records: Iterable[Record]) -> tuple[list[Record], int]:
    """The records that count, and how many were left out: those of older code, data or presets for the same request.

    A request is a model, a number of clusters, and the settings made by hand.
    """
    records = list(records)
    newest: dict[tuple[str, str, str], Record] = {}
    for record in records:
        config = record["key"]["config"]
        name = (record["key"]["model"], str(config["n_clusters"]), str(record.get("overrides", config)))
        if name not in newest or record.get("started", "") > newest[name].get("started", ""):
            newest[name] = record
    digests = {record["digest"] for record in newest.values()}
    current = [record for record in records if record["digest"] in digests]
    return current, len(records) - len(current)


def row_names(records: list[Record]) -> dict[str, str]:
    """{digest: name of its row}: the model, with the hyper-parameters that tell several configs of it apart."""
    configs: dict[str, dict[str, dict[str, Any]]] = {}
    for record in records:
        configs.setdefault(record["key"]["model"], {})[record["digest"]] = record["key"]["config"]
    names = {}
    for model, by_digest in configs.items():
        fields = sorted({name for config in by_digest.values() for name in config})
        telling = [f for f in fields if len({str(c.get(f)) for c in by_digest.values()}) > 1]
        for digest, config in by_digest.items():
            suffix = ", ".join(f"{f}={config.get(f)}" for f in telling)
            names[digest] = f"{model} ({suffix})" if suffix else model
    return names
