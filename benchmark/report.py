"""One self-contained HTML page of everything under a results folder: tables, pictures, failures, provenance.
Imports no torch.
"""

import base64
import json
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from benchmark import plots
from benchmark.files import write_atomically
from benchmark.papers import published
from benchmark.papers.runs import studies
from benchmark.papers.tables import MEMORY, paper_tables, study_tables
from benchmark.records.run import Record
from benchmark.records.select import (
    as_typed,
    compared_metrics,
    compared_split,
    newest_per_config,
    row_names,
    score,
)
from benchmark.records.store import all_records, read_curves
from benchmark.tables import significance, statistics
from benchmark.tables.means import build
from benchmark.tables.statistics import DIAGRAM_DATASETS
from benchmark.tables.table import DASH, Table, Value

TEMPLATE = Path(__file__).with_name("report.html")
RUN_PICTURES = {
    "samples": "samples, one row per cluster with its share of the points",
    "reconstructions": "data and their reconstructions in pairs",
}
LOG_LINES = 40

Runs = list[tuple[Path, Record]]


def write_report(results: Path) -> Path:
    """Write results/report.html, and its pictures as PNG and PDF into results/figures; returns the page's
    path.
    """
    found = list(all_records(results))
    page = _page(results, found)
    write_atomically(results / "report.html", page)
    return results / "report.html"


def _page(results: Path, found: Runs) -> str:
    records = [record for _, record in found]
    groups: dict[tuple[str, str, str], Runs] = {}
    for folder, record in found:
        key = record["key"]
        groups.setdefault((key["dataset"], key["protocol"], key["budget"]), []).append((folder, record))
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        summary=_summary(records),
        sections=[_section(results, name, group) for name, group in sorted(groups.items(), key=_order)],
        overall=_overall(results, records),
        papers=_papers(results, records),
        failures=[_failure(folder, record) for folder, record in found if record["status"] != "ok"],
        records=_records(results, found),
    )


def _order(group: tuple[tuple[str, str, str], Runs]) -> tuple[str, bool, str, str]:
    """Order of the sections: by data set, the neutral protocol first."""
    dataset, protocol, budget = group[0]
    return dataset, protocol != "neutral", protocol, budget


def _summary(records: Sequence[Record]) -> str:
    commits = sorted(
        {
            str(r.get("provenance", {}).get("commit"))[:7]
            for r in records
            if r.get("provenance", {}).get("commit")
        }
    )
    dates = sorted(r["started"][:10] for r in records if r.get("started"))
    good = sum(r["status"] == "ok" for r in records)
    text = f"{_count(len(records), 'run')}, {good} of them ended well"
    if dates:
        text += f"; made on {dates[0]}" if dates[0] == dates[-1] else f"; made from {dates[0]} to {dates[-1]}"
    return text + (f"; commits {', '.join(commits)}" if commits else "") + "."


def _section(results: Path, name: tuple[str, str, str], group: Runs) -> dict[str, Any]:
    """Tables and pictures of one data set under one protocol and budget."""
    dataset, protocol, budget = name
    records = [record for _, record in group]
    newest, _ = newest_per_config(records)
    names = row_names(newest)
    anchors = {row: f"record-{digest}" for digest, row in names.items()}
    commands = _run_command(dataset, protocol, budget, newest)
    tables = [
        _table(t, "Results", anchors, f"{commands}\n{_tables_command(results)}") for t in build(records)
    ]
    tables += [
        _table(t, "Which models can be told apart", anchors, _tables_command(results))
        for t in significance.comparison_tables(records)
    ]
    id_ = f"{dataset}-{protocol}-{budget}"
    pictures = []
    if costs := run_costs(newest, names):
        path = plots.save(plots.cost(costs), results / "figures", f"{id_}-cost")
        pictures.append(_picture(path, "quality against cost: every run, and the models' means"))
    models = []
    for digest, row in sorted(names.items(), key=lambda item: item[1]):
        runs = [(folder, r) for folder, r in group if r["digest"] == digest and r["status"] == "ok"]
        if found := _model_pictures(results / "figures", f"{id_}-{_slug(row)}", runs):
            models.append({"name": row, "pictures": found})
    title = f"{dataset}, {protocol} protocol, {budget} budget"
    return {"id": id_, "title": title, "tables": tables, "pictures": pictures, "models": models}


