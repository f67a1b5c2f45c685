"""Questions to SLURM: which runs have jobs, why a job ended, how large an array may be, and what the nodes
can see.
"""

import hashlib
import os
import re
import secrets
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmark.errors import UserError
from benchmark.records.run import Run
from benchmark.running import submissions
from benchmark.running.executors.slurm_options import SlurmOptions

ANSWER_SECONDS = 60
DEFAULT_ARRAY_SIZE = 1000
RUNNING = ("RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT")
# SLURM's state of an ended job: the run's status. Whatever is not here ends a job that the next `run` submits
# again.
STATUS = {
    "TIMEOUT": "timed_out",
    "DEADLINE": "timed_out",
    "OUT_OF_MEMORY": "out_of_memory",
    "FAILED": "failed",
    "COMPLETED": "failed",
}


@dataclass(frozen=True)
class Entry:
    """A job in the queue."""

    job: str  # "12_3" of an array
    state: str
    reason: str  # why it waits

    @property
    def running(self) -> bool:
        return self.state in RUNNING


@dataclass(frozen=True)
class Queue:
    """SLURM's queue, as far as it concerns a results folder.

    Attributes:
        entries: by the folder of the run.
        unknown: why the queue could not be asked; "" if it could.
    """

    results: Path
    handed_out: list[submissions.Submission]
    entries: dict[Path, Entry]
    unknown: str = ""

    @cached_property
    def _jobs(self) -> dict[Path, tuple[str | None, Path | None]]:
        found: dict[Path, tuple[str | None, Path | None]] = {}
        for submission in self.handed_out:  # a run may be in several: the latest counts
            for index, task in enumerate(submission.folders(self.results)):
                job = (
                    submission.job
                    if len(submission.tasks) == 1 or submission.job is None
                    else f"{submission.job}_{index}"
                )
                log = (
                    self.results / submissions.FOLDER / submission.name / f"{job}_0_log.out" if job else None
                )
                found |= dict.fromkeys(task, (job, log))
        return found

    def job_of(self, folder: Path) -> tuple[str | None, Path | None]:
        """(job, file with its output) of a run's last job, whether it is in the queue or not."""
        return self._jobs.get(folder, (None, None))


def ask(results: Path) -> Queue:
    """SLURM's queue, for all submissions of a results folder."""
    handed_out = [
        submission for submission in submissions.read_all(results) if submission.executor == "slurm"
    ]
    if not handed_out:
        return Queue(results, [], {})
    names = ",".join(submission.name for submission in handed_out)
    code, lines, error = _call(
        "squeue", f"--name={names}", "--array", "--noheader", "--format=%j|%K|%i|%T|%r"
    )
    if code:
        return Queue(results, handed_out, {}, error or f"squeue ended with code {code}")
    tasks = {submission.name: submission.folders(results) for submission in handed_out}
    entries = {}
    for line in lines.splitlines():
        name, index, job, state, reason = line.split("|", 4)
        for folder in tasks[name][int(index) if index.isdecimal() else 0]:
            entries[folder] = Entry(job, state, reason)
    return Queue(results, handed_out, entries)


def why_ended(job: str | None) -> tuple[str, str]:
    """(status, reason) of a job that is gone. Clusters without accounting remember it for some minutes
    only.
    """
    if job is None:
        return "interrupted", "its job left SLURM's queue, and its number is not known"
    code, text, _ = _call(
        "sacct", "--allocations", "--noheader", "--parsable2", "--format=State,ExitCode", f"--jobs={job}"
    )
    state, _, exit_code = (text.splitlines() or [""])[0].partition("|")
    if code or not state:
        _, text, _ = _call("scontrol", "--oneliner", "show", "job", job)
        fields = dict(re.findall(r"(\w+)=(\S+)", text))
        state, exit_code = fields.get("JobState", ""), fields.get("ExitCode", "")
    if not state:
        return "interrupted", f"SLURM job {job} ended, and SLURM no longer knows why"
    status = STATUS.get(state.split()[0], "interrupted")
    return status, f"SLURM job {job} ended as {state}, exit code {exit_code}"


def max_array_size() -> int:
    """The number of tasks that one array may have."""
    _, text, _ = _call("scontrol", "show", "config")
    match = re.search(r"^MaxArraySize\s*=\s*(\d+)", text, re.MULTILINE)
    return max(1, int(match[1])) if match else DEFAULT_ARRAY_SIZE


def probe(results: Path, options: SlurmOptions, run: Run) -> None:
    """Let a node say whether it can run runs: it must see the results folder and the data, and have Python
    and a GPU.

    Once per results folder and set of options; a probe that went well is remembered.

    Raises:
        UserError: the node can't, or SLURM gives no node on these terms.
    """
    terms = repr((options, run.device, sys.executable, os.environ.get("DGCBENCH_DATA"), os.getcwd()))
    mark = results / submissions.FOLDER / f".probed-{hashlib.sha256(terms.encode()).hexdigest()[:12]}"
    if mark.exists():
        return
    from benchmark.data import data_folder  # imports torch

    token = results / submissions.FOLDER / f".probe-{secrets.token_hex(8)}"
    token.parent.mkdir(parents=True, exist_ok=True)
    token.touch()
    command = [sys.executable, "-m", "benchmark.running.executors.slurm_probe", str(token), run.device]
    if data_folder().is_dir():
        command.append(str(data_folder()))
    print("asking a node whether it can run runs (a short job; the first time only)", file=sys.stderr)
    # In the shell of an allocation srun would not ask for a node of its own.
    env = {
        name: value for name, value in os.environ.items() if not name.startswith(("SLURM_JOB", "SLURM_STEP"))
    }
    srun = ["srun", "--job-name=dgc-probe", "--ntasks=1", "--time=5", *options.srun_arguments()]
    try:
        found = subprocess.run(
            [*srun, *command],
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
        )
        answered = token.with_suffix(".seen").exists()
    finally:
        token.unlink(missing_ok=True)
        token.with_suffix(".seen").unlink(missing_ok=True)
    if found.returncode or not answered:
        said = "; ".join(line.strip() for line in found.stderr.strip().splitlines()[-4:])
        raise UserError(
            f"nothing was queued: {said or f'what a node wrote into {results} is not to be seen here'}"
        )
    mark.touch()


def _call(*command: str) -> tuple[int, str, str]:
    """(exit code, output, last line of the errors) of a question to SLURM."""
    try:
        found = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=ANSWER_SECONDS
        )
    except FileNotFoundError:
        return 127, "", f"there is no {command[0]} on this machine"
    except subprocess.TimeoutExpired:
        return 124, "", f"{command[0]} did not answer within {ANSWER_SECONDS} s"
    return found.returncode, found.stdout, (found.stderr.strip().splitlines() or [""])[-1]
