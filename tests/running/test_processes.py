"""Processes that begin with torch imported: what they have, and what they have not."""

import multiprocessing
import os
import signal
import subprocess
import sys

import pytest

from benchmark.running import processes

CHECKS = """
import os, signal, sys
import torch
assert "sklearn.cluster" in sys.modules, "scikit-learn is still to be imported"
assert not [name for name in sys.modules if name.startswith(("benchmark.models", "benchmark.datasets"))]
assert not torch.cuda.is_initialized(), "a fork could not use the GPU any more"
assert signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, ())
from benchmark.running import processes
processes.begin({"A": "1"})
assert dict(os.environ) == {"A": "1"}
assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == {signal.SIGUSR2}
sys.exit(7)
"""


def test_a_process_tells_how_it_ended():
    process = processes.start(os._exit, 3)
    process.join(60)
    assert process.exitcode == 3


@pytest.mark.skipif(sys.platform != "linux", reason="the server is for Linux only")
def test_a_process_has_the_libraries_but_no_plugin_and_no_gpu():
    process = processes.start(exec, CHECKS)
    process.join(60)
    assert process.exitcode == 7


@pytest.mark.skipif(sys.platform != "linux", reason="the server is for Linux only")
def test_the_server_is_deaf_and_this_process_is_not():
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    environment = dict(os.environ)
    processes.context()
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask
    assert dict(os.environ) == environment
    server = multiprocessing.forkserver._forkserver._forkserver_pid
    for signum in processes.DEAF_TO:
        os.kill(server, signum)
    process = processes.start(os._exit, 0)
    process.join(60)
    assert process.exitcode == 0
    assert multiprocessing.forkserver._forkserver._forkserver_pid == server


INTERRUPTED = """
import signal, sys
from benchmark.running import processes
signal.signal(signal.SIGALRM, signal.default_int_handler)
signal.setitimer(signal.ITIMER_REAL, 0.2)
try:
    processes.one()
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the server is for Linux only")
def test_a_request_to_stop_while_the_server_imports_leaves_nothing_behind():
    # its output is read to the end, which comes when the server has closed it too
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (130, "")
