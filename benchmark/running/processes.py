"""Processes that begin with torch and the suite imported.

On Linux they are forks of a server that has imported both once, and never a plugin: a process of its own for
every run then costs a tenth of a second instead of several. Elsewhere each process imports anew, since a
fork is not safe with the system's own libraries there.
"""

import multiprocessing
import multiprocessing.forkserver
import multiprocessing.resource_tracker
import os
import signal
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Any

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
PRELOADED = [
    "benchmark.running.executors.child",
    "benchmark.running.execute",
    "matplotlib.backends.backend_agg",
    "scipy.stats",
    "sklearn.cluster",
    "sklearn.datasets",
    "sklearn.mixture",
    "torch._dynamo",  # the first optimiser imports it
]
# The server leaves when this process does, and takes no request to stop: its end would look like the runs'.
DEAF_TO = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2}


def context() -> BaseContext:
    """How processes are started here; the first call on Linux starts the server, and does not wait for it."""
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload(PRELOADED)
    # Pools of threads that libraries make when they are loaded would not survive a fork.
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    multiprocessing.resource_tracker.ensure_running()  # now: starting it changes the mask below
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, DEAF_TO)
    try:
        multiprocessing.forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    return forking


def start(target: Callable[..., None], *arguments: Any) -> BaseProcess:
    """Start a process that calls `target`."""
    process: BaseProcess = context().Process(target=target, args=arguments)  # type: ignore[attr-defined]
    process.start()
    return process


def one() -> ProcessPoolExecutor:
    """One process, for what needs torch and is to come back with a result."""
    pool = ProcessPoolExecutor(1, context(), initializer=begin, initargs=(dict(os.environ),))
    try:
        pool.submit(os.getpid)  # the first task starts the process; the server may still be importing then
    except KeyboardInterrupt:
        _kill_server()
        raise
    return pool


def _kill_server() -> None:
    """Otherwise it would fork for the process that has left, and the fork complain in its terminal."""
    server = getattr(multiprocessing.forkserver._forkserver, "_forkserver_pid", None)
    if server is not None:
        os.kill(server, signal.SIGKILL)


def begin(environment: Mapping[str, str]) -> None:
    """To be called first in a process started here, once it knows what to do with a request to stop.

    Args:
        environment: that it is to have; the one it was forked with may be old.

    It never sees SIGUSR2, by which SLURM announces the end of a job to all of its processes: that is for the
    parent, which passes it on. Untreated it would end the run at once.
    """
    os.environ.clear()
    os.environ.update(environment)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, DEAF_TO - {signal.SIGUSR2})
