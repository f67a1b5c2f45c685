"""Where a number came from: commit, versions, hardware."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import benchmark

PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "pandas")
RUNS_AT_A_TIME = "DGCBENCH_RUNS_AT_A_TIME"  # set by the executor for its runs: neighbours spoil timings
ROOT = Path(benchmark.__file__).resolve().parent.parent


def now() -> str:
    """The date and time as records have it; equal zones, so that it sorts."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def describe_machine(device: str) -> dict[str, Any]:
    """Everything about code and machine that a reader of a result may ask for."""
    import torch

    found: dict[str, Any] = {
        "dgcbench": benchmark.__version__,
        "commit": _git("rev-parse", "HEAD"),
        "dirty": bool(_git("status", "--porcelain")),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "os": platform.platform(),
        "host": platform.node(),
        "cpu": _cpu_name(),
        "cores": available_cores(),
        "threads": torch.get_num_threads(),
        "runs_at_a_time": int(os.environ.get(RUNS_AT_A_TIME, 1)),
        "slurm_job": os.environ.get("SLURM_JOB_ID"),
        "device": device,
        "precision": torch.get_float32_matmul_precision(),
    }
    if device == "cuda":
        found |= {
            "gpu": torch.cuda.get_device_name(),
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
            "driver": _run("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"),
        }
    return found


def available_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _git(*arguments: str) -> str | None:
    # Only this checkout's history counts, not that of whatever repository an installed wheel lies in.
    return _run("git", "-C", str(ROOT), *arguments) if (ROOT / ".git").exists() else None


def _run(*command: str) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, timeout=10, check=True)
        return done.stdout.decode("utf-8", "replace").strip()
    except (OSError, subprocess.SubprocessError):
        return None
