"""The child's side of the LocalExecutor: python -m benchmark.running.executors.child FOLDER PROGRESS."""

import contextlib
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

from benchmark.records.run import Run
from benchmark.running.execute import execute

PROGRESS_SECONDS = 0.5
# From the parent's end, in which a checkpoint and a record are written, to this process's. Nobody waits for
# it, and the machine may be busy.
GRACE_SECONDS = 120.0


def serve(folder: Path, progress: int) -> int:
    """Make the run in `folder`, writing progress to the file descriptor `progress`."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    threading.Thread(target=_stop_with_parent, args=(stop,), daemon=True).start()
    run = Run.read(folder)
    import torch

    torch.set_num_threads(run.threads)
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
            os.write(progress, json.dumps(message).encode() + b"\n")

    execute(run, folder, report, stop.is_set)
    return 0


def _stop_with_parent(stop: threading.Event) -> None:
    while os.read(0, 1024):
        pass
    stop.set()
    time.sleep(GRACE_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(serve(Path(sys.argv[1]), int(sys.argv[2])))
