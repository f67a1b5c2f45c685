"""Executor for this machine: one process per run, so that no crash, leak or hang of one touches another.

The parent's side is `LocalExecutor`, the child's side is child.py. Between them:
    multiprocessing   tells the child when the parent is gone, and the child stops
    a progress pipe   one JSON line whenever the Trainer reads its losses
    log.txt           standard output and standard error of the child
and for whoever else wants to know, the parent keeps `progress.json` in the folder of each run in progress:
its last progress message, renewed every few seconds as a sign of life.
"""

import contextlib
import json
import multiprocessing
import os
import platform
import selectors
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from benchmark.errors import UserError
from benchmark.files import write_atomically
from benchmark.records.provenance import RUNS_AT_A_TIME, now
from benchmark.records.run import Record, Run
from benchmark.records.store import read_record, write_record
from benchmark.running import processes, submissions
from benchmark.running.executors import child, slurm_queue
from benchmark.running.hold import only_sweep

GRACE_SECONDS = 20.0  # from the request to stop, in which a checkpoint is written, to the kill
ALIVE_SECONDS = 10.0  # between two signs of life of a run
LOG_TAIL_LINES = 20
STOPPED_BY = {signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGHUP}


@dataclass
class _Running:
    run: Run
    folder: Path
    process: BaseProcess
    pid: int
    progress: Connection  # read end of the progress pipe
    started: float = field(default_factory=time.monotonic)
    date: str = field(default_factory=now)
    buffer: bytes = b""
    stop_reason: str | None = None  # status to record, once the parent has asked it to stop
    kill_at: float = float("inf")
    message: dict[str, Any] = field(default_factory=dict)  # the last one on the progress pipe
    shown: float = float("-inf")  # when progress.json was last written


class LocalExecutor:
    """Makes runs in `jobs` processes at a time.

    Args:
        time_limit: seconds a run may run before its whole process group is ended; None for no limit.
        on_start, on_progress, on_end: called with the run, with (run, progress message), with (run, record).
    """

    def __init__(
        self,
        jobs: int,
        time_limit: float | None,
        on_start: Callable[[Run], None],
        on_progress: Callable[[Run, dict[str, Any]], None],
        on_end: Callable[[Run, Record], None],
    ):
        self.jobs, self.time_limit = jobs, time_limit
        self.on_start, self.on_progress, self.on_end = on_start, on_progress, on_end
        self._running: list[_Running] = []
        self._stopped = False
        self._selector = selectors.DefaultSelector()

    def run(self, runs: Iterable[tuple[Run, Path]]) -> None:
        """Run all runs. On KeyboardInterrupt the running ones write their checkpoints first."""
        queue = list(runs)
        try:
            while (queue and not self._stopped) or self._running:
                while queue and not self._stopped and len(self._running) < self.jobs:
                    self._start(*queue.pop(0))
                self._watch()
        except BaseException:
            self.stop()
            while self._running:
                self._watch()
            raise

    def stop(self) -> None:
        """Start no more runs, and have the running ones write their checkpoints and end. A signal handler may
        call this.
        """
        self._stopped = True
        for running in self._running:
            self._ask_to_stop(running, "interrupted")

    def wait_for_processes(self) -> None:
        """After `stop`: return when the processes of all runs have ended; those that take too long are
        killed.
        """
        while waiting := [running for running in self._running if not _has_ended(running.process)]:
            for running in waiting:
                if time.monotonic() > running.kill_at:
                    _signal_group(running.pid, signal.SIGKILL)
            time.sleep(0.05)

    def _start(self, run: Run, folder: Path) -> None:
        run.write(folder)
        # an older failure must not be taken for this run's outcome
        (folder / "record.json").unlink(missing_ok=True)
        environment = {
            **os.environ,
            **dict.fromkeys(processes.THREADS, str(run.threads)),
            "MPLBACKEND": "Agg",
            RUNS_AT_A_TIME: str(self.jobs),
        }
        read_end, write_end = multiprocessing.Pipe(duplex=False)
        process = processes.start(child.serve, folder, write_end, environment)
        write_end.close()
        assert process.pid is not None
        running = _Running(run, folder, process, process.pid, read_end)
        self._running.append(running)
        self._selector.register(read_end, selectors.EVENT_READ, running)
        self.on_start(run)

    def _watch(self) -> None:
        """Pass on progress, enforce limits, and collect the runs that have ended."""
        for key, _ in self._selector.select(timeout=0.1):
            self._read_progress(key.data)
        now = time.monotonic()
        for running in list(self._running):
            if self.time_limit is not None and now - running.started > self.time_limit:
                self._ask_to_stop(running, "timed_out")
            if now > running.kill_at:
                _signal_group(running.pid, signal.SIGKILL)
            if running.process.exitcode is not None:
                self._collect(running)
            elif now - running.shown > ALIVE_SECONDS:
                self._show(running)

    def _read_progress(self, running: _Running) -> None:
        data = os.read(running.progress.fileno(), 65536)
        if not data:  # the child closed its end
            self._selector.unregister(running.progress)
            return
        *lines, running.buffer = (running.buffer + data).split(b"\n")
        if lines:
            # half a line: a signal handler may have come between its parts
            with contextlib.suppress(ValueError):
                running.message = json.loads(lines[-1])
                self.on_progress(running.run, running.message)

    def _show(self, running: _Running) -> None:
        running.shown = time.monotonic()
        job = os.environ.get("SLURM_JOB_ID")
        sign = {"host": platform.node(), "pid": running.pid, "job": job, **running.message}
        with contextlib.suppress(OSError):  # a full disk is told by what matters more
            write_atomically(running.folder / "progress.json", json.dumps(sign))

    def _ask_to_stop(self, running: _Running, status: str) -> None:
        if running.stop_reason is None:
            running.stop_reason = status
            running.kill_at = time.monotonic() + GRACE_SECONDS
            _signal_group(running.pid, signal.SIGTERM)

    def _collect(self, running: _Running) -> None:
        self._running.remove(running)
        with contextlib.suppress(KeyError):
            self._selector.unregister(running.progress)
        running.progress.close()
        _signal_group(running.pid, signal.SIGKILL)  # whatever the run has started and left behind
        with contextlib.suppress(OSError):
            (running.folder / "progress.json").unlink()
        self.on_end(running.run, self._final_record(running))

    def _final_record(self, running: _Running) -> Record:
        """The record that the child wrote, completed or replaced by what only the parent can know."""
        record = read_record(running.folder)
        if record is None:
            status, error = _explain(running.process.exitcode)
            record = running.run.record(running.stop_reason or status, error=error, started=running.date)
        elif record["status"] == "interrupted" and running.stop_reason == "timed_out":
            record |= {"status": "timed_out"}
        else:
            return record if record["status"] == "ok" else _with_log(running.folder, record)
        if running.stop_reason == "timed_out":
            record["error"] = f"did not end within the time limit of {self.time_limit:g} s"
        record = _with_log(running.folder, record)
        try:
            write_record(running.folder, record)
        except OSError as error:
            record["error"] += f"; its record could not be written either: {error}"
        return record


