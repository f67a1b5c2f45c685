"""Which cells were handed out and to whom: one file per sweep, so that `status` and other machines need no living process.

    results/sweeps/<name>.json     while a sweep has cells that have not ended (`Sweep`)
    results/sweeps/<name>/         what SLURM's jobs of that sweep print, and what submitit keeps
    <cell's folder>/progress.json  while the cell runs, renewed every few seconds
"""

import getpass
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

from benchmark.results import read_record, write_atomically

FOLDER = "sweeps"
PREFIX = "dgc-"


@dataclass(frozen=True)
class Sweep:
    """Cells that were handed to an executor.

    Attributes:
        name: of the file; on SLURM also of the jobs, by which the queue is asked.
        executor: "local" or "slurm".
        host, pid, user: of the process that handed them out.
        tasks: the cells' folders, relative to the results folder, as they run together.
        job: SLURM's number of the array; None until it is known.
    """

    name: str
    executor: str
    host: str
    pid: int
    user: str
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


def new(results: Path, executor: str, tasks: list[list[Path]]) -> Sweep:
    """Write down a new sweep. A machine has one local sweep at a time per results folder, so the next replaces it."""
    name = f"{executor}-{platform.node()}" if executor == "local" else PREFIX + secrets.token_hex(4)
    relative = [[str(folder.relative_to(results)) for folder in task] for task in tasks]
    started = datetime.now().astimezone().isoformat(timespec="seconds")
    sweep = Sweep(name, executor, platform.node(), os.getpid(), getpass.getuser(), started, relative)
    sweep.write(results)
    return sweep


def sweeps(results: Path) -> list[Sweep]:
    """All sweeps that are written down, in the order of their start."""
    found = []
    for path in (results / FOLDER).glob("*.json"):
        try:
            found.append(Sweep(**json.loads(path.read_text())))
        except FileNotFoundError:  # it has just ended
            continue
    return sorted(found, key=lambda sweep: sweep.started)


def sign_of_life(folder: Path) -> dict[str, Any] | None:
    """What is in a running cell's progress.json, and the seconds since it was written as "age"; None if there is none."""
    path = folder / "progress.json"
    try:
        sign = json.loads(path.read_text())
        age = max(0.0, time.time() - os.stat(path).st_mtime)
    except FileNotFoundError:
        return None
    return {"stage": "start", "step": 0, "steps": 0, "done": 0, "total": 0, "losses": {}, **sign, "age": age}


def forget_ended(results: Path, queued: Collection[Path]) -> None:
    """Remove SLURM sweeps without a job in the queue whose cells all have records; the jobs' output stays if one failed."""
    for sweep in sweeps(results):
        folders = [folder for task in sweep.folders(results) for folder in task]
        if sweep.executor != "slurm" or any(folder in queued for folder in folders):
            continue
        records = [read_record(folder) for folder in folders]
        if all(records):
            sweep.forget(results)
            if all(record["status"] == "ok" for record in records if record):
                shutil.rmtree(results / FOLDER / sweep.name, ignore_errors=True)