def _model_pictures(folder: Path, name: str, runs: Runs) -> list[dict[str, str]]:
    """Curves over all seeds; the rest of the first seed that ended well, which is not chosen by its
    result.
    """
    if not runs:
        return []
    found = []
    if curves := [rows for path, _ in runs if (rows := read_curves(path))]:
        path = plots.save(plots.curves(curves), folder, f"{name}-curves")
        found.append(_picture(path, f"losses: mean and range over {len(runs)} seeds"))
    first, record = min(runs, key=lambda run: run[1]["seed"])
    seed = f"seed {record['seed']}"
    for picture, caption in RUN_PICTURES.items():
        if (path := first / f"{picture}.png").is_file():
            found.append(_picture(path, f"{caption}, {seed}"))
    split, metrics = compared_split(record), compared_metrics(record)
    if "confusion" in metrics:
        path = plots.save(plots.confusion(metrics["confusion"]), folder, f"{name}-confusion")
        where = "" if split == "all" else f" on the {split} split"
        found.append(_picture(path, f"classes and clusters{where}, {seed}"))
    if (figure := plots.embedding(first / "embedding.npz")) is not None:
        found.append(
            _picture(
                plots.save(figure, folder, f"{name}-embedding"), f"embedding, coloured by cluster, {seed}"
            )
        )
    return found


def _overall(results: Path, records: Sequence[Record]) -> list[dict[str, Any]]:
    found = []
    for budget in sorted({r["key"]["budget"] for r in records}):
        table = significance.overall_table(records, budget)
        title = f"Ranking, {budget} budget"
        if isinstance(table, str):
            found.append({"title": title, "reason": table})
            continue
        part = _table(table, title, {}, _tables_command(results))
        scores, _ = significance.comparable(records, budget)
        datasets = len(next(iter(scores.values())))
        if datasets >= DIAGRAM_DATASETS and len(scores) > 2:
            ranks = dict(zip(table.values["model"], table.values["rank"], strict=True))
            width = statistics.critical_difference(len(ranks), datasets)
            figure = plots.critical_difference_diagram(ranks, width, datasets)
            path = plots.save(figure, results / "figures", f"overall-{budget}-critical-difference")
            p = statistics.friedman_test(
                np.array([[x.mean() for x in by_dataset.values()] for by_dataset in scores.values()])
            )
            part["picture"] = _picture(
                path, f"critical-difference diagram (Friedman test: p = {p:.2g}; Nemenyi test at 5 %)"
            )
        found.append(part)
        if (pairs := significance.pairwise_table(records, budget)) is not None:
            found.append(_table(pairs, f"Pairs of models, {budget} budget", {}, _tables_command(results)))
    return found


def _papers(results: Path, records: Sequence[Record]) -> list[dict[str, Any]]:
    found = []
    for paper in published.papers().values():
        datasets = list(dict.fromkeys(n.dataset for n in published.numbers() if n.paper == paper and n.model))
        runs = "\n".join(f"make bench PAPER={paper.name} DATASET={d}" for d in datasets)
        for table in paper_tables(paper, records):
            command = f"{runs}\n{_tables_command(results, f'--paper {paper.name}')}"
            found.append(
                _table(table, table.heading.strip("# "), {}, command)
                | {"open": bool(table.values["n"].sum())}
            )
    for study in studies().values():
        for table in study_tables(study, records):
            command = f"make bench STUDY={study.name}\n{_tables_command(results, f'--study {study.name}')}"
            found.append(_table(table, table.heading.strip("# "), {}, command) | {"open": True})
    return found


def _failure(folder: Path, record: Record) -> dict[str, str]:
    log = folder / "log.txt"
    lines = log.read_text("utf-8", "replace").splitlines()[-LOG_LINES:] if log.is_file() else []
    key = record["key"]
    title = (
        f"{key['dataset']}, {key['model']}, {key['protocol']} protocol, {key['budget']} budget, seed"
        f" {record['seed']}"
    )
    return {
        "title": title,
        "status": record["status"],
        "error": str(record.get("error", "")),
        "log": "\n".join(lines),
    }


def _records(results: Path, found: Runs) -> list[dict[str, Any]]:
    """One block per digest, a row per record: where the numbers come from."""
    groups: dict[str, Runs] = {}
    for folder, record in found:
        groups.setdefault(record["digest"], []).append((folder, record))
    blocks = []
    for digest, runs in groups.items():
        key = runs[0][1]["key"]
        rows = []
        for folder, record in sorted(runs, key=lambda run: run[1]["seed"]):
            row = _record_row(record) | {"record": str(folder.relative_to(results) / "record.json")}
            failed = "" if record["status"] == "ok" else "failed"
            rows.append(
                [
                    {"text": text, "classes": failed if name == "status" else "", "link": "", "key": None}
                    for name, text in row.items()
                ]
            )
        made = f"{key['dataset']}, {key['model']}, {key['protocol']} protocol, {key['budget']} budget"
        title = f"{made}: {_count(len(runs), 'record')}"
        blocks.append(
            {
                "id": f"record-{digest}",
                "title": f"{title}, digest {digest}",
                "config": json.dumps(key["config"]),
                "rows": rows,
                "columns": [{"name": name, "number": False} for name in row],
                "notes": [],
                "commands": "",
            }
        )
    return blocks