def _with_log(folder: Path, record: Record) -> Record:
    try:
        record["log_tail"] = (folder / "log.txt").read_text("utf-8", "replace").splitlines()[-LOG_TAIL_LINES:]
    except OSError:
        record["log_tail"] = []
    return record


def _explain(exitcode: int | None) -> tuple[str, str]:
    """(status, reason) of a process that ended without writing a record."""
    if exitcode is None or exitcode >= 0:
        return "failed", f"the process exited with code {exitcode} and left no record"
    name = signal.Signals(-exitcode).name
    if -exitcode in STOPPED_BY:
        hint = " (somebody, or the system when memory ran out)" if -exitcode == signal.SIGKILL else ""
        return "interrupted", f"the process was ended by {name}{hint}"
    return "failed", f"the process was ended by {name}"


@contextlib.contextmanager
def only_local_sweep(results: Path, runs: list[Run]) -> Iterator[None]:
    """Hold the results folder for a sweep on this machine, and let `status` know of it while it lasts."""
    results = results.absolute()
    with only_sweep(results):
        folders = [run.folder(results) for run in runs]
        if busy := slurm_queue.ask(results).entries.keys() & set(folders):
            raise UserError(
                f"{len(busy)} of these runs are in SLURM's queue; follow them with --executor slurm, or"
                f" cancel their jobs (scancel), the names are in {results / submissions.FOLDER}"
            )
        note = submissions.new(results, "local", [[folder] for folder in folders])
        try:
            yield
        finally:
            note.forget(results)


def _has_ended(process: BaseProcess) -> bool:
    """Unlike `exitcode`, this can be asked in a signal handler that interrupted a question for it."""
    return bool(wait([process.sentinel], timeout=0))


def _signal_group(pid: int, signum: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signum)
