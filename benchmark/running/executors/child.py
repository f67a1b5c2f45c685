"""The child's side of the LocalExecutor: what the process of a run does."""

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path

from benchmark.records.run import Run
from benchmark.running import processes

PROGRESS_SECONDS = 0.5
# From the parent's end, in which a checkpoint and a record are written, to this process's. Nobody waits for
# it, and the machine may be busy.
GRACE_SECONDS = 120.0


def serve(folder: Path, progress: Connection, environment: Mapping[str, str]) -> None:
    """Make the run in `folder`.

    Args:
        progress: where progress is written to, a line of JSON at a time.
        environment: of this process; it may have been forked long ago.
    """
    stop = settle(folder / "log.txt", environment)
    run = Run.read(folder)
    # Not above: the parent imports this module, and is to stay small.
    from benchmark.running.execute import execute

    reported = 0.0

    def report(stage: str, step: int, steps: int, done: int, total: int, losses: dict[str, float]) -> None:
        nonlocal reported
        if step and time.monotonic() - reported < PROGRESS_SECONDS:
            return
        reported = time.monotonic()
        message = {
            "stage": stage,
            "step": step,
            "steps": steps,
            "done": done,
            "total": total,
            "losses": losses,
        }
        with contextlib.suppress(BrokenPipeError):
            os.write(progress.fileno(), json.dumps(message).encode() + b"\n")

    execute(run, folder, report, stop.is_set)


def settle(log: Path, environment: Mapping[str, str]) -> threading.Event:
    """Make this process the leader of a session of its own, which can be ended as a whole, with a log and an
    environment, which also says how many threads it has.

    Returns: set when it is asked to stop, or its parent is gone.
    """
    os.setsid()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    processes.begin(environment)
    _write_to(log)
    threading.Thread(target=_stop_with_parent, args=(stop,), daemon=True).start()
    import matplotlib
    import torch
    from threadpoolctl import threadpool_limits

    matplotlib.use("Agg")
    threads = int(environment[processes.THREADS[0]])
    torch.set_num_threads(threads)
    threadpool_limits(threads)  # of numpy, scipy and scikit-learn, which have been imported before
    return stop


def _write_to(log: Path) -> None:
    """Have standard output and standard error of this process and of what it starts go to a file."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for source, number in ((nothing, 0), (file, 1), (file, 2)):
        os.dup2(source, number)
    os.close(nothing)
    os.close(file)
    # UTF-8 whatever the terminal's encoding is, and at once: the process may die.
    sys.stdout, sys.stderr = (
        open(number, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
        for number in (1, 2)
    )


def _stop_with_parent(stop: threading.Event) -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    stop.set()
    time.sleep(GRACE_SECONDS)
    os._exit(1)
