"""Whatever a plugin changes while it is imported is put back."""

import gc
import locale
import os
import random
import signal
import sys
import warnings
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch

from benchmark.isolation import isolated
from benchmark.registry import Registry

CHANGES = {
    "torch.set_default_dtype(torch.float64)": torch.get_default_dtype,
    "torch.set_default_device('meta')": lambda: torch.zeros(1).device,
    "torch.set_num_threads(3)": torch.get_num_threads,
    "torch.use_deterministic_algorithms(True, warn_only=True)": lambda: (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    ),
    "torch.backends.cudnn.deterministic = True": lambda: torch.backends.cudnn.deterministic,
    "torch.backends.cudnn.benchmark = True": lambda: torch.backends.cudnn.benchmark,
    "torch.backends.cudnn.enabled = False": lambda: torch.backends.cudnn.enabled,
    "torch.backends.cudnn.allow_tf32 = False": lambda: torch.backends.cudnn.allow_tf32,
    "torch.backends.mkldnn.enabled = False": lambda: torch.backends.mkldnn.enabled,
    "torch.set_float32_matmul_precision('medium')": torch.get_float32_matmul_precision,
    "torch.backends.cuda.matmul.allow_tf32 = True": lambda: torch.backends.cuda.matmul.allow_tf32,
    "torch.backends.cuda.matmul.fp32_precision = 'tf32'": lambda: torch.backends.cuda.matmul.fp32_precision,
    "torch.backends.cuda.enable_flash_sdp(False)": torch.backends.cuda.flash_sdp_enabled,
    "torch.set_flush_denormal(True)": lambda: bool(torch.tensor(1e-310, dtype=torch.float64) * 1 == 0),
    "torch.set_grad_enabled(False)": torch.is_grad_enabled,
    "torch.autograd.set_detect_anomaly(True)": torch.is_anomaly_enabled,
    "torch.set_autocast_enabled('cpu', True)": lambda: torch.is_autocast_enabled("cpu"),
    "torch.manual_seed(1)": lambda: torch.get_rng_state().tolist(),
    "numpy.random.seed(1)": lambda: np.random.get_state()[1].tolist(),  # noqa: NPY002
    "random.seed(1)": random.getstate,
    "numpy.seterr(all='raise')": np.geterr,
    "warnings.simplefilter('error')": lambda: list(warnings.filters),
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)": lambda: signal.getsignal(signal.SIGTERM),
    "signal.signal(signal.SIGINT, lambda *_: None)": lambda: signal.getsignal(signal.SIGINT),
    "os.chdir('/')": os.getcwd,
    "os.environ['OMP_NUM_THREADS'] = '7'": lambda: dict(os.environ),
    "os.environ['NEW'] = '1'": lambda: dict(os.environ),
    "del os.environ['PATH']": lambda: dict(os.environ),
    "sys.argv.append('--more')": lambda: list(sys.argv),
    "sys.path.insert(0, '/elsewhere')": lambda: list(sys.path),
    "sys.stdout = io.StringIO()": lambda: sys.stdout,
    "sys.setrecursionlimit(123456)": sys.getrecursionlimit,
    "gc.disable()": gc.isenabled,
    "locale.setlocale(locale.LC_ALL, 'C')": lambda: locale.setlocale(locale.LC_ALL),
    "matplotlib.rcParams['lines.linewidth'] = 9": lambda: matplotlib.rcParams["lines.linewidth"],
}
IMPORTS = "import gc, io, locale, matplotlib, numpy, os, random, signal, sys, torch, warnings\n"


@pytest.mark.parametrize("change", CHANGES)
def test_what_a_block_changes_is_as_before_after_it(change):
    read = CHANGES[change]
    locale.setlocale(locale.LC_ALL, "C.UTF-8")
    before = read()
    with isolated():
        exec(IMPORTS + change)
        assert read() != before, "the change must be one, for the test to say anything"
    assert read() == before


def test_a_block_that_raises_or_ends_the_process_leaves_nothing_behind():
    for raised, end in ((IndexError, [].pop), (SystemExit, lambda: os._exit(3))):
        with pytest.raises(raised), isolated():  # noqa: PT012
            torch.set_default_dtype(torch.float64)
            end()
        assert torch.get_default_dtype() == torch.float32
    assert os._exit.__module__ == "posix"


def test_a_fork_of_a_block_may_end():
    with isolated():
        if (child := os.fork()) == 0:
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_all_of_it_at_once_by_a_plugin_file(tmp_path):
    known = {change: read() for change, read in CHANGES.items()}
    (tmp_path / "greedy.py").write_text(IMPORTS + "\n".join(CHANGES))
    path = str(tmp_path / "greedy.py")
    assert Registry([path]).failures[path].startswith("it defines no model and no data set")  # nothing worse
    changed = [change for change, read in CHANGES.items() if read() != known[change]]
    assert changed == []
    assert torch.rand(2).dtype == torch.float32
    assert Path.cwd() != Path("/")
