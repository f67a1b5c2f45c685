"""Records: one JSON file per cell, and the tidy table made from all of them. Imports no torch."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.errors import UserError

SCHEMA = 1
STATUSES = ("ok", "failed", "diverged", "out_of_memory", "timed_out", "interrupted")

Record = dict[str, Any]


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all, also when the disk is full or the power goes."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(temporary, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def write_record(folder: Path, record: Record) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "record.json", json.dumps({"schema": SCHEMA, **record}, indent=1))


def read_record(folder: Path) -> Record | None:
    """The record in a cell's folder; None if the cell has not ended yet.

    Raises:
        UserError: the file is not a record, or was written by a newer version.
    """
    path = folder / "record.json"
    try:
        record = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} can't be read as a record ({error}); delete it to run its cell again") from error
    if not isinstance(record, dict) or record.get("status") not in STATUSES:
        raise UserError(f"{path} is not a record of this suite; delete it to run its cell again")
    if record.get("schema", 0) > SCHEMA:
        raise UserError(f"{path} has schema {record['schema']}, this version reads up to {SCHEMA}; update dgcbench")
    return record


def all_records(results: Path) -> Iterator[tuple[Path, Record]]:
    """(folder, record) of every cell under a results folder, in the order of the paths."""
    for path in sorted((results / "runs").glob("*/*/*/seed-*/record.json")):
        record = read_record(path.parent)
        if record is not None:
            yield path.parent, record


def table(records: list[Record]) -> pd.DataFrame:
    """One row per record, split and assignment rule; a run that did not end well has one row without metrics."""
    rows = []
    for record in records:
        common = {
            **{k: record["key"][k] for k in ("dataset", "model", "budget", "protocol")},
            "digest": record["digest"],
            "seed": record["seed"],
            "status": record["status"],
            "seconds": sum(record.get("seconds", {}).values()),
            "device": record.get("provenance", {}).get("device"),
        }
        splits = record.get("metrics") or {None: {None: {}}}
        for split, rules in splits.items():
            for i, (rule, metrics) in enumerate(rules.items()):
                scalars = {k: v for k, v in metrics.items() if not isinstance(v, list)}
                rows.append({**common, "split": split, "rule": rule, "default_rule": i == 0, **scalars})
    return pd.DataFrame(rows)
