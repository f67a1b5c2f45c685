"""Tables of results: Markdown to read, LaTeX (booktabs) to print, CSV to compute with. Imports no torch."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from benchmark.evaluation.metrics import METRICS
from benchmark.protocols import PROTOCOLS
from benchmark.records.run import Record
from benchmark.records.select import groups, newest_per_config, row_names
from benchmark.records.signs import signs_of_collapse
from benchmark.records.store import table
from benchmark.tables.fid_columns import fid_columns, reference_rows
from benchmark.tables.notes import collapsed_runs, partly_labelled, shown_rules
from benchmark.tables.table import DASH, Table


def build(
    records: Iterable[Record], titles: Mapping[str, str] = {}, skipped: Mapping[str, str] = {}
) -> list[Table]:
    """A table per data set and budget.

    Args:
        titles: {data set: text for headings}.
        skipped: {model: why it can't be used}, shown as rows of dashes in every table.
    """
    return [_one_table(*name, group, titles, skipped) for name, group in groups(records).items()]


def _one_table(
    dataset: str,
    protocol: str,
    budget: str,
    records: list[Record],
    titles: Mapping[str, str],
    skipped: Mapping[str, str],
) -> Table:
    records, left_out = newest_per_config(records)
    frame = table(records)
    frame = frame[frame["default_rule"].ne(False)] if "default_rule" in frame else frame
    labelled = "accuracy" in frame
    kind = "labelled" if labelled else "unlabelled"
    columns = [name for name, metric in METRICS.items() if metric.column == kind and name in frame]
    splits = sorted(frame["split"].dropna().unique(), key=["test", "train", "validation", "all"].index)
    names = row_names(records)
    fids = fid_columns(records)
    blocks = []
    for digest, runs in frame.groupby("digest"):
        rows = []
        for split in splits or [None]:
            part = runs[runs["split"].eq(split)]
            row: dict[str, Any] = {"digest": digest, "model": names[str(digest)], "split": split or DASH}
            row |= {"n": len(part), "seeds": runs["seed"].nunique()}
            for column in [*columns, "seconds"]:
                values = part[column].dropna().astype(float) if len(part) else pd.Series(dtype=float)
                row |= {column: values.mean(), f"{column}_std": values.std(ddof=1)}
            for fid in fids:
                values = fid.values(str(digest), split, splits)
                row |= {
                    fid.column: values.mean(),
                    f"{fid.column}_std": values.std(ddof=1),
                    f"{fid.column}_n": len(values),
                }
            rows.append(row)
        blocks.append(rows)
    first = columns[0] if columns else "seconds"
    blocks.sort(key=lambda rows: (pd.isna(rows[0][first]), -rows[0][first] if labelled else rows[0]["model"]))
    values = pd.DataFrame([row for rows in blocks for row in rows])

    shown = pd.DataFrame({"model": values["model"], "split": values["split"]})
    shown["seeds"] = [
        str(s) if n == s else f"{n}/{s}" for n, s in zip(values["n"], values["seeds"], strict=True)
    ]
    collapsed = Counter(r["digest"] for r in records if signs_of_collapse(r))
    if collapsed:
        values["collapsed"] = [collapsed[digest] for digest in values["digest"]]
        shown["collapsed"] = [
            f"{k}/{n}" if k else DASH for k, n in zip(values["collapsed"], values["n"], strict=True)
        ]
    for column in columns:
        shown[METRICS[column].title] = _mean_and_std(values, column, METRICS[column].digits)
    for fid in fids:
        counts = [
            f" ({k}/{n})" if 0 < k < n else ""
            for k, n in zip(values[f"{fid.column}_n"], values["n"], strict=True)
        ]
        texts = zip(_mean_and_std(values, fid.column, 2), counts, values["digest"], strict=True)
        shown[fid.title] = [fid.not_there(digest) or text + count for text, count, digest in texts]
    shown["seconds"] = _mean_and_std(values, "seconds", 1)
    values = values.drop(columns="digest")
    for what, split, distances in reference_rows(fids):
        by_title = {fid.title: f"{distances[fid.column]:.2f}" for fid in fids if fid.column in distances}
        shown.loc[len(shown)] = [
            {"model": what, "split": split, **by_title}.get(column, DASH) for column in shown.columns
        ]
        values.loc[len(values), ["model", "split", *distances]] = [what, split, *distances.values()]
    counts = ["n", "seeds", *(["collapsed"] if collapsed else [])]
    values = values.astype(dict.fromkeys(counts, "Int64"))  # which reference rows have not
    for name in skipped:
        shown.loc[len(shown)] = [name] + [DASH] * (shown.shape[1] - 1)

    key = records[0]["key"]
    title = titles.get(dataset) or next((r["data"]["title"] for r in records if "data" in r), dataset)
    clusters = sorted({r["key"]["config"]["n_clusters"] for r in records})
    devices = sorted(frame["device"].dropna().unique())
    heading = (
        f"### {title}: {protocol} protocol, {budget} budget, "
        f"K = {', '.join(map(str, clusters))}, on {' and '.join(devices) or 'no device'}"
    )
    notes = [
        "mean ± standard deviation (n - 1) over seeds; 4/5 means that 4 of 5 runs ended well and are averaged"
    ]
    if labelled:
        notes.append(
            "ACC is the one-to-one (Hungarian) accuracy; purity and exemplar accuracy are many-to-one"
        )
    notes += partly_labelled(records)
    notes += shown_rules(records, names)
    if splits == ["all"] and protocol == "neutral":
        notes.append(f"{title} has no test split: fitted and evaluated on all points, without labels")
    else:
        notes.append(PROTOCOLS[protocol])
    if key["budget"] == "quick":
        notes.append(
            "the quick budget is for one CPU core: fewer steps, and where needed smaller networks, than the"
            " papers'"
        )
    if key["budget"] == "smoke":
        notes.append("the smoke budget only shows that everything runs: these numbers mean nothing")
    notes += sorted({data["caveat"] for r in records if (data := r.get("data", {})).get("caveat")})
    notes += [note for fid in fids for note in fid.notes(names)]
    overrides = {names[r["digest"]]: r["overrides"] for r in records if r.get("overrides")}
    notes += [
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
    notes += collapsed_runs(records, names)
    notes += mixed_versions(records, names)
    name = f"{dataset}-{budget}" if protocol == "neutral" else f"{dataset}-{protocol}-{budget}"
    return Table(name, heading, shown, values, notes)


def _settings(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())


def mixed_versions(records: Iterable[Record], names: Mapping[str, str]) -> list[str]:
    """A note for every row whose runs were made with different versions of the suite or of a package."""
    found: dict[str, dict[str, set[str]]] = {}
    for record in records:
        provenance = record.get("provenance", {})
        versions = {"commit": str(provenance["commit"])[:7]} if provenance.get("commit") else {}
        for package, version in (versions | provenance.get("packages", {})).items():
            found.setdefault(names[record["digest"]], {}).setdefault(package, set()).add(str(version))
    return [
        f"{name}: its runs were made with different versions: "
        + ", ".join(f"{package} {' and '.join(sorted(versions))}" for package, versions in several.items())
        for name, by_package in found.items()
        if (several := {p: v for p, v in by_package.items() if len(v) > 1})
    ]


def _mean_and_std(values: pd.DataFrame, column: str, digits: int) -> list[str]:
    texts = []
    for mean, std in zip(values[column], values[f"{column}_std"], strict=True):
        text = DASH if pd.isna(mean) else f"{mean:.{digits}f}"
        texts.append(text if pd.isna(mean) or pd.isna(std) else f"{text} ± {std:.{digits}f}")
    return texts
