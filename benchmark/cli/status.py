"""`status`: what has ended, runs, waits or failed under a results folder, on this machine and on SLURM.
Imports no torch.
"""

import argparse
import contextlib
import os
import platform
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.errors import UserError
from benchmark.records.run import Run
from benchmark.records.store import all_records
from benchmark.running import submissions
from benchmark.running.executors import slurm_queue

SILENT_SECONDS = 120.0  # without a sign of life for so long, a run is not taken to be running
SHOWN = 20  # lines of a kind, the rest is counted


@dataclass(frozen=True)
class State:
    """How a run is.

    Attributes:
        kind: a record's status; "running"; "pending" in a queue; or "lost": handed out, but nothing works on
        it any more.
        detail: progress of a run, why one waits, the error of one that failed.
    """

    folder: Path
    title: str
    kind: str
    detail: str


def states(results: Path) -> list[State]:
    """The state of every run that has a record or was handed out."""
    results = results.absolute()
    found: dict[Path, State] = {}
    for folder, record in all_records(results):
        found[folder] = State(folder, _title(folder), record["status"], record.get("error", ""))
    queue = slurm_queue.ask(results)
    for submission in submissions.read_all(results):
        for folder in (folder for task in submission.folders(results) for folder in task):
            state = _unfinished(submission, folder, queue, found.get(folder))
            if state is not None:
                found[folder] = state
    return list(found.values())


def _unfinished(
    submission: submissions.Submission, folder: Path, queue: slurm_queue.Queue, ended: State | None
) -> State | None:
    """The state of a run that was handed out and may have ended since; None if it has, and its record
    stands.
    """
    entry = queue.entries.get(folder)
    if ended is not None and (ended.kind != "interrupted" or entry is None):
        return None
    title, sign = _title(folder), submissions.sign_of_life(folder)
    if sign is not None and sign["age"] < SILENT_SECONDS:
        return State(folder, title, "running", _progress(sign, entry.job if entry else None))
    if entry is not None:
        kind = "running" if entry.running else "pending"
        return State(
            folder, title, kind, f"job {entry.job}: {entry.reason if kind == 'pending' else 'starts or ends'}"
        )
    if submission.executor == "slurm" and queue.unknown:
        return State(folder, title, "pending", f"SLURM's queue can't be asked: {queue.unknown}")
    if submission.executor == "slurm":
        job, log = queue.job_of(folder)
        return State(folder, title, "lost", f"job {job} is not in SLURM's queue; see {log}")
    if submission.host == platform.node() and not _is_alive(submission.pid):
        return State(
            folder,
            title,
            "lost",
            f"its sweep, that began {submission.started}, was killed; the same command goes on",
        )
    where = f"of the sweep on {submission.host} that began {submission.started}"
    return State(folder, title, "pending", where)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is another user's
        pass
    return True


def print_status(options: argparse.Namespace) -> int:
    """Print the states, failures with their reason and log."""
    results: Path = options.results
    found = states(results)
    counts = Counter(state.kind for state in found)
    summary = ", ".join(
        f"{counts[kind]} {kind}" for kind in sorted(counts, key=lambda kind: (kind != "ok", kind))
    )
    print(
        f"{results}: {len(found)} runs"
        + (f": {summary}" if found else "; `python -m benchmark run` makes some")
    )
    for kind in sorted(counts.keys() - {"ok"}):
        print(kind)
        these = [state for state in found if state.kind == kind]
        if kind == "pending":
            for why, count in Counter(_without_task(state.detail) for state in these).most_common():
                print(f"  {count} run{'s' if count > 1 else ''}: {why}")
            continue
        for state in these[:SHOWN]:
            print(f"  {state.title:<34} {state.detail}")
            if kind != "running":
                print(f"  {'':<34} {state.folder / 'log.txt'}")
        if len(these) > SHOWN:
            print(f"  and {len(these) - SHOWN} more")
    return 0


def _without_task(detail: str) -> str:
    """ "job 12_3: Resources" as "job 12: Resources", to count equal reasons of an array."""
    job, colon, reason = detail.partition(":")
    return job.split("_")[0] + colon + reason if job.startswith("job ") else detail


def _progress(sign: dict[str, Any], job: str | None) -> str:
    share = f"{100 * sign['done'] / sign['total']:.0f}%" if sign["total"] else "0%"
    losses = "".join(f", {name} {value:.4g}" for name, value in list(sign["losses"].items())[:2])
    where = f"job {job} on {sign['host']}" if job else f"on {sign['host']}"
    return f"{share:>4} {sign['stage']}{losses}; {where}, seen {sign['age']:.0f} s ago"


def _title(folder: Path) -> str:
    """The title of a run; where its file is not there or can't be read, as beside bare records, from the
    names of its folders: data set / model / digest / seed-n.
    """
    with contextlib.suppress(OSError, ValueError, UserError):
        return Run.read(folder).title
    dataset, model, _, seed = folder.parts[-4:]
    return f"{dataset} {model} {seed.replace('-', ' ')}"
