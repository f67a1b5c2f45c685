"""What a stranger's file changes in the whole process while it is imported, put back.

A model counts as it is without its neighbours: settings of torch, numpy, Python and the process are after a
plugin's import what they were before it, also for the plugin itself, whose runs would else depend on what was
imported before. What a file needs set, its code sets where it is used. Only functions of other modules that a
file replaces stay replaced.
"""

import contextlib
import gc
import locale
import multiprocessing
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import matplotlib
import numpy as np
import torch

Setting = tuple[Callable[[], Any], Callable[[Any], object]]  # how it is read, and how it is set


@contextlib.contextmanager
def isolated() -> Iterator[None]:
    """Leave the process as it was before this block, however the block ends; an `os._exit` in it becomes a
    SystemExit.
    """
    settings = [*_settings_of_torch(), *_settings_of_the_process()]
    before = [_read(get) for get, _ in settings]
    environment, folder, paths = dict(os.environ), os.getcwd(), list(sys.path)
    with (
        warnings.catch_warnings(),
        matplotlib.rc_context(),
        _random_states_kept(),
        _signal_handlers_kept(),
        _exit_refused(),
    ):
        try:
            yield
        finally:
            for (get, set_), value in zip(settings, before, strict=True):
                if _read(get) != value:
                    set_(value)
            for name in set(os.environ) - set(environment):
                del os.environ[name]
            os.environ.update(environment)
            os.chdir(folder)
            sys.path[:] = paths


def _read(get: Callable[[], Any]) -> Any:
    try:
        return get()
    except RuntimeError:  # torch's older flags can't be read once its newer ones contradict them
        return None


def _settings_of_torch() -> list[Setting]:
    backends: Any = torch.backends
    cuda, cudnn, mkldnn = backends.cuda, backends.cudnn, backends.mkldnn
    matmul = cuda.matmul
    return [
        (torch.get_default_dtype, torch.set_default_dtype),
        (torch.get_default_device, lambda d: torch.set_default_device(None if d.type == "cpu" else d)),
        (torch.get_num_threads, torch.set_num_threads),
        (torch.is_grad_enabled, torch.set_grad_enabled),
        (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
        (
            lambda: (
                torch.are_deterministic_algorithms_enabled(),
                torch.is_deterministic_algorithms_warn_only_enabled(),
            ),
            lambda both: torch.use_deterministic_algorithms(both[0], warn_only=both[1]),
        ),
        _attribute(torch.utils.deterministic, "fill_uninitialized_memory"),
        (_flushes_denormals, torch.set_flush_denormal),
        *(
            (lambda d=d: torch.is_autocast_enabled(d), lambda on, d=d: torch.set_autocast_enabled(d, on))
            for d in ("cpu", "cuda")
        ),
        *(_attribute(cudnn, name) for name in ("enabled", "benchmark", "deterministic", "allow_tf32")),
        *(_attribute(mkldnn, name) for name in ("enabled", "deterministic", "allow_tf32")),
        _attribute(matmul, "allow_fp16_reduced_precision_reduction"),
        _attribute(matmul, "allow_bf16_reduced_precision_reduction"),
        (cuda.flash_sdp_enabled, cuda.enable_flash_sdp),
        (cuda.math_sdp_enabled, cuda.enable_math_sdp),
        (cuda.mem_efficient_sdp_enabled, cuda.enable_mem_efficient_sdp),
        (cuda.cudnn_sdp_enabled, cuda.enable_cudnn_sdp),
        # The flags above and the next two set several of those that follow, so these come last.
        (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
        _attribute(matmul, "allow_tf32"),
        *(
            _attribute(part, "fp32_precision")
            for part in (backends, cudnn, mkldnn, matmul, cudnn.conv, cudnn.rnn)
        ),
        *(_attribute(part, "fp32_precision") for part in (mkldnn.matmul, mkldnn.conv, mkldnn.rnn)),
    ]


def _settings_of_the_process() -> list[Setting]:
    return [
        (np.geterr, lambda errors: np.seterr(**errors)),
        (gc.isenabled, lambda on: gc.enable() if on else gc.disable()),
        (sys.getrecursionlimit, sys.setrecursionlimit),
        (
            lambda: multiprocessing.get_start_method(allow_none=True),
            lambda method: multiprocessing.set_start_method(method, force=True),
        ),
        (lambda: locale.setlocale(locale.LC_ALL), lambda name: locale.setlocale(locale.LC_ALL, name)),
        (lambda: list(sys.argv), lambda arguments: setattr(sys, "argv", arguments)),
        *(_attribute(sys, name) for name in ("stdout", "stderr", "excepthook")),
    ]


def _attribute(owner: Any, name: str) -> Setting:
    return lambda: getattr(owner, name), lambda value: setattr(owner, name, value)


def _flushes_denormals() -> bool:
    """Whether numbers below 2.2e-308 count as zero; torch has no word for it."""
    return bool(torch.tensor(1e-310, dtype=torch.float64) * 1 == 0)


@contextlib.contextmanager
def _random_states_kept() -> Iterator[None]:
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    cpu = torch.get_rng_state()
    gpu = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        torch.set_rng_state(cpu)
        if gpu:
            torch.cuda.set_rng_state_all(gpu)


@contextlib.contextmanager
def _signal_handlers_kept() -> Iterator[None]:
    """Python allows them to be set in the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)


@contextlib.contextmanager
def _exit_refused() -> Iterator[None]:
    """Make `os._exit` catchable here; a fork of this process and another thread may end it as they like."""
    really, here = os._exit, (os.getpid(), threading.get_ident())

    def exit_(status: int) -> NoReturn:
        if (os.getpid(), threading.get_ident()) == here:
            raise SystemExit(status)
        really(status)

    os._exit = exit_
    try:
        yield
    finally:
        os._exit = really
