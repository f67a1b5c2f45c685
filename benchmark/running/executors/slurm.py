"""Makes runs on a SLURM cluster, through submitit: one array job per submission, one local executor per array
task.

    the front end    submits, then follows; it holds no state and can be closed and started again at any time
    an array task    `NodeTask`: makes its runs with the LocalExecutor
    between them     records, signs of life, and a file per array that says which runs its tasks are
                     (`benchmark.running.submissions`); SLURM's queue says which tasks are waiting or running

Whatever ends a job early, the next sitting continues each run from its checkpoint: submitit requeues a job
that runs out of time or is preempted; SLURM requeues it when its node dies; after `scancel`, the next `run`
submits the run again.
"""

import contextlib
import dataclasses
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmark.errors import UserError
from benchmark.records.provenance import now
from benchmark.records.run import Record, Run
from benchmark.records.store import ended_well, read_record, write_first_record, write_record
from benchmark.running import submissions
from benchmark.running.executors import slurm_queue
from benchmark.running.executors.local import LOG_TAIL_LINES
from benchmark.running.executors.slurm_options import SlurmOptions
from benchmark.running.executors.slurm_queue import Queue
from benchmark.running.executors.slurm_task import NodeTask, Work
from benchmark.running.hold import only_sweep

POLL_SECONDS = float(os.environ.get("DGCBENCH_SLURM_POLL", 10))  # between two questions to SLURM's queue
UNSEEN_SECONDS = 60.0  # a record on a shared file system may take so long to be seen on another machine


