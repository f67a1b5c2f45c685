"""Records: one JSON file per run, and the tidy table made from all of them. Imports no torch."""

import csv
import json
import os
import platform
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import TypeGuard

import pandas as pd

from benchmark.errors import UserError
from benchmark.files import write_atomically
from benchmark.records.run import Record

SCHEMA = 2
# What two copies of a run must agree in, wherever and whenever they were made.
OUTCOME = (
    "status",
    "key",
    "seed",
    "metrics",
    "diagnostics",
    "parameters",
    "last_losses",
)
CONTINUED = ("interrupted",)  # what an ordinary run goes on with; the other failures need --retry
LEARNING = "learning.csv"  # of a run: metrics at several steps of its training
NEEDED = {"schema", "status", "key", "digest", "seed"}  # in every record
STATUSES = ("ok", "failed", "diverged", "out_of_memory", "timed_out", "interrupted")


def write_record(folder: Path, record: Record) -> None:
    """Write a run's record into its folder, which is made.

    Raises:
        UserError: the path leads through a file.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (NotADirectoryError, FileExistsError):
        raise _file_in_the_way(folder) from None
    write_atomically(folder / "record.json", json.dumps({"schema": SCHEMA, **record}, indent=1))


def write_first_record(folder: Path, record: Record) -> bool:
    """Write a record unless there is one: whoever speaks for a process that is gone must not overrule the
    process itself.

    Returns whether it was written. Linking fails where the name is taken, on every file system and without a
    lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".first.{platform.node()}.{os.getpid()}"
    write_atomically(temporary, json.dumps({"schema": SCHEMA, **record}, indent=1))
    try:
        os.link(temporary, folder / "record.json")
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
    return True


def ended_well(record: Record | None) -> TypeGuard[Record]:
    """Whether there is a record, and its run has ended with a result."""
    return record is not None and record["status"] == "ok"


def read_record(folder: Path) -> Record | None:
    """The record in a run's folder; None if the run has not ended yet.

    Raises:
        UserError: the file is not a record, or was written by a newer version, or the path leads through a
            file.
    """
    path = folder / "record.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        raise _file_in_the_way(folder) from None
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} can't be read as a record ({error}); delete it to run its run again"
        ) from error
    if not isinstance(record, dict) or not record.keys() >= NEEDED or record["status"] not in STATUSES:
        raise UserError(f"{path} is not a record of this suite; delete it to run its run again")
    if record["schema"] > SCHEMA:
        raise UserError(
            f"{path} has schema {record['schema']}, this version reads up to {SCHEMA}; update dgcbench"
        )
    return record if record["schema"] == SCHEMA else _from_schema_1(record)


def _file_in_the_way(folder: Path) -> UserError:
    file = next(path for path in (folder, *folder.parents) if path.exists())  # nothing is below a file
    return UserError(f"{file} is a file, expected a folder; give another one")


def _from_schema_1(record: Record) -> Record:
    """A record as it is written today. Its digest stays: its runs are stale, for code was digested
    otherwise.
    """
    provenance = record.get("provenance", {})
    key = {"device": provenance.get("device"), "threads": provenance.get("threads"), **record["key"]}
    versions = dict(key.get("versions", {}))
    metrics = versions.pop("metrics", None)
    more = {"metrics_version": metrics} if "metrics" in record else {}
    new = {**record, "schema": SCHEMA, "key": {**key, "versions": versions}, **more}
    new["overrides"] = new.pop("by_hand", {})
    if "cells_at_a_time" in provenance:
        new["provenance"] = {k: v for k, v in provenance.items() if k != "cells_at_a_time"}
        new["provenance"]["runs_at_a_time"] = provenance["cells_at_a_time"]
    return new


def roots(results: Path) -> list[Path]:
    """The folders of runs: a results folder's own, and those of results folders copied into its `merged`."""
    return [results / "runs", *sorted(results.glob("merged/*/runs"))]


def find_record(results: list[Path], folder: Path) -> tuple[Path, Record] | None:
    """(folder, record) of a run in several `roots`, by the rule of `all_records`; `folder` is the run's in
    the first of them.
    """
    places = [root / folder.relative_to(results[0]) for root in results]
    copies = [(place, record) for place in places if (record := read_record(place)) is not None]
    return reduce(_that_counts, copies) if copies else None


def all_records(results: Path) -> Iterator[tuple[Path, Record]]:
    """(folder, record) of every run under a results folder, in the order of the paths.

    A run that is there twice counts once if both copies say the same (up to times and hosts). A copy that was
    interrupted, or ended by its machine (out of memory, out of time, failed), yields to one that ended by
    itself.

    Raises:
        UserError: two copies of a run say different things.
    """
    found: dict[tuple[str, int], tuple[Path, Record]] = {}
    for root in roots(results):
        for path in sorted(root.glob("*/*/*/seed-*/record.json")):
            record = read_record(path.parent)
            if record is None:
                continue
            run = (record["digest"], record["seed"])
            copy = (path.parent, record)
            found[run] = _that_counts(found[run], copy) if run in found else copy
    yield from found.values()


def _that_counts(a: tuple[Path, Record], b: tuple[Path, Record]) -> tuple[Path, Record]:
    """Of two copies of a run: one that was made again elsewhere counts before its failure."""
    if _finality(a[1]) != _finality(b[1]):
        return max(a, b, key=lambda copy: _finality(copy[1]))
    if _finality(a[1]) < 2:
        return a
    differing = [name for name in OUTCOME if a[1].get(name) != b[1].get(name)]
    if differing:
        raise UserError(
            f"{a[0]} and {b[0]} are copies of one run with different outcomes ({', '.join(differing)}); "
            "delete the one that shall not count"
        )
    return a


def _finality(record: Record) -> int:
    """2 where the same run ends like this anywhere, 1 where its machine has ended it, 0 where a user has."""
    return {"ok": 2, "diverged": 2, "interrupted": 0}.get(record["status"], 1)


def table(records: list[Record]) -> pd.DataFrame:
    """One row per record, split and assignment rule; a run that did not end well has one row without
    metrics.
    """
    rows = []
    for record in records:
        common = {
            **{k: record["key"][k] for k in ("dataset", "model", "budget", "protocol")},
            "digest": record["digest"],
            "seed": record["seed"],
            "status": record["status"],
            "seconds": sum(record.get("seconds", {}).values()),
            "cpu_seconds": sum(record["cpu_seconds"].values()) if "cpu_seconds" in record else None,
            "device": record.get("provenance", {}).get("device"),
        }
        splits = record.get("metrics") or {None: {None: {}}}
        for split, rules in splits.items():
            for i, (rule, metrics) in enumerate(rules.items()):
                scalars = {k: v for k, v in metrics.items() if not isinstance(v, list)}
                rows.append({**common, "split": split, "rule": rule, "default_rule": i == 0, **scalars})
    return pd.DataFrame(rows)


def read_curves(folder: Path, name: str = "curves.csv") -> list[dict[str, str]]:
    """Rows of a run's curves.csv, or of its learning.csv; none where it is not there."""
    if not (folder / name).is_file():
        return []
    with open(folder / name, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
