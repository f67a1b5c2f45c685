"""Where the page's numbers come from: what failed and why, and every record. Imports no torch."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.records.run import Record
from benchmark.records.select import score
from benchmark.report.cells import Cell, Column
from benchmark.tables.table import DASH

LOG_LINES = 40


@dataclass(frozen=True)
class Failure:
    """A run that did not end well, with the end of its log."""

    title: str
    status: str
    error: str
    log: str


@dataclass(frozen=True)
class Block:
    """The records of one configuration; names of models in tables lead to its `id`."""

    id: str
    title: str
    config: str
    columns: list[Column]
    rows: list[list[Cell]]
    notes: tuple[str, ...] = ()
    commands: str = ""


def summary(records: Sequence[Record]) -> tuple[str, list[str]]:
    """One sentence, and the commits that the runs were made with."""
    commits = {r["provenance"]["commit"][:7] for r in records if r.get("provenance", {}).get("commit")}
    dates = sorted(r["started"][:10] for r in records if r.get("started"))
    good = sum(r["status"] == "ok" for r in records)
    text = f"{_count(len(records), 'run')}, {good} of them ended well"
    if dates:
        text += f"; made on {dates[0]}" if dates[0] == dates[-1] else f"; made from {dates[0]} to {dates[-1]}"
    return f"{text}.", sorted(commits)


def failures(found: Sequence[tuple[Path, Record]]) -> list[Failure]:
    """Every run that did not end well."""
    return [_failure(folder, record) for folder, record in found if record["status"] != "ok"]


def _failure(folder: Path, record: Record) -> Failure:
    log = folder / "log.txt"
    lines = log.read_text("utf-8", "replace").splitlines()[-LOG_LINES:] if log.is_file() else []
    title = f"{_made(record)}, seed {record['seed']}"
    return Failure(title, record["status"], str(record.get("error", "")), "\n".join(lines))


def blocks(results: Path, found: Sequence[tuple[Path, Record]]) -> list[Block]:
    """One block per digest, a row per record."""
    groups: dict[str, list[tuple[Path, Record]]] = {}
    for folder, record in found:
        groups.setdefault(record["digest"], []).append((folder, record))
    return [_block(results, digest, runs) for digest, runs in groups.items()]


def _block(results: Path, digest: str, runs: Sequence[tuple[Path, Record]]) -> Block:
    first = runs[0][1]
    rows = []
    for folder, record in sorted(runs, key=lambda run: run[1]["seed"]):
        row = _row(record) | {"record": str(folder.relative_to(results) / "record.json")}
        failed = "" if record["status"] == "ok" else "failed"
        rows.append([Cell(text, failed if name == "status" else "") for name, text in row.items()])
    title = f"{_made(first)}: {_count(len(runs), 'record')}, digest {digest}"
    config = json.dumps(first["key"]["config"])
    return Block(f"record-{digest}", title, config, [Column(name) for name in row], rows)


def _made(record: Record) -> str:
    key = record["key"]
    return f"{key['dataset']}, {key['model']}, {key['protocol']} protocol, {key['budget']} budget"


def _row(record: Record) -> dict[str, str]:
    made = record.get("provenance", {})
    accuracy = score(record)
    commit = (
        f"{made['commit'][:7]}{' (changed)' if made.get('dirty') else ''}" if made.get("commit") else DASH
    )
    versions = ", ".join(f"{name} {version}" for name, version in made.get("packages", {}).items())
    return {
        "seed": str(record["seed"]),
        "status": record["status"],
        "ACC": DASH if accuracy is None else f"{accuracy:.4f}",
        "seconds": f"{sum(record.get('seconds', {}).values()):.1f}",
        "CPU seconds": f"{sum(record['cpu_seconds'].values()):.1f}" if "cpu_seconds" in record else DASH,
        "started": str(record.get("started", DASH)),
        "commit": commit,
        "machine": str(made.get("gpu") or made.get("cpu") or DASH),
        "versions": versions or DASH,
    }


def _count(n: int, what: str) -> str:
    return f"{n} {what}" + ("" if n == 1 else "s")
