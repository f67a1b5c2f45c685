"""Features of many images to moments, in chunks, so that it can be stopped and continued; and a cache for
real images.
"""

import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from benchmark.evaluation.fid.extractor import Extractor
from benchmark.evaluation.fid.frechet import Moments, RunningMoments
from benchmark.files import best_effort_cache, digest, locked, write_arrays

CHUNK = 500  # images made, or read, at a time
SAVE_SECONDS = 60.0

Progress = Callable[[int], object]  # told how many images of the set are done


def accumulate(
    n: int,
    chunk: Callable[[int], Tensor],
    extractor: Extractor,
    partial: Path | None = None,
    progress: Progress = lambda _: None,
) -> Moments:
    """Moments of the features of n images.

    Args:
        chunk: from the number of a chunk to its uint8 images, CHUNK of them, the last one fewer; the same at
        every call.
        partial: file in which the sums are kept, every minute and in the end. If it is there, counting goes
            on from it. The caller removes it. None: keep none.
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
            with best_effort_cache(partial):
                write_arrays(partial, running.state())
            saved = time.monotonic()
    return running.moments()


def cached_moments(folder: Path, key: dict[str, Any], compute: Callable[[Path], Moments]) -> Moments:
    """The moments kept in `folder` under everything that determines them; computed, by one process only, if
    they are not there.

    Args:
        compute: given a file for partial results (see `accumulate`).
    """
    path = folder / f"{digest(key)[:24]}.npz"
    with locked(path):
        if (state := _read(path, ("n", "mean", "cov"))) is None:
            partial = path.with_suffix(".partial.npz")
            found = compute(partial)
            with best_effort_cache(path):
                arrays = {"mean": found.mean, "cov": found.cov, "key": np.array(json.dumps(key))}
                write_arrays(path, {"n": np.array(found.n), **arrays})
                partial.unlink(missing_ok=True)
            return found
    return Moments(int(state["n"]), state["mean"], state["cov"])


def _read(path: Path, names: Iterable[str]) -> dict[str, np.ndarray] | None:
    """These arrays of a file; None if it is not there, or is damaged: then it is made again."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in names}
    except Exception:  # a damaged archive raises whatever its bytes happen to mean
        return None
