"""One sweep at a time in a results folder."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import filelock

from benchmark.errors import UserError


@contextlib.contextmanager
def only_sweep(results: Path) -> Iterator[None]:
    """Hold the results folder for one sweep; the system lets go of it however this process ends."""
    try:
        results.mkdir(parents=True, exist_ok=True)
        (results / ".lock").touch()
    except OSError as error:
        raise UserError(
            f"the results folder {results} can't be written: {error.strerror}; choose one with --results"
        ) from error
    lock = filelock.FileLock(results / ".lock", blocking=False)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise UserError(
            f"another sweep is running in {results}; wait for it, or choose another --results"
        ) from None
    # no locks on this file system: that this is the only sweep is then up to the user
    except (OSError, NotImplementedError):
        pass
    try:
        yield
    finally:
        lock.release()
