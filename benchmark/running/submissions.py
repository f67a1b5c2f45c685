"""Which runs were handed out and to whom: one file per submission, so that `status` and other machines need
no living process.

results/submissions/<name>.json     while a submission has runs that have not ended (`Submission`)
results/submissions/<name>/         what SLURM's jobs of that submission print, and what submitit keeps
<run's folder>/progress.json  while the run runs, renewed every few seconds
"""

import json
import os
import platform
import secrets
import shutil
import time
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmark.files import write_atomically
from benchmark.records.store import read_record

FOLDER = "submissions"
PREFIX = "dgc-"


@dataclass(frozen=True)
class Submission:
    """Runs that were handed to an executor.

    Attributes:
        name: of the file; on SLURM also of the jobs, by which the queue is asked.
        executor: "local" or "slurm".
        host, pid: of the process that handed them out.
        tasks: the runs' folders, relative to the results folder, as they run together.
        job: SLURM's number of the array; None until it is known.
    """

    name: str
    executor: str
    host: str
    pid: int
    started: str
    tasks: list[list[str]]
    job: str | None = None

    def folders(self, results: Path) -> list[list[Path]]:
        return [[results / folder for folder in task] for task in self.tasks]

    def write(self, results: Path) -> None:
        (results / FOLDER).mkdir(parents=True, exist_ok=True)
        write_atomically(results / FOLDER / f"{self.name}.json", json.dumps(asdict(self)))

    def forget(self, results: Path) -> None:
        (results / FOLDER / f"{self.name}.json").unlink(missing_ok=True)


def new(results: Path, executor: str, tasks: list[list[Path]]) -> Submission:
    """Write down a new submission. A machine has one local submission at a time per results folder, so the
    next replaces it.
    """
    name = f"{executor}-{platform.node()}" if executor == "local" else PREFIX + secrets.token_hex(4)
    relative = [[str(folder.relative_to(results)) for folder in task] for task in tasks]
    started = datetime.now().astimezone().isoformat(timespec="seconds")
    submission = Submission(name, executor, platform.node(), os.getpid(), started, relative)
    submission.write(results)
    return submission


def read_all(results: Path) -> list[Submission]:
    """All submissions that are written down, in the order of their start."""
    found = []
    for path in (results / FOLDER).glob("*.json"):
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:  # it has just ended
            continue
        values.pop("user", None)  # of earlier versions
        found.append(Submission(**values))
    return sorted(found, key=lambda submission: submission.started)


def sign_of_life(folder: Path) -> dict[str, Any] | None:
    """Contents of the progress.json of a run in progress, and the seconds since it was written as "age"; None
    if there is none.
    """
    path = folder / "progress.json"
    try:
        sign = json.loads(path.read_text(encoding="utf-8"))
        age = max(0.0, time.time() - os.stat(path).st_mtime)
    except FileNotFoundError:
        return None
    return {"stage": "start", "step": 0, "steps": 0, "done": 0, "total": 0, "losses": {}, **sign, "age": age}


def forget_ended(results: Path, queued: Collection[Path]) -> None:
    """Remove SLURM submissions without a job in the queue whose runs all have records; the jobs' output stays
    if one failed.
    """
    for submission in read_all(results):
        folders = [folder for task in submission.folders(results) for folder in task]
        if submission.executor != "slurm" or any(folder in queued for folder in folders):
            continue
        records = [read_record(folder) for folder in folders]
        if all(records):
            submission.forget(results)
            if all(record["status"] == "ok" for record in records if record):
                shutil.rmtree(results / FOLDER / submission.name, ignore_errors=True)
