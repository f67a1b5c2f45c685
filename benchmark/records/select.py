"""Which records count, what their rows are called, and what their models are compared by. Imports no
torch.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from benchmark.records.run import Record

COMPARED = ("test", "all", "train")  # the first that a record has is compared


def groups(records: Iterable[Record]) -> dict[tuple[str, str, str], list[Record]]:
    """Records by (data set, protocol, budget), what a table is made of; sorted."""
    found: dict[tuple[str, str, str], list[Record]] = {}
    for record in records:
        key = record["key"]
        found.setdefault((key["dataset"], key["protocol"], key["budget"]), []).append(record)
    return dict(sorted(found.items()))


def title_of(dataset: str, records: Iterable[Record]) -> str:
    """How the data set of the records is called; its name, where no record says."""
    return next((str(r["data"]["title"]) for r in records if "data" in r), dataset)


def is_own(record: Record) -> bool:
    """Whether the run was on data of the user's own, which are asked for by a path, not by the set's name."""
    name = record["key"]["dataset"]
    return bool(record.get("asked", {}).get("dataset", name) != name)


def rules_on(record: Record, split: str) -> dict[str, dict[str, Any]]:
    """{assignment rule: metrics} on a split, the neutral protocol's rule first; of a data set without one, on
    "all".
    """
    metrics: dict[str, Any] = record.get("metrics", {})
    return metrics.get(split) or metrics.get("all") or {}


def compared_split(record: Record) -> str | None:
    """The split that models are compared on: the test split where there is one."""
    return next((split for split in COMPARED if split in record.get("metrics", {})), None)


def compared_metrics(record: Record) -> dict[str, Any]:
    """Metrics of the first assignment rule on the compared split; empty for a run that did not end well."""
    split = compared_split(record)
    return (
        next(iter(record["metrics"][split].values()))
        if split is not None and record["status"] == "ok"
        else {}
    )


def score(record: Record) -> float | None:
    """Score by which models are compared: the accuracy among `compared_metrics`."""
    value = compared_metrics(record).get("accuracy")
    return None if value is None else float(value)


def newest_per_config(records: Iterable[Record]) -> tuple[list[Record], int]:
    """The records that count, and how many were left out: those of older code, data or presets for the same
    request.

    A request is a model, a number of clusters, the settings made by hand, and what the run was made on.
    """
    records = list(records)
    newest: dict[tuple[str, ...], Record] = {}
    for record in records:
        request = _request(record)
        if request not in newest or record.get("started", "") > newest[request].get("started", ""):
            newest[request] = record
    digests = {record["digest"] for record in newest.values()}
    kept = [record for record in records if record["digest"] in digests]
    return kept, len(records) - len(kept)


def most_seeds(records: Iterable[Record]) -> list[Record]:
    """Of equal settings on several devices, or with several numbers of threads, the runs with those that the
    most seeds ended well with: the same seed twice is no second sample.

    Args:
        records: of one model on one data set, that differ in nothing else.
    """
    by_digest: dict[str, list[Record]] = {}
    for record in records:
        by_digest.setdefault(record["digest"], []).append(record)
    return max(by_digest.values(), key=lambda runs: sum(r["status"] == "ok" for r in runs), default=[])


def _request(record: Record) -> tuple[str, ...]:
    key = record["key"]
    settings = record.get("overrides", key["config"])
    return tuple(
        map(str, (key["model"], key["config"]["n_clusters"], settings, key.get("device"), key.get("threads")))
    )


def row_names(records: Iterable[Record]) -> dict[str, str]:
    """{digest: name of its row}, no two alike: `names_by_settings`, with the digest where code alone
    differs.
    """
    names = names_by_settings(records)
    shared = {name for name, n in Counter(names.values()).items() if n > 1}
    return {digest: f"{name} [{digest[:6]}]" if name in shared else name for digest, name in names.items()}


def names_by_settings(records: Iterable[Record]) -> dict[str, str]:
    """{digest: the model, with what of its settings, device and threads tells several configs apart}."""
    settings: dict[str, dict[str, dict[str, Any]]] = {}
    for record in records:
        key = record["key"]
        made_on = {"device": key.get("device"), "threads": key.get("threads")}
        settings.setdefault(key["model"], {})[record["digest"]] = {**key["config"], **made_on}
    names = {}
    for model, by_digest in settings.items():
        fields = sorted({name for values in by_digest.values() for name in values})
        telling = [f for f in fields if len({str(values.get(f)) for values in by_digest.values()}) > 1]
        for digest, values in by_digest.items():
            suffix = ", ".join(f"{f}={values.get(f)}" for f in telling)
            names[digest] = f"{model} ({suffix})" if suffix else model
    return names


def clocks(records: Iterable[Record]) -> dict[str, str]:
    """{digest: the field with the seconds that count}: those of the processor where all its runs have them,
    else the wall's, which a busy machine lengthens; one mean is never of both.

    On a GPU the wall's count: there the processor waits.
    """
    found: dict[str, str] = {}
    for record in records:
        if record["status"] == "ok":
            timed = "cpu_seconds" in record and record["key"].get("device") != "cuda"
            if not timed or record["digest"] not in found:
                found[record["digest"]] = "cpu_seconds" if timed else "seconds"
    return found


def as_typed(value: Any) -> str:
    """A hyper-parameter as one types it."""
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
