"""The papers' numbers, read from published.toml: each with its metric, split, selection and source."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from benchmark.errors import UserError, unknown
from benchmark.evaluation.metrics import METRICS
from benchmark.protocols import PROTOCOLS

PATH = Path(__file__).with_name("published.toml")
SPLITS = ("test", "train", "all", "unknown")
SELECTIONS = ("none", "by labels", "unknown")
STATISTICS = ("mean", "best", "best 3", "single", "unknown")
METRIC_NAMES = {
    **{name: metric.title for name, metric in METRICS.items()},
    "nmi_geometric": "NMI",
    "kde_log_likelihood": "log-likelihood",
    "kde_of_data": "of the data itself",
    "fid": "FID",
    "inception_score": "IS",
    "fid_of_the_paper": "FID",
    "unknown_nmi": "NMI",
    "unknown_fid": "FID",
    "unknown": "ACC",
}
# The keys that a paper, a table and a row must have.
OF_PAPER = ("title", "model", "protocol", "rule", "runs", "notes")
OF_TABLE = ("paper", "name", "title", "split", "statistic", "selection", "source", "seen", "rows")
OF_ROW = ("method", "values")


@dataclass(frozen=True)
class Paper:
    """How a paper makes its numbers.

    Attributes:
        model: our name of its model.
        protocol: division of the data, see benchmark/protocols.py.
        rule: assignment rule, "default" for a model's first.
        runs: seeds that our side of its tables needs.
        notes: shown under its tables.
    """

    name: str
    title: str
    model: str
    protocol: str
    rule: str
    runs: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Number:
    """One published number. Metrics other than FID, likelihood and Inception score are fractions of 1.

    Attributes:
        table, table_title: the block it belongs to.
        method: as the paper calls it.
        metric, split, statistic, n, selection, source, seen, caveat: see the head of published.toml.
        model, set: our runs that stand beside it, as model name and hyper-parameters; model is None if there
        are none.
        std: as published, None where it was not.
    """

    paper: Paper
    table: str
    table_title: str
    method: str
    dataset: str
    metric: str
    split: str
    statistic: str
    n: int | None
    selection: str
    source: str
    seen: bool
    caveat: str | None
    model: str | None
    set: Mapping[str, Any] = field(hash=False)
    rule: str
    value: float
    std: float | None


@cache
def papers() -> dict[str, Paper]:
    """All papers by name."""
    return _read(PATH)[0]


@cache
def numbers() -> tuple[Number, ...]:
    """All published numbers, in the order of the file."""
    return _read(PATH)[1]


def paper(name: str) -> Paper:
    if name not in papers():
        raise unknown("paper", name, papers())
    return papers()[name]


def check_keys(
    where: str, entry: Mapping[str, Any], needed: Sequence[str], optional: Sequence[str] = ()
) -> None:
    """Raise UserError if an entry of a file lacks a key, or has one that nothing reads."""
    if missing := [key for key in needed if key not in entry]:
        raise UserError(f"{where} has no {' and no '.join(missing)}; it needs {', '.join(needed)}")
    for key in entry:
        if key not in (known := (*needed, *optional)):
            raise unknown(f"key of {where}:", key, known)


def _read(path: Path) -> tuple[dict[str, Paper], tuple[Number, ...]]:
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    found = {}
    for name, values in content["paper"].items():
        check_keys(f"published.toml, paper {name}", values, OF_PAPER)
        found[name] = Paper(name=name, **{**values, "notes": tuple(values["notes"])})
    return found, tuple(number for table in content["table"] for number in _numbers(table, found))


def _numbers(table: dict[str, Any], papers: Mapping[str, Paper]) -> list[Number]:
    where = f"published.toml, table {table.get('paper')}.{table.get('name')}"
    check_keys(where, table, OF_TABLE, ("metric", "metrics", "n", "unit", "caveat"))
    for key, allowed in (
        ("split", SPLITS),
        ("selection", SELECTIONS),
        ("statistic", STATISTICS),
        ("paper", tuple(papers)),
    ):
        if table[key] not in allowed:
            raise UserError(f"{where}: {key} is {table[key]!r}, expected one of {', '.join(allowed)}")
    paper = papers[table["paper"]]
    if paper.protocol not in PROTOCOLS:
        raise UserError(f"{where}: protocol is {paper.protocol!r}, expected one of {', '.join(PROTOCOLS)}")
    scale = 100 if table.get("unit") == "%" else 1
    found = []
    for row in table["rows"]:
        check_keys(f"{where}, row {row.get('method')}", row, OF_ROW, ("model", "set", "rule"))
        for dataset, by_metric in row["values"].items():
            if not isinstance(by_metric, dict):
                if "metric" not in table:
                    raise UserError(f"{where} has no metric, which its number for {dataset} needs")
                by_metric = {table["metric"]: by_metric}
            for metric, value in by_metric.items():
                if metric not in METRIC_NAMES:
                    raise unknown(f"metric of {where}:", metric, METRIC_NAMES)
                mean, std = value if isinstance(value, list) else (value, None)
                number = Number(
                    paper,
                    table["name"],
                    table["title"],
                    row["method"],
                    dataset,
                    metric,
                    table["split"],
                    table["statistic"],
                    table.get("n"),
                    table["selection"],
                    table["source"],
                    table["seen"],
                    table.get("caveat"),
                    row.get("model"),
                    row.get("set", {}),
                    row.get("rule", paper.rule),
                    mean / scale,
                    None if std is None else std / scale,
                )
                found.append(number)
    return found
