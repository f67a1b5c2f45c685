"""Tables of results: Markdown to read, LaTeX (booktabs) to print, CSV to compute with. Imports no torch."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.fid.columns import fid_columns, reference_rows
from benchmark.protocols import PROTOCOLS
from benchmark.results import Record, table, write_atomically

METRICS = {
    "accuracy": "ACC",
    "purity": "purity",
    "exemplar_accuracy": "exemplar",
    "nmi": "NMI",
    "ari": "ARI",
    "clusters_used": "clusters",
    "silhouette": "silhouette",
}
LABELLED = ("accuracy", "purity", "exemplar_accuracy", "nmi", "ari")
UNLABELLED = ("clusters_used", "silhouette")
DASH = "–"


@dataclass(frozen=True)
class Table:
    """One table: of one data set under one budget, which are never mixed.

    Attributes:
        name: of the files it is written to.
        heading, notes: text above and below.
        shown: the cells as text.
        values: the same with mean, standard deviation and n as numbers of their own.
        numbers_from: the column from which on they are aligned to the right.
    """

    name: str
    heading: str
    shown: pd.DataFrame
    values: pd.DataFrame
    notes: list[str]
    numbers_from: int = 2

    def markdown(self) -> str:
        return "\n".join([self.heading, "", markdown(self.shown), "", *(f"- {note}" for note in self.notes)]) + "\n"

    def latex(self) -> str:
        """A `table` environment; needs \\usepackage{booktabs,xcolor}."""
        shown = self.shown.map(_latex_cell)
        shown.columns = [_latex_text(c) for c in shown.columns]
        style = shown.style.hide(axis="index")
        body = style.to_latex(hrules=True, column_format="l" * self.numbers_from + "r" * (shown.shape[1] - self.numbers_from))
        notes = " ".join(_latex_text(n) + "." for n in self.notes)
        return (
            "% needs \\usepackage{booktabs,xcolor}\n\\begin{table}\n\\centering\n"
            f"\\caption{{{_latex_text(self.heading.strip('#* '))}. {notes}}}\n{body}\\end{{table}}\n"
        )

    def write(self, folder: Path) -> Path:
        """Write all three formats; returns the path of the Markdown file."""
        folder.mkdir(parents=True, exist_ok=True)
        for ending, text in (("md", self.markdown()), ("tex", self.latex()), ("csv", self.values.to_csv(index=False))):
            write_atomically(folder / f"{self.name}.{ending}", text)
        return folder / f"{self.name}.md"


def build(records: Iterable[Record], titles: Mapping[str, str] = {}, skipped: Mapping[str, str] = {}) -> list[Table]:
    """A table per data set and budget.

    Args:
        titles: {data set: text for headings}.
        skipped: {model: why it can't be used}, shown as rows of dashes in every table.
    """
    groups: dict[tuple[str, str, str], list[Record]] = {}
    for record in records:
        key = record["key"]
        groups.setdefault((key["dataset"], key["protocol"], key["budget"]), []).append(record)
    return [_one_table(*name, group, titles, skipped) for name, group in sorted(groups.items())]


def current(records: Iterable[Record]) -> tuple[list[Record], int]:
    """The records that count, and how many were left out: those of older code, data or presets for the same request.

    A request is a model, a number of clusters, and the settings made by hand.
    """
    records = list(records)
    newest: dict[tuple[str, str, str], Record] = {}
    for record in records:
        config = record["key"]["config"]
        name = (record["key"]["model"], str(config["n_clusters"]), str(record.get("by_hand", config)))
        if name not in newest or record.get("started", "") > newest[name].get("started", ""):
            newest[name] = record
    digests = {record["digest"] for record in newest.values()}
    current = [record for record in records if record["digest"] in digests]
    return current, len(records) - len(current)


def _one_table(
    dataset: str, protocol: str, budget: str, records: list[Record],
    titles: Mapping[str, str], skipped: Mapping[str, str],
) -> Table:  # fmt: skip
    records, left_out = current(records)
    frame = table(records)
    frame = frame[frame["default_rule"].ne(False)] if "default_rule" in frame else frame
    labelled = "accuracy" in frame
    columns = [c for c in (LABELLED if labelled else UNLABELLED) if c in frame]
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
                row |= {fid.column: values.mean(), f"{fid.column}_std": values.std(ddof=1), f"{fid.column}_n": len(values)}
            rows.append(row)
        blocks.append(rows)
    first = columns[0] if columns else "seconds"
    blocks.sort(key=lambda rows: (pd.isna(rows[0][first]), -rows[0][first] if labelled else rows[0]["model"]))
    values = pd.DataFrame([row for rows in blocks for row in rows])

    shown = pd.DataFrame({"model": values["model"], "split": values["split"]})
    shown["seeds"] = [str(s) if n == s else f"{n}/{s}" for n, s in zip(values["n"], values["seeds"], strict=True)]
    for column in columns:
        shown[METRICS[column]] = _mean_and_std(values, column, 1 if column == "clusters_used" else 3)
    for fid in fids:
        counts = [f" ({k}/{n})" if 0 < k < n else "" for k, n in zip(values[f"{fid.column}_n"], values["n"], strict=True)]
        texts = zip(_mean_and_std(values, fid.column, 2), counts, values["digest"], strict=True)
        shown[fid.title] = [fid.not_there(digest) or text + count for text, count, digest in texts]
    shown["seconds"] = _mean_and_std(values, "seconds", 1)
    values = values.drop(columns="digest")
    for what, split, distances in reference_rows(fids):
        by_title = {fid.title: f"{distances[fid.column]:.2f}" for fid in fids if fid.column in distances}
        shown.loc[len(shown)] = [{"model": what, "split": split, **by_title}.get(column, DASH) for column in shown.columns]
        values.loc[len(values), ["model", "split", *distances]] = [what, split, *distances.values()]
    values = values.astype({"n": "Int64", "seeds": "Int64"})  # which reference rows have not
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
    notes = ["mean ± standard deviation (n - 1) over seeds; 4/5 means that 4 of 5 runs ended well and are averaged"]
    if labelled:
        notes.append("ACC is the one-to-one (Hungarian) accuracy; purity and exemplar accuracy are many-to-one")
    if splits == ["all"] and protocol == "neutral":
        notes.append(f"{title} has no test split: fitted and evaluated on all points, without labels")
    else:
        notes.append(PROTOCOLS[protocol])
    if key["budget"] == "quick":
        notes.append("the quick budget is for one CPU core: fewer steps, and where needed smaller networks, than the papers'")
    if key["budget"] == "smoke":
        notes.append("the smoke budget only shows that everything runs: these numbers mean nothing")
    notes += sorted({data["caveat"] for r in records if (data := r.get("data", {})).get("caveat")})
    notes += [note for fid in fids for note in fid.notes(names)]
    by_hand = {names[r["digest"]]: r["by_hand"] for r in records if r.get("by_hand")}
    notes += [f"{name}: set by hand, not the budget's own: {_settings(given)}" for name, given in sorted(by_hand.items())]
    if left_out:
        notes.append(f"{left_out} records of older versions of a model, its presets or the data are left out")
    notes += [f"{name}: not run, {why}" for name, why in skipped.items()]
    notes += [
        f"{names[r['digest']]}, seed {r['seed']}: {r['status']}, {r.get('error', '')}"
        for r in sorted(records, key=lambda r: (r["key"]["model"], r["seed"])) if r["status"] != "ok"
    ]  # fmt: skip
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
        for name, by_package in found.items() if (several := {p: v for p, v in by_package.items() if len(v) > 1})
    ]  # fmt: skip


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


def _mean_and_std(values: pd.DataFrame, column: str, digits: int) -> list[str]:
    texts = []
    for mean, std in zip(values[column], values[f"{column}_std"], strict=True):
        text = DASH if pd.isna(mean) else f"{mean:.{digits}f}"
        texts.append(text if pd.isna(mean) or pd.isna(std) else f"{text} ± {std:.{digits}f}")
    return texts


def markdown(frame: pd.DataFrame) -> str:
    """A Markdown table whose columns are aligned, so that it also reads well in a terminal."""
    rows = [list(map(str, frame.columns)), *([str(v) for v in row] for row in frame.itertuples(index=False))]
    widths = [max(len(row[i]) for row in rows) for i in range(frame.shape[1])]
    lines = ["| " + " | ".join(text.ljust(w) for text, w in zip(row, widths, strict=True)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines)


def _latex_cell(text: object) -> str:
    """Grey where it is marked as from memory."""
    return f"\\textcolor{{gray}}{{{_latex_text(text)}}}" if "†" in str(text) else _latex_text(text)


def _latex_text(text: object) -> str:
    named = {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"}
    escaped = "".join(named.get(c, "\\" + c if c in "_%&#{}$" else c) for c in str(text))
    for character, latex in (("±", r"$\pm$"), ("–", "--"), ("†", r"$\dagger$"), (">", "$>$"), ("<", "$<$")):
        escaped = escaped.replace(character, latex)
    return escaped
