"""What our runs measured for one published number: runs of its model, data set, settings and protocol."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmark.papers.published import Number
from benchmark.protocols import PROTOCOLS
from benchmark.records.run import Record
from benchmark.records.select import most_seeds, newest_per_config, rules_on


@dataclass
class Measured:
    """Our runs for one published number.

    Attributes:
        values: {seed: value} of those that ended well.
        seeds: how many ended at all.
        failures: "seed 3: diverged, ..." of the others.
        older: records of older code or data, left out.
        chosen_by: {seed: value} by which a best run is chosen: validation purity where the protocol has a
        validation split.
    """

    values: dict[int, float] = field(default_factory=dict)
    seeds: int = 0
    failures: list[str] = field(default_factory=list)
    older: int = 0
    chosen_by: dict[int, float] = field(default_factory=dict)


def measured(
    records: Iterable[Record],
    model: str,
    dataset: str,
    protocol: str,
    config: Mapping[str, Any],
    budget: str | None,
    split: str,
    rule: str,
    metric: str,
) -> Measured:
    """By our runs of a model with these hyper-parameters and otherwise the presets, under a protocol and
    budget.
    """
    records = list(records)
    undivided = undivided_datasets(records)
    wanted = [
        r
        for r in records
        if r["key"]["budget"] == budget and matches(r, model, dataset, protocol, config, undivided)
    ]
    counted, older = newest_per_config(wanted)
    newest = most_seeds(counted)
    found = Measured(seeds=len({r["seed"] for r in newest}), older=older)
    for record in sorted(newest, key=lambda r: r["seed"]):
        if record["status"] != "ok":
            found.failures.append(f"seed {record['seed']}: {record['status']}, {record.get('error', '')}")
        elif (value := value_of(record, split, rule, metric)) is not None:
            found.values[record["seed"]] = value
            chosen_by = (
                value_of(record, "validation", rule, "purity") if "validation" in record["metrics"] else value
            )
            found.chosen_by[record["seed"]] = value if chosen_by is None else chosen_by
    return found


def neighbouring(
    records: Iterable[Record], number: Number, model: str, budget: str | None
) -> tuple[Measured, str]:
    """By our runs of the same experiment under another protocol than the paper's, the neutral one first; and
    in words what differs. Empty where there are none.
    """
    for protocol in PROTOCOLS:
        split = "all" if protocol == "pooled" else number.split if number.split == "train" else "test"
        if protocol != number.paper.protocol:
            asked = (protocol, number.set, budget, split, number.rule, number.metric)
            if (found := measured(records, model, number.dataset, *asked)).values:
                of = "on all points" if split == "all" else f"on the {split} split"
                return (
                    found,
                    f"our runs are of the {protocol} protocol ({PROTOCOLS[protocol]}), measured {of}",
                )
    return Measured(), ""


def made_for(record: Record, number: Number) -> bool:
    """Whether a record is of the experiment that the number is published for, or of a neighbouring
    protocol.
    """
    protocol = record["key"]["protocol"]
    return number.model is not None and matches(
        record, number.model, number.dataset, protocol, number.set, frozenset()
    )


def matches(
    record: Record,
    model: str,
    dataset: str,
    protocol: str,
    config: Mapping[str, Any],
    undivided: frozenset[str],
) -> bool:
    key = record["key"]
    return (
        key["model"] == model
        and key["dataset"] == dataset
        and key["protocol"] in (protocol, *(["neutral"] if dataset in undivided else []))
        and all(key["config"].get(name) == value for name, value in config.items())
        and set(record.get("overrides", {})) <= set(config)
    )


def undivided_datasets(records: Iterable[Record]) -> frozenset[str]:
    """Data sets without a test split, on which every protocol is the neutral one."""
    neutral = [r for r in records if r["key"]["protocol"] == "neutral"]
    return frozenset(r["key"]["dataset"] for r in neutral if set(r.get("metrics", {})) == {"all"})


def value_of(record: Record, split: str, rule: str, metric: str) -> float | None:
    """A record's value of a metric; None where it has none. "default" is the model's first rule."""
    if metric == "fid":
        value = record.get("fid", {}).get("inception", {}).get("value")
    elif metric in record.get("diagnostics", {}):
        value = record["diagnostics"][metric]
    else:
        rules = rules_on(record, split)
        value = rules.get(next(iter(rules), "") if rule == "default" else rule, {}).get(metric)
    return None if value is None else float(value)