def _record_row(record: Record) -> dict[str, str]:
    made = record.get("provenance", {})
    accuracy = score(record)
    return {
        "seed": str(record["seed"]),
        "status": record["status"],
        "ACC": DASH if accuracy is None else f"{accuracy:.4f}",
        "seconds": f"{sum(record.get('seconds', {}).values()):.1f}",
        "started": str(record.get("started", DASH)),
        "commit": (
            f"{made['commit'][:7]}{' (changed)' if made.get('dirty') else ''}" if made.get("commit") else DASH
        ),
        "machine": str(made.get("gpu") or made.get("cpu") or DASH),
        "versions": (
            ", ".join(f"{name} {version}" for name, version in made.get("packages", {}).items()) or DASH
        ),
    }


def _table(table: Table, title: str, anchors: Mapping[str, str], commands: str) -> dict[str, Any]:
    """A table as the template takes it; names of models in the first column link to their records."""
    columns = [
        {"name": str(name), "number": i >= table.numbers_from} for i, name in enumerate(table.shown.columns)
    ]
    rows = []
    for values in table.shown.itertuples(index=False):
        cells = []
        for i, value in enumerate(values):
            text = str(value)
            classes = ["number"] if i >= table.numbers_from else []
            classes += ["memory"] if MEMORY in text else []
            cells.append(
                {
                    "text": text,
                    "classes": " ".join(classes),
                    "link": anchors.get(text, "") if i == 0 else "",
                    "key": value.mean if isinstance(value, Value) and not math.isnan(value.mean) else None,
                }
            )
        rows.append(cells)
    return {"title": title, "columns": columns, "rows": rows, "notes": table.notes, "commands": commands}


def _run_command(dataset: str, protocol: str, budget: str, records: Sequence[Record]) -> str:
    """The commands that plan exactly these runs, one for each way in which they were asked for."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        asked = record.get("asked", {"dataset": dataset, "plugins": [], "standardise": True})
        settings = dict(record.get("overrides", {}))
        clusters = None
        if asked["plugins"] or asked["dataset"].endswith(".npz"):  # which may have no labels that tell K
            clusters = record["key"]["config"]["n_clusters"]
            settings.pop("n_clusters", None)
        model = record["key"]["model"] if settings else None
        groups.setdefault(json.dumps([asked, settings, clusters, model]), []).append(record)
    lines = []
    for text, group in sorted(groups.items(), key=lambda item: (len(item[0]), item[0])):
        asked, settings, clusters, _ = json.loads(text)
        models = sorted({r["key"]["model"] for r in group})
        variables = {
            "DATASET": asked["dataset"],
            "PROTOCOL": "" if protocol == "neutral" else protocol,
            "MODELS": ",".join(models),
            "SEEDS": max(r["seed"] for r in group) + 1,
            "BUDGET": budget,
            "CLUSTERS": clusters or "",
            "PLUGIN": next(iter(asked["plugins"]), ""),
        }
        options = [word for plugin in asked["plugins"][1:] for word in ("--plugin", plugin)]
        options += [] if asked["standardise"] else ["--no-standardise"]
        for name, value in settings.items():
            options += ["--set", f"{models[0]}.{name}={as_typed(value)}"]
        variables["ARGS"] = shlex.join(options)
        given = [f"{name}={shlex.quote(str(value))}" for name, value in variables.items() if value != ""]
        lines.append(" ".join(["make bench", *given]))
    return "\n".join(lines)


def _tables_command(results: Path, options: str = "") -> str:
    arguments = f" RESULTS={shlex.quote(str(results))}" if str(results) != "results" else ""
    return f"make tables{arguments}" + (f' ARGS="{options}"' if options else "")


def _picture(path: Path, caption: str) -> dict[str, str]:
    data = base64.b64encode(path.read_bytes()).decode()
    return {"data": f"data:image/png;base64,{data}", "caption": caption}


def _count(n: int, what: str) -> str:
    return f"{n} {what}" + ("" if n == 1 else "s")


def _slug(name: str) -> str:
    return re.sub(r"[^\w.]+", "-", name).strip("-")


def run_costs(records: Sequence[Record], names: Mapping[str, str]) -> dict[str, list[tuple[float, float]]]:
    """{row name: [(seconds, ACC)]} of the runs that have both."""
    found: dict[str, list[tuple[float, float]]] = {}
    for record in records:
        if (value := score(record)) is not None:
            found.setdefault(names[record["digest"]], []).append((sum(record["seconds"].values()), value))
    return found
