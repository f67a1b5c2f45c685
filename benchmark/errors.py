"""Errors that end a run with a message instead of a traceback."""

import contextlib
import difflib
import errno
import traceback
from collections.abc import Iterable, Iterator

# What the command line says in a sentence of its own: a disk that is full or can't be written.
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO)


class UserError(Exception):
    """Something that was asked for is not possible. The text says what was given, what was expected, what to
    do.
    """


class Diverged(Exception):
    """A loss became NaN or infinite during training."""


class Interrupted(Exception):
    """A run was asked to stop; its checkpoint is written."""


class Unsupported(Exception):
    """An optional ability (embed, sample, reconstruct) that a model does not have."""


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name that does not exist, with the names that it may have meant."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known) or 'none'}"
    return UserError(f"unknown {kind} {name!r}; {hint}")


@contextlib.contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn whatever a stranger's code raises in this block into one sentence that says where."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in DISK_ERRORS:
            raise
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if "site-packages" not in frame.filename] or frames
        where = f"{own[-1].filename}, line {own[-1].lineno}"
        raise UserError(f"{what}: {type(error).__name__}: {error} ({where})") from error
