"""Files that are there whole or not at all, locks between processes, and digests of plain data. Imports no
torch.
"""

import contextlib
import errno
import hashlib
import json
import os
import platform
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import filelock
import numpy as np


@contextlib.contextmanager
def whole_file(path: Path, binary: bool = False) -> Iterator[IO[Any]]:
    """A file open for writing that takes its place when the block ends: whole, also when the disk is full or
    the power goes, or not at all."""
    # Several machines may share the folder, so a process number alone is not unique.
    temporary = path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}")
    try:
        with open(temporary, "wb" if binary else "w", encoding=None if binary else "utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def write_atomically(path: Path, text: str) -> None:
    """Write a text file whole or not at all, as UTF-8."""
    with whole_file(path) as file:
        file.write(text)


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write an .npz file of a cache whole or not at all."""
    make_cache_folder(path.parent)
    with whole_file(path, binary=True) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def digest(values: Mapping[str, Any]) -> str:
    """SHA-256 of plain data, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """A file that is about to be made in a cache, held against other processes; however this one ends, the
    system lets go of it.

    In a folder that can't be written there is nothing to be made, and nothing to hold. On a file system
    without locks the file may be made twice.
    """
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError, NotImplementedError):
            make_cache_folder(path.parent)
            held.enter_context(filelock.FileLock(path.with_suffix(".lock")))
        yield


@contextlib.contextmanager
def best_effort_cache(path: Path) -> Iterator[None]:
    """A write into a cache: where it fails the value is used all the same, and made again the next time."""
    try:
        yield
    except OSError as error:
        text = f"{path} can't be kept ({error.strerror}); it will be computed again"
        warnings.warn(text, RuntimeWarning, stacklevel=3)


def make_cache_folder(folder: Path) -> None:
    """Make a folder of a cache, but not where its user has taken away the right to write, which root would
    not notice.

    Raises:
        OSError: there it can't be made.
    """
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not existing.stat().st_mode & 0o222:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(existing))
    folder.mkdir(parents=True, exist_ok=True)
