"""A task of a SLURM array, on its node: makes its runs with the LocalExecutor, so that a run on a node is
exactly the run on one's own machine.
"""

import os
import signal
import time
from pathlib import Path
from typing import Any

from benchmark.records.run import Record, Run
from benchmark.records.store import CONTINUED, read_record, write_record
from benchmark.running.executors.local import LocalExecutor

Work = list[tuple[dict[str, Any], str]]  # of an array task: (run as plain data, its folder)


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


def _has_ended(folder: Path) -> bool:
    record = read_record(folder)
    return record is not None and record["status"] not in CONTINUED


def _restarts() -> int:
    return int(os.environ.get("SLURM_RESTART_COUNT") or 0)


def _print_start(run: Run) -> None:
    print(f"{run.title}: starts", flush=True)
