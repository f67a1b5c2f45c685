"""Makes runs on a SLURM cluster, through submitit: one array job per submission, one local executor per array
task.

    the front end    submits, then follows; it holds no state and can be closed and started again at any time
    an array task    makes its runs with the LocalExecutor: a run on a node is exactly the run on one's own
                     machine
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
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmark.errors import UserError
from benchmark.records.run import Record, Run
from benchmark.records.store import CONTINUED, read_record, write_first_record, write_record
from benchmark.running import submissions
from benchmark.running.executors import slurm_queue
from benchmark.running.executors.local import LOG_TAIL_LINES, LocalExecutor
from benchmark.running.executors.slurm_options import SlurmOptions
from benchmark.running.executors.slurm_queue import Queue
from benchmark.running.hold import only_sweep

POLL_SECONDS = float(os.environ.get("DGCBENCH_SLURM_POLL", 10))  # between two questions to SLURM's queue
UNSEEN_SECONDS = 60.0  # a record on a shared file system may take so long to be seen on another machine

Work = list[tuple[dict[str, Any], str]]  # of an array task: (run as plain data, its folder)


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
                if (folder := run.folder(self.results)) not in queued and not _ended_well(folder)
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
            record = run.record(status, error=f"{reason}, and left no record", log_tail=tail)
            write_first_record(folder, record)
            return read_record(folder) or record
        record["error"] += f"; {reason}"
        write_record(folder, record)
        return record


class NodeTask:
    """Task of an array, on its node. submitit pickles it, calls it there, and calls `checkpoint` on
    SIGUSR2.

    Args:
        requeues: how many times a job may be started again, for whatever reason.
        minutes: the job's time limit.
    """

    def __init__(self, time_limit: float | None, requeues: int, minutes: int):
        self.time_limit, self.requeues, self.minutes = time_limit, requeues, minutes

    def __call__(self, work: Work) -> None:
        self._started = time.monotonic()
        self._status, self._reason = "interrupted", ""
        runs = [
            (Run(**{**values, "plugins": tuple(values["plugins"])}), Path(folder)) for values, folder in work
        ]
        todo = [(run, folder) for run, folder in runs if not _has_ended(folder)]
        if _restarts() > self.requeues:
            for run, folder in todo:
                error = (
                    f"its job was started again {self.requeues} times and did not end; --retry continues it"
                )
                write_record(folder, run.record("timed_out", error=error))
            return
        folders = dict(runs)
        self._executor = LocalExecutor(
            len(runs),
            self.time_limit,
            _print_start,
            lambda *_: None,
            lambda run, record: self._end(folders[run], record),
        )
        signal.signal(signal.SIGTERM, self._terminate)
        self._executor.run(todo)

    def checkpoint(self, work: Work) -> Any:
        """Have all runs write their checkpoints; returns what is to be done in the next sitting."""
        import submitit

        # SLURM's signal comes up to 3 minutes early
        at_limit = time.monotonic() - self._started > 60 * self.minutes - 180
        why = f"the job's time ({self.minutes} min) is over" if at_limit else "the job was preempted"
        if _restarts() >= self.requeues:
            self._status = "timed_out" if at_limit else "interrupted"
            self._reason = f"{why}, and it was started again {self.requeues} times already"
            raise TimeoutError(self._reason)  # `LocalExecutor.run` stops its runs on the way out
        self._reason = f"{why}; it is started again from here"
        self._executor.stop()
        self._executor.wait_for_processes()
        return submitit.helpers.DelayedSubmission(
            NodeTask(self.time_limit, self.requeues, self.minutes), work
        )

    def _terminate(self, *_: Any) -> None:
        """SLURM ends the job: somebody cancelled it, or it is requeued. SIGKILL will follow."""
        self._reason = self._reason or "SLURM ended the job by SIGTERM (scancel, preemption, or a requeue)"
        self._executor.stop()

    def _end(self, folder: Path, record: Record) -> None:
        if record["status"] == "interrupted" and self._reason:
            record |= {"status": self._status, "error": f"{record['error']}; {self._reason}"}
            write_record(folder, record)
        print(f"{folder}: {record['status']}", flush=True)


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


def _ended_well(folder: Path) -> bool:
    record = read_record(folder)
    return record is not None and record["status"] == "ok"


def _has_ended(folder: Path) -> bool:
    record = read_record(folder)
    return record is not None and record["status"] not in CONTINUED


def _restarts() -> int:
    return int(os.environ.get("SLURM_RESTART_COUNT") or 0)


def _print_start(run: Run) -> None:
    print(f"{run.title}: starts", flush=True)