class SlurmExecutor:
    """Hands runs to SLURM and follows them.

    Args:
        results: the results folder; all nodes must see it under the same path.
        time_limit: seconds a run may run in one sitting, as for the LocalExecutor.
    """

    def __init__(self, results: Path, options: SlurmOptions, time_limit: float | None):
        self.results, self.options, self.time_limit = results.absolute(), options, time_limit

    def run(
        self,
        runs: Sequence[Run],
        on_start: Callable[[Run], None],
        on_progress: Callable[[Run, dict[str, Any]], None],
        on_end: Callable[[Run, Record], None],
    ) -> None:
        """Submit the runs that are not in SLURM's queue, and return when all have ended.

        On KeyboardInterrupt the jobs go on without this process.
        """
        self.submit(runs)
        try:
            self._follow(runs, on_start, on_progress, on_end)
        except KeyboardInterrupt:
            print("the jobs go on in SLURM's queue; `python -m benchmark status` shows them", file=sys.stderr)
            raise

    def submit(self, runs: Sequence[Run]) -> None:
        """Submit those runs that are not in SLURM's queue already, and have not ended well meanwhile.

        Raises:
            UserError: SLURM or submitit is not here, the nodes do not see the results folder, or SLURM
            refuses the jobs.
        """
        require_slurm()
        with only_sweep(self.results):
            queued = queued_folders(self.results)
            new = [
                run
                for run in runs
                if (folder := run.folder(self.results)) not in queued and not ended_well(read_record(folder))
            ]
            if new:
                slurm_queue.probe(self.results, self.options, new[0])
                previous = None
                for tasks in self.arrays(new):
                    previous = self._submit_array(tasks, previous)

    def arrays(self, runs: Sequence[Run]) -> list[list[Work]]:
        """The runs as arrays of tasks: `per_gpu` runs of one model in a task, no array larger than SLURM
        allows.
        """
        tasks: list[Work] = []
        model = None
        for run in runs:
            if run.key["model"] != model or len(tasks[-1]) == self.options.per_gpu:
                model = run.key["model"]
                tasks.append([])
            tasks[-1].append((vars(run), str(run.folder(self.results))))
        size = slurm_queue.max_array_size()
        return [tasks[i : i + size] for i in range(0, len(tasks), size)]

    def scripts(self, runs: Sequence[Run]) -> list[str]:
        """The sbatch scripts that `submit` would submit, except for their names."""
        from submitit.slurm.slurm import _make_sbatch_string

        found = []
        for number, tasks in enumerate(self.arrays(runs)):
            name, previous = f"{submissions.PREFIX}NAME{number}", f"JOB{number - 1}" if number else None
            folder = self.results / submissions.FOLDER / name
            command = f"{sys.executable} -u -m submitit.core._submit {folder}"
            count = len(tasks) if len(tasks) > 1 else None
            parameters = self.options.parameters(name, tasks[0][0][0]["key"]["threads"], previous)
            found.append(_make_sbatch_string(command=command, folder=folder, map_count=count, **parameters))
        return found

    def _submit_array(self, tasks: list[Work], previous: str | None) -> str:
        """Submit one array, to start after the array `previous`; returns its job's number."""
        import submitit
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        folders = [[Path(folder) for _, folder in work] for work in tasks]
        for folder in (folder for task in folders for folder in task):
            # an older failure must not be taken for this run's outcome
            (folder / "record.json").unlink(missing_ok=True)
        # Written first: the name finds the jobs in the queue, even if this process dies before it knows their
        # number.
        submission = submissions.new(self.results, "slurm", folders)
        try:
            folder = self.results / submissions.FOLDER / submission.name
            executor = submitit.SlurmExecutor(folder, max_num_timeout=self.options.requeues)
            executor.update_parameters(
                **self.options.parameters(submission.name, tasks[0][0][0]["key"]["threads"], previous)
            )
            task = NodeTask(self.time_limit, self.options.requeues, self.options.minutes)
            with contextlib.redirect_stderr(None):  # submitit prints sbatch's error, and raises it, too
                jobs = executor.map_array(task, tasks)
        except (FailedJobError, FailedSubmissionError) as error:
            submission.forget(self.results)
            raise UserError(
                f"SLURM refused {len(tasks)} jobs: {error}; what was queued before stays queued, the same"
                " command submits the rest when there is room"
            ) from None
        submission = dataclasses.replace(submission, job=jobs[0].job_id.split("_")[0])
        submission.write(self.results)
        print(f"submitted {len(tasks)} jobs as {submission.job} ({submission.name})", file=sys.stderr)
        return str(submission.job)

    def _follow(
        self,
        runs: Sequence[Run],
        on_start: Callable[[Run], None],
        on_progress: Callable[[Run, dict[str, Any]], None],
        on_end: Callable[[Run, Record], None],
    ) -> None:
        """Pass on starts, progress and ends until all runs have ended."""
        waiting = {run.folder(self.results): run for run in runs}
        started: set[Path] = set()
        unseen: dict[Path, float] = {}  # when a run was first found to have neither a job nor a record
        while waiting:
            queue = slurm_queue.ask(self.results)
            for folder, run in list(waiting.items()):
                entry = queue.entries.get(folder)
                if entry is not None or queue.unknown:
                    unseen.pop(folder, None)
                    if entry is not None and entry.running:
                        if folder not in started:
                            started.add(folder)
                            on_start(run)
                        if sign := submissions.sign_of_life(folder):
                            on_progress(run, sign)
                    continue
                record = read_record(folder)
                if (
                    record is None
                    and time.monotonic() - unseen.setdefault(folder, time.monotonic()) < UNSEEN_SECONDS
                ):
                    continue
                del waiting[folder]
                if folder not in started:
                    on_start(run)
                if record is None or record["status"] == "interrupted":
                    record = self._explained(run, folder, queue, record)
                on_end(run, record)
            if waiting:
                time.sleep(POLL_SECONDS)
        if not (queue := slurm_queue.ask(self.results)).unknown:
            submissions.forget_ended(self.results, queue.entries)

    def _explained(self, run: Run, folder: Path, queue: Queue, record: Record | None) -> Record:
        """The record of a run whose job ended too early, with what SLURM says about it."""
        job, log = queue.job_of(folder)
        status, reason = slurm_queue.why_ended(job)
        if record is None:
            tail = (
                log.read_text("utf-8", "replace").splitlines()[-LOG_TAIL_LINES:]
                if log and log.is_file()
                else []
            )
            error = f"{reason}, and left no record"
            # when it began, nobody can say any more
            record = run.record(status, error=error, log_tail=tail, started=now())
            write_first_record(folder, record)
            return read_record(folder) or record
        record["error"] += f"; {reason}"
        write_record(folder, record)
        return record


def require_slurm() -> None:
    for program in ("sbatch", "squeue", "srun", "scontrol"):
        if shutil.which(program) is None:
            raise UserError(
                f"SLURM is not here: there is no {program} on PATH; log in to the cluster, or leave"
                " --executor out"
            )
    try:
        import submitit  # noqa: F401
    except ImportError:
        raise UserError("--executor slurm needs submitit; install it with: pip install '.[slurm]'") from None


def queued_folders(results: Path) -> set[Path]:
    """Folders of the runs that have a job in SLURM's queue.

    Raises:
        UserError: the queue can't be asked, so nobody knows.
    """
    queue = slurm_queue.ask(results)
    if queue.unknown:
        raise UserError(
            f"SLURM's queue can't be asked ({queue.unknown}), and may hold jobs of this results folder; try"
            " again"
        )
    return set(queue.entries)
