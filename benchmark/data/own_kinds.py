"""Which data are the user's own, and who reads which kind of them."""

import os
from collections.abc import Container, Sequence
from pathlib import Path

from benchmark.data import own_arrays, own_images, own_tables
from benchmark.data.own_points import Points
from benchmark.errors import UserError
from benchmark.reading import Reading

ARRAYS = {".npz": own_arrays.read_npz, ".npy": own_arrays.read_npy}
TABLES = (".csv", ".parquet")
KINDS = "a folder of PNG or JPEG files, or a file .npz, .npy, .csv or .parquet"


def is_own(asked: str, known: Container[str]) -> bool:
    """Whether the user has asked for data by a path, not by the name of a data set that is known.

    What is called like a data set in the working directory is meant by ./NAME.
    """
    if asked in known:
        return False
    path = Path(asked)
    return path.suffix.lower() in (*ARRAYS, *TABLES) or os.sep in asked or path.exists()


def read_own(path: Path, reading: Reading, columns: Sequence[str] = ()) -> Points:
    """The user's own data of any kind.

    Args:
        columns: of a table, see `own_tables.read`.

    Raises:
        UserError: they can't be read, with what is wrong and what to do.
    """
    if path.is_dir():
        return own_images.read(path, reading)
    if not path.is_file():
        raise UserError(f"there is no file or folder {path}; expected {KINDS}")
    suffix = path.suffix.lower()
    if suffix in ARRAYS:
        return ARRAYS[suffix](path, reading)
    if suffix in TABLES:
        return own_tables.read(path, reading, columns)
    raise UserError(f"{path} is a file of another kind, expected {KINDS}")
