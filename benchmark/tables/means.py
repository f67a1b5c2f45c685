"""Tables of results: Markdown to read, LaTeX (booktabs) to print, CSV to compute with. Imports no torch."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmark.evaluation.metrics import METRICS, Metric
from benchmark.protocols import PROTOCOLS, SPLITS
from benchmark.records.assignments import NO_SEEDS, Seeds
from benchmark.records.run import Record
from benchmark.records.select import clocks, groups, newest_per_config, row_names, title_of
from benchmark.records.signs import signs_of_collapse
from benchmark.records.store import table
from benchmark.tables.fid_columns import FidColumn, fid_columns, gaps, reference_rows
from benchmark.tables.notes import (
    collapsed_runs,
    found_clusters,
    mixed_versions,
    partly_labelled,
    shown_rules,
    what_is_timed,
)
from benchmark.tables.table import DASH, Table, Value

NONE = pd.Series(dtype=float)


@dataclass(frozen=True)
class Heading:
    """A column of numbers: see `Metric`."""

    title: str
    column: str | None = "unlabelled"
    digits: int = 3


# Of a model's seeds, or of its samples, not of one clustering as METRICS are.
AGREEMENT, CONSISTENCY = Heading("agreement"), Heading("consistency")
SCORES = ("accuracy", "agreement")  # a table is sorted by the first that it has: docs/label-free.md
SMALLER = (
    "the {} budget is for one CPU core: fewer steps, and where needed smaller networks, than the papers'"
)
BY_AGREEMENT = (
    "sorted by agreement: the adjusted Rand index of a run with the model's other seeds, 1 if all are equal;"
    " a method that draws nothing has 1 whatever its clusters are worth (docs/label-free.md)"
)
BY_NAME = (
    "sorted by name: without labels, models are compared by how far their seeds agree, for which it takes the"
    " assignments.csv of several seeds (docs/label-free.md)"
)
OF_A_RUN = (
    "I(x; y): what the cluster says of a point, in nats; log K at most. Consistency: share of a cluster's"
    " own samples that are assigned to it; both tell runs of one model apart, not models"
)
BUDGET_NOTES = {
    "hour": SMALLER.format("hour"),
    "quick": SMALLER.format("quick"),
    "smoke": "the smoke budget only shows that everything runs: these numbers mean nothing",
}


def build(
    records: Iterable[Record],
    titles: Mapping[str, str] = {},
    skipped: Mapping[str, str] = {},
    seeds: Seeds = NO_SEEDS,
) -> list[Table]:
    """A table per data set and budget.

    Args:
        titles: {data set: text for headings}.
        skipped: {model: why it can't be used}, shown as rows of dashes in every table.
        seeds: what the seeds of each model say together, where their folders are at hand.
    """
    return [_one_table(*name, group, titles, skipped, seeds) for name, group in groups(records).items()]


def _one_table(
    dataset: str,
    protocol: str,
    budget: str,
    records: list[Record],
    titles: Mapping[str, str],
    skipped: Mapping[str, str],
    seeds: Seeds,
) -> Table:
    records, left_out = newest_per_config(records)
    frame = table(records)
    frame = frame[frame["default_rule"].ne(False)] if "default_rule" in frame else frame
    kind = "labelled" if "accuracy" in frame else "unlabelled"
    if kind == "unlabelled":
        frame = _with_label_free(frame, records, seeds)
    columns = [name for name, heading in _headings().items() if heading.column == kind and name in frame]
    splits = sorted(frame["split"].dropna().unique(), key=SPLITS.index)
    names, fids = row_names(records), fid_columns(records)

    values = _averages(frame, columns, splits or [None], fids, names, clocks(records), seeds)
    collapsed = Counter(r["digest"] for r in records if signs_of_collapse(r))
    shown = _shown(values, columns, fids, collapsed)
    if collapsed:
        values["collapsed"] = [collapsed[digest] for digest in values["digest"]]
    values = values.drop(columns="digest")
    for what, split, distances in reference_rows(fids):
        known = {fid.title: Value(distances[fid.column], digits=2) for fid in fids if fid.column in distances}
        row = {"model": what, "split": split, **known}
        shown.loc[len(shown)] = [row.get(column, DASH) for column in shown.columns]
        values.loc[len(values), ["model", "split", *distances]] = [what, split, *distances.values()]
    counts = ["n", "seeds", *(["collapsed"] if collapsed else []), *(c for c in values if c.endswith("_n"))]
    values = values.astype(dict.fromkeys(counts, "Int64"))  # which reference rows have not
    for name in skipped:
        shown.loc[len(shown)] = [name] + [DASH] * (shown.shape[1] - 1)

    title = titles.get(dataset) or title_of(dataset, records)
    clusters = sorted({r["key"]["config"]["n_clusters"] for r in records})
    devices = sorted(frame["device"].dropna().unique())
    heading = (
        f"### {title}: {protocol} protocol, {budget} budget, "
        f"K = {', '.join(map(str, clusters))}, on {' and '.join(devices) or 'no device'}"
    )
    notes = [
        *_explanations(title, protocol, budget, columns, splits),
        *what_is_timed(records, names),
        *partly_labelled(records),
        *shown_rules(records, names),
        *found_clusters(records, names),
        *sorted({data["caveat"] for r in records if (data := r.get("data", {})).get("caveat")}),
        *(fid.note() for fid in fids),
        *gaps(records, names),
        *_exceptions(records, names, left_out, skipped),
    ]
    name = f"{dataset}-{budget}" if protocol == "neutral" else f"{dataset}-{protocol}-{budget}"
    return Table(name, heading, shown, values, notes)


def _headings() -> dict[str, Heading | Metric]:
    return {"agreement": AGREEMENT, **METRICS, "consistency": CONSISTENCY}


def _with_label_free(frame: pd.DataFrame, records: Sequence[Record], seeds: Seeds) -> pd.DataFrame:
    """The rows with their run's agreement with the model's other seeds, and its mean consistency."""
    consistency = {
        (r["digest"], r["seed"]): float(np.mean(found))
        for r in records
        if (found := r.get("diagnostics", {}).get("consistency"))
    }
    of_runs = list(zip(frame["digest"], frame["seed"], frame["split"], strict=True))
    values = {
        "agreement": [seeds.agreement.get(run, np.nan) for run in of_runs],
        "consistency": [consistency.get(run[:2], np.nan) for run in of_runs],
    }
    return frame.assign(**{name: found for name, found in values.items() if not np.isnan(found).all()})


def _averages(
    frame: pd.DataFrame,
    columns: Sequence[str],
    splits: Sequence[str | None],
    fids: Sequence[FidColumn],
    names: Mapping[str, str],
    timed: Mapping[str, str],
    seeds: Seeds,
) -> pd.DataFrame:
    """Mean, standard deviation and n of every column, a row per config and split; the best config first.

    Args:
        timed: see `clocks`.
    """
    blocks, present = [], [split for split in splits if split]
    for digest, runs in frame.groupby("digest"):
        rows = []
        for split in splits:
            part = runs[runs["split"].eq(split)]
            row: dict[str, Any] = {"digest": digest, "model": names[str(digest)], "split": split or DASH}
            row |= {"n": len(part), "seeds": runs["seed"].nunique()}
            clock = timed.get(str(digest), "seconds")
            of_columns = {
                name: part[c].dropna().astype(float) if len(part) else NONE
                for name, c in [*((c, c) for c in columns), ("seconds", clock)]
            }
            of_fids = {fid.column: fid.values(str(digest), split, present) for fid in fids}
            for column, values in {**of_columns, **of_fids}.items():
                row |= {
                    column: values.mean(),
                    f"{column}_std": values.std(ddof=1),
                    f"{column}_n": len(values),
                }
            row["seconds_of"] = "processor" if clock == "cpu_seconds" else "wall"
            rows.append(row)
        if str(digest) in seeds.consensus:
            rows += _consensus(names[str(digest)], seeds.consensus[str(digest)], columns, splits)
        blocks.append(rows)
    # A block's first row is that of the split that models are compared on.
    score = next((name for name in SCORES if name in columns), "")

    def place(rows: list[dict[str, Any]]) -> tuple[float, str]:
        value = rows[0].get(score, np.nan)
        return (np.inf if np.isnan(value) else -value, rows[0]["model"])

    return pd.DataFrame([row for rows in sorted(blocks, key=place) for row in rows])


def _consensus(
    name: str, record: Record, columns: Sequence[str], splits: Sequence[str | None]
) -> list[dict[str, Any]]:
    """Rows of the one partition of all seeds, to stand below those of the model."""
    n, metrics = len(record["seeds"]), record["metrics"]
    row = {"digest": "", "model": f"{name}: consensus", "n": n, "seeds": n}
    return [
        {**row, "split": split, **{c: metrics[split].get(c) for c in columns}}
        for split in splits
        if split in metrics
    ]


def _shown(
    values: pd.DataFrame, columns: Sequence[str], fids: Sequence[FidColumn], collapsed: Mapping[str, int]
) -> pd.DataFrame:
    """The columns as they are printed."""
    rows = values.to_dict("records")
    shown = pd.DataFrame({"model": values["model"], "split": values["split"]})
    shown["seeds"] = [str(r["seeds"]) if r["n"] == r["seeds"] else f"{r['n']}/{r['seeds']}" for r in rows]
    if collapsed:  # runs with signs of it
        shown["collapsed"] = [f"{k}/{r['n']}" if (k := collapsed.get(r["digest"], 0)) else DASH for r in rows]
    for column in columns:
        heading = _headings()[column]
        shown[heading.title] = [_value(row, column, heading.digits) for row in rows]
    for fid in fids:
        shown[fid.title] = [fid.not_there(row["digest"]) or _value(row, fid.column, 2) for row in rows]
    shown["seconds"] = [Value(r["seconds"], r["seconds_std"], 1) for r in rows]
    return shown


def _value(row: Mapping[str, Any], column: str, digits: int) -> Value:
    """A mean, with the number of runs that it is of where not all have the value."""
    k, n = row[f"{column}_n"], row["n"]
    return Value(row[column], row[f"{column}_std"], digits, after=f" ({k:.0f}/{n})" if 0 < k < n else "")


def _explanations(
    title: str, protocol: str, budget: str, columns: Sequence[str], splits: Sequence[str]
) -> list[str]:
    """How the numbers of a table are to be read; less where no run ended well, and there are none."""
    notes = [
        "mean ± standard deviation (n - 1) over seeds; 4/5 means that 4 of 5 runs ended well and are averaged"
    ]
    if "accuracy" in columns:
        notes.append(
            "ACC is the one-to-one (Hungarian) accuracy; purity and exemplar accuracy are many-to-one"
        )
    elif columns:
        notes += [BY_AGREEMENT if "agreement" in columns else BY_NAME, OF_A_RUN]
    if splits == ["all"] and protocol == "neutral":
        notes.append(f"{title} has no test split: fitted and evaluated on all points, without labels")
    elif splits:
        notes.append(PROTOCOLS[protocol])
    return notes + ([BUDGET_NOTES[budget]] if budget in BUDGET_NOTES else [])


def _exceptions(
    records: Sequence[Record], names: Mapping[str, str], left_out: int, skipped: Mapping[str, str]
) -> list[str]:
    """Notes on rows that differ from others: settings made by hand, runs left out or ended badly, mixed
    versions.
    """
    overrides = {names[r["digest"]]: r["overrides"] for r in records if r.get("overrides")}
    notes = [
        f"{name}: set by hand, not the budget's own: {_settings(given)}"
        for name, given in sorted(overrides.items())
    ]
    if left_out:
        notes.append(f"{left_out} records of older versions of a model, its presets or the data are left out")
    notes += [f"{name}: not run, {why}" for name, why in skipped.items()]
    notes += [
        f"{names[r['digest']]}, seed {r['seed']}: {r['status']}, {r.get('error', '')}"
        for r in sorted(records, key=lambda r: (r["key"]["model"], r["seed"]))
        if r["status"] != "ok"
    ]
    return notes + collapsed_runs(records, names) + mixed_versions(records, names)


def _settings(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())
