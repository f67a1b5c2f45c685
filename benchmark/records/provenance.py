"""Where a number came from: commit, versions, hardware; and the digest of a model's source."""

import ast
import hashlib
import os
import platform
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import benchmark

PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "pandas")
RUNS_AT_A_TIME = "DGCBENCH_RUNS_AT_A_TIME"  # set by the executor for its runs: neighbours spoil timings
ROOT = Path(benchmark.__file__).resolve().parent.parent


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
        "mode": "eager",
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


def source_digest(module: str) -> str:
    """Digest of a plugin's code: its module and the `_neighbours` that it imports from its own folder.

    Comments, docstrings, layout and presets (the key has the resolved config) do not count: an edit that can't change a
    result makes no result stale.
    """
    file = sys.modules[module].__file__
    if file is None:
        return "builtin"
    digest = hashlib.sha256()
    for path in _with_neighbours(Path(file)):
        digest.update(_canonical_source(path).encode())
    return digest.hexdigest()


def _with_neighbours(path: Path) -> list[Path]:
    """`path` and, recursively, the files beside it that it imports as `from ._name import ...`."""
    found, queue = [], [path]
    while queue:
        path = queue.pop()
        if path in found:
            continue
        found.append(path)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level == 1:
                names = [node.module] if node.module else [alias.name for alias in node.names]
                queue += [p for name in names if (p := path.with_name(f"{name}.py")).is_file()]
    return sorted(found)


@cache
def _canonical_source(path: Path) -> str:
    tree = ast.parse(path.read_text())
    presets = _presets(tree)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        if isinstance(node, (ast.Module, ast.ClassDef)):
            node.body = [item for item in node.body if item not in presets] or [ast.Pass()]
    return ast.unparse(tree)


def _presets(tree: ast.Module) -> list[ast.stmt]:
    """The assignments of a model's presets and budgets, and those of names that only they use."""
    bodies = [tree.body, *(node.body for node in tree.body if isinstance(node, ast.ClassDef))]
    assigned = {
        item: item.targets[0].id
        for body in bodies
        for item in body
        if isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Name)
    }
    found: list[ast.stmt] = [item for item, name in assigned.items() if name in ("presets", "quick", "smoke")]
    while True:
        inside = Counter(name for item in found for name in _names(item))
        everywhere = Counter(_names(tree))
        more = [item for item, name in assigned.items() if item not in found and 0 < inside[name] == everywhere[name]]
        if not more:
            return found
        found += more


def _names(node: ast.AST) -> Iterator[str]:
    """Every reading of a name, directly or as an attribute."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load):
            yield part.id
        elif isinstance(part, ast.Attribute):
            yield part.attr


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _git(*arguments: str) -> str | None:
    # Only this checkout's history counts, not that of whatever repository an installed wheel lies in.
    return _run("git", "-C", str(ROOT), *arguments) if (ROOT / ".git").exists() else None


def _run(*command: str) -> str | None:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
