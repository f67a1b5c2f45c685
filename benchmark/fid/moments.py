"""Features of many images to moments, in chunks, so that it can be stopped and continued; and a cache for real images."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from benchmark.fid.extractor import Extractor
from benchmark.fid.frechet import Moments, RunningMoments

CHUNK = 500  # images made, or read, at a time
SAVE_SECONDS = 60.0

Progress = Callable[[int], object]  # told how many images of the set are done


def accumulate(
    n: int, chunk: Callable[[int], Tensor], extractor: Extractor, partial: Path | None = None, progress: Progress = lambda _: None
) -> Moments:
    """Moments of the features of n images.

    Args:
        chunk: from the number of a chunk to its uint8 images, CHUNK of them, the last one fewer; the same at every call.
        partial: file in which the sums are kept, every minute and in the end. If it is there, counting goes on from it. The
            caller removes it. None: keep none.
    """
    running, done = RunningMoments(), 0
    if partial is not None and (state := _read(partial, running.state())) is not None:
        running, done = RunningMoments.restore(state, extractor.device), int(state["n"])
    saved = time.monotonic()
    progress(done)
    while done < n:
        images = chunk(done // CHUNK)[: n - done]
        running.add(extractor(images))
        done += len(images)
        progress(done)
        if partial is not None and (done == n or time.monotonic() - saved > SAVE_SECONDS):
            with kept_if_possible(partial):
                write_arrays(partial, running.state())
            saved = time.monotonic()
    return running.moments()


def key_digest(key: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:24]


def cached_moments(folder: Path, key: dict[str, Any], compute: Callable[[Path], Moments]) -> Moments:
    """The moments kept in `folder` under everything that determines them; computed, by one process only, if they are not there.

    Args:
        compute: given a file for partial results (see `accumulate`).
    """
    path = folder / f"{key_digest(key)}.npz"
    with locked(path):
        if (state := _read(path, ("n", "mean", "cov"))) is None:
            partial = path.with_suffix(".partial.npz")
            found = compute(partial)
            with kept_if_possible(path):
                arrays = {"mean": found.mean, "cov": found.cov, "key": np.array(json.dumps(key))}
                write_arrays(path, {"n": np.array(found.n), **arrays})
                partial.unlink(missing_ok=True)
            return found
    return Moments(int(state["n"]), state["mean"], state["cov"])


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file that is about to be made, also against other processes. The system lets go of it however this one ends.

    In a folder that can't be written there is nothing to be made, and nothing to hold. On a file system without locks it may
    be made twice.
    """
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):
            make_folder(path.parent)
            fcntl.flock(held.enter_context(open(path.with_suffix(".lock"), "w")), fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def kept_if_possible(path: Path) -> Iterator[None]:
    """For writing into a cache: where that fails the value is used all the same, and made again the next time."""
    try:
        yield
    except OSError as error:
        warnings.warn(f"{path} can't be kept ({error.strerror}); it will be computed again", RuntimeWarning, stacklevel=3)


def make_folder(folder: Path) -> None:
    """Make a folder of a cache, but not where its user has taken away the right to write, which root would not notice.

    Raises:
        OSError: there it can't be made.
    """
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not existing.stat().st_mode & 0o222:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(existing))
    folder.mkdir(parents=True, exist_ok=True)


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write an .npz file so that it is there whole or not at all."""
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(temporary, "wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _read(path: Path, names: Iterable[str]) -> dict[str, np.ndarray] | None:
    """These arrays of a file; None if it is not there, or is damaged: then it is made again."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in names}
    except Exception:  # a damaged archive raises whatever its bytes happen to mean
        return None
