"""How many clusters? What runs with several K say of it without labels: a table, a figure, and words. No
torch.

Judged by two measures that compare across K and across models: how far the seeds agree, and the silhouette in
the space of the data, which is the same for all. Objectives are not among them: they are of the points that
were fitted, and better with every cluster more.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark import plots
from benchmark.records.assignments import pairwise_agreement, read_assignments
from benchmark.records.run import Record
from benchmark.records.select import (
    compared_metrics,
    compared_split,
    groups,
    names_by_settings,
    newest_per_config,
)
from benchmark.tables.table import Table, Value

NUMBERS = 3  # of different K: fewer are no range
NEAR = 2.0  # standard errors of the difference up to which two K are equally stable
EQUAL = 0.01  # and the difference of adjusted Rand indices that is none, however sure
HIGH = 0.8  # agreement below which seeds do not find the same clusters again


@dataclass(frozen=True)
class Point:
    """What a model's runs with one K say.

    Attributes:
        run: seeds that were run; seeds: of these, that ended well; assigned: of these, with their assignments
            at hand.
        stability, stability_error: mean adjusted Rand index of all pairs of seeds, and its standard error by
            the jackknife over seeds (pairs share seeds, so they are no independent values); NaN for one seed,
            and the error for two.
        silhouette, silhouette_error: mean over seeds, and its standard error.
        empty: share of the K clusters without a point, mean over seeds.
    """

    k: int
    run: int
    seeds: int
    assigned: int
    stability: float
    stability_error: float
    silhouette: float
    silhouette_error: float
    empty: float


def cluster_number_tables(runs: Iterable[tuple[Path, Record]]) -> list[Table]:
    """One table for every data set, protocol and budget of which some model has runs with three K or more.

    Args:
        runs: with their folders, where their assignments are.
    """
    runs = list(runs)
    folders = {(record["digest"], record["seed"]): folder for folder, record in runs}
    tables = []
    for (dataset, protocol, budget), group in groups(record for _, record in runs).items():
        records, _ = newest_per_config(group)
        curves = _curves(records, folders)
        if curves:
            title = next((r["data"]["title"] for r in records if "data" in r), dataset)
            name = "-".join([dataset, *([] if protocol == "neutral" else [protocol]), budget, "clusters"])
            tables.append(_table(name, f"### {title}: how many clusters? {budget} budget", curves))
    return tables


def _curves(records: Sequence[Record], folders: Mapping[tuple[str, int], Path]) -> dict[str, list[Point]]:
    """{name of a model and its settings: its points by rising K}, of those with enough of them."""
    names = names_by_settings(_without_k(record) for record in records)
    found: dict[str, dict[int, list[Record]]] = {}
    for record in records:
        by_k = found.setdefault(names[record["digest"]], {})
        by_k.setdefault(record["key"]["config"]["n_clusters"], []).append(record)
    return {
        name: [_point(k, by_k[k], folders) for k in sorted(by_k)]
        for name, by_k in sorted(found.items())
        if sum(any(r["status"] == "ok" for r in runs) for runs in by_k.values()) >= NUMBERS
    }


def _without_k(record: Record) -> Record:
    """The record as if K were no setting, so that runs that differ in it alone have one name."""
    config = {name: value for name, value in record["key"]["config"].items() if name != "n_clusters"}
    return {**record, "key": {**record["key"], "config": config}}


def _point(k: int, runs: Sequence[Record], folders: Mapping[tuple[str, int], Path]) -> Point:
    records = [record for record in runs if record["status"] == "ok"]
    if not records:
        return Point(k, len(runs), 0, 0, *[math.nan] * 5)
    split = compared_split(records[0])
    found = [read_assignments(folders[r["digest"], r["seed"]]).get(str(split)) for r in records]
    partitions = [labels for labels in found if labels is not None]
    stability, error = stability_of(partitions)
    metrics = [compared_metrics(record) for record in records]
    silhouettes = np.array([m["silhouette"] for m in metrics if m.get("silhouette") is not None])
    return Point(
        k,
        len(runs),
        len(records),
        len(partitions),
        stability,
        error,
        float(silhouettes.mean()) if len(silhouettes) else math.nan,
        float(silhouettes.std(ddof=1) / math.sqrt(len(silhouettes))) if len(silhouettes) > 1 else math.nan,
        1 - float(np.mean([min(m["clusters_used"], k) for m in metrics])) / k,
    )


def stability_of(partitions: Sequence[np.ndarray]) -> tuple[float, float]:
    """Mean adjusted Rand index of all pairs of R partitions (N,), and its standard error by the jackknife."""
    r = len(partitions)
    if r < 2:
        return math.nan, math.nan
    pairs = pairwise_agreement(partitions)
    total = (pairs.sum() - r) / 2
    mean = total / (r * (r - 1) / 2)
    if r < 3:
        return float(mean), math.nan
    without = (total - (pairs.sum(axis=1) - 1)) / ((r - 1) * (r - 2) / 2)  # (R,) of all pairs but one seed's
    return float(mean), math.sqrt((r - 1) / r * float(((without - without.mean()) ** 2).sum()))


def most_stable(points: Sequence[Point]) -> tuple[Point, list[int]]:
    """The K at which seeds agree best, and all K at which they agree as well, as far as these seeds can
    tell.
    """
    best = max(points, key=lambda point: point.stability)
    near = [
        p.k
        for p in points
        if best.stability - p.stability
        <= max(EQUAL, NEAR * math.hypot(*np.nan_to_num([best.stability_error, p.stability_error])))
    ]
    return best, near


@dataclass(frozen=True)
class Verdict:
    """What a model's runs recommend: the largest K at which seeds agree as well as anywhere.

    The largest, because fewer clusters than there are can be found again as surely: they are whole groups put
    together (Ben-Hur, Elisseeff and Guyon 2002; prediction strength, Tibshirani and Walther 2005).

    Attributes:
        text: in words, with its uncertainty.
        near: all K at which they agree as well; empty where no K stands out.
    """

    text: str
    near: Sequence[int] = ()

    @property
    def k(self) -> int | None:
        return self.near[-1] if self.near else None


def verdict(points: Sequence[Point]) -> Verdict:
    if any(point.assigned < point.seeds for point in points):
        return Verdict(
            "no K stands out: assignments.csv of its runs, which tell how far seeds agree, are not here"
        )
    points = [point for point in points if not math.isnan(point.stability)]
    if len(points) < NUMBERS:
        return Verdict("no K stands out: too few runs ended well")
    best, near = most_stable(points)
    highest = max(points, key=lambda point: np.nan_to_num(point.silhouette, nan=-1))
    agreement = f"seeds agree best, to {best.stability:.2f} ± {best.stability_error:.2f}, at K = {best.k}"
    other = f"; the silhouette is highest at K = {highest.k}"
    if math.isnan(best.stability_error):
        return Verdict("no K stands out: two seeds have no standard error, run three at least")
    if best.stability < HIGH:
        return Verdict(f"no K stands out: {agreement}, which is less than {HIGH:g}{other}")
    if near[-1] == points[-1].k:
        wider = f"and alike up to the end of the range, K = {near[-1]}: try a wider one"
        return Verdict(f"no K stands out: {agreement}, {wider}{other}")
    among = f", the largest of {_listed(near)}" if len(near) > 1 else ""
    edge = ", the start of the range: try a wider one" if near[-1] == points[0].k else ""
    return Verdict(f"K = {near[-1]}{among}{edge}: {agreement}{other}", near)


def _listed(numbers: Sequence[int]) -> str:
    """ "9 to 11" where they follow each other, otherwise "5, 9 and 10"."""
    if len(numbers) > 2 and numbers[-1] - numbers[0] == len(numbers) - 1:
        return f"{numbers[0]} to {numbers[-1]}"
    *first, last = map(str, numbers)
    return f"{', '.join(first)} and {last}" if first else last


def _table(name: str, heading: str, curves: Mapping[str, Sequence[Point]]) -> Table:
    rows = [(model, point) for model, points in curves.items() for point in points]
    shown = pd.DataFrame(
        [
            {
                "model": model,
                "K": str(p.k),
                "seeds": str(p.seeds) if p.seeds == p.run else f"{p.seeds}/{p.run}",
                "stability": Value(p.stability, p.stability_error),
                "silhouette": Value(p.silhouette, p.silhouette_error),
                "empty": Value(p.empty),
            }
            for model, p in rows
        ]
    )
    verdicts = {model: verdict(points) for model, points in curves.items()}
    failed = any(point.seeds < point.run for _, point in rows)
    notes = [f"{model}: {found.text}" for model, found in verdicts.items()]
    if len(curves) > 1:
        notes.append(_together([found.k for found in verdicts.values()]))
    notes += [
        *(["seeds: 4/5 means that 4 of 5 runs ended well and count"] if failed else []),
        "stability: mean adjusted Rand index of all pairs of seeds, corrected for chance (0 for independent"
        " partitions of any K, 1 for equal ones) ± its standard error (jackknife over seeds)",
        f"seeds agree alike where stability is within {NEAR:g} standard errors of the best, or {EQUAL:g}; the"
        " largest such K is named, since fewer clusters can be whole groups put together; none, where it is"
        f" the last of the range, or the best is below {HIGH:g}",
        "silhouette: in the space of the data, the same for all, mean ± standard error; it favours k-means",
        "empty: share of clusters without a point; how often all this is right: docs/own-data.md",
    ]
    values = pd.DataFrame([{"model": model, **vars(point)} for model, point in rows])
    figure = plots.cluster_numbers(values, {model: found.near for model, found in verdicts.items()})
    return Table(name, heading, shown, values, notes, figure=figure)


def _together(named: Sequence[int | None]) -> str:
    """What the models recommend between them."""
    found = sorted({k for k in named if k is not None})
    if not found:
        return "together: no K stands out for any model"
    counts = ", ".join(f"{k} ({named.count(k)} of {len(named)} models)" for k in found)
    return f"together: K = {counts}"
