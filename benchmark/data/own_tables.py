"""Own data in tables: CSV and Parquet, one row per point, read with pandas."""

import csv
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from benchmark.data.own_points import Points, check_numbers, clean_labels, refuse
from benchmark.errors import UserError, unknown
from benchmark.reading import Reading

SEPARATORS = ",;\t"
SHOWN = 5  # columns that a message names
HEADING = (
    "the first line of {}, the numbers from 0 to {}, is read as a heading, as pandas writes it; if it is a"
    " point, put a line of names above it"
)
NUMBERED = (
    "column {0} of {1} rises by one from row to row; if it only numbers the points, --names {0} keeps it out"
    " of the clustering"
)


def read(path: Path, reading: Reading, columns: Sequence[str] = ()) -> Points:
    """Points, labels and names of a table, checked.

    Args:
        columns: those to take, in this order, of a table that has others besides; by default all but those of
            the labels and names. With them, the column of the names may be absent.

    Raises:
        UserError: a column that was asked for is not there, holds text, or has no value somewhere.
    """
    refuse(reading, path, "a table", "--size", "--colour")
    frame, names, heading = (
        _csv(path, reading.names) if path.suffix.lower() == ".csv" else (*_parquet(path), None)
    )
    if frame.empty:
        raise UserError(f"{path} has {len(frame)} rows and {len(frame.columns)} columns of values")
    if reading.names is not None and not (columns and reading.names not in frame):
        names = tuple(_take(frame, reading.names, path).astype(str))
    y = None
    if reading.labels is not None:
        column = _take(frame, reading.labels, path)
        values = column.to_numpy() if is_numeric_dtype(column) else _text(column)
        if values.dtype == object:  # True, False and none
            values = _text(column)
        y = clean_labels(values, len(frame), f"{path}: column {reading.labels}")
    if missing := [column for column in columns if column not in frame]:
        raise UserError(f"{path} has no {_named(missing)}, which the run was trained on")
    frame = frame[list(columns)] if columns else frame
    if text := [column for column in frame if not is_numeric_dtype(frame[column])]:
        for column in text:
            _check_cells(frame[column], path)
        raise UserError(
            f"{path}: {_named(text)} hold{'s' * (len(text) == 1)} no numbers; `run --labels COLUMN` says"
            " which one has the labels, `run --names COLUMN` which one names the points, and any other must"
            " be left out of the file"
        )
    x = frame.to_numpy(np.float64, na_value=np.nan)
    if (gaps := np.isnan(x)).any():
        found = [str(column) for column, gap in zip(frame, gaps.any(axis=0), strict=True) if gap]
        raise UserError(
            f"{path} has {int(gaps.sum())} missing values, in {_named(found)}; fill or remove them"
        )
    check_numbers(x, f"{path}: the table")
    numbered = frame.columns[(np.diff(x, axis=0) == 1).all(axis=0)] if len(x) > 2 else ()
    notes = [heading, *(NUMBERED.format(column, path.name) for column in numbered)]
    return Points(x, y, names, columns=tuple(frame), caveat="; ".join(filter(None, notes)) or None)


def _csv(path: Path, named_by: str | None) -> tuple[pd.DataFrame, tuple[str, ...] | None, str | None]:
    """The table, its index the rows as they are counted in the file; the names of its rows: those of a first
    column without a heading, as pandas writes them; and a caveat.

    A first line of numbers only, of which all but the first may be missing, is a point, and the columns are
    called 0, 1, ... then; but these very numbers are the heading that pandas writes for columns without
    names. Names stay as they are written: 007 is no 7, and NA a name.

    Args:
        named_by: the column that names the rows.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            line = file.readline()
            separator = _separator(line)
            first = next(csv.reader([line], delimiter=separator), [])
        counted = len(first) > 1 and first == [str(i) for i in range(len(first))]
        table = partial(pd.read_csv, path, sep=separator, encoding="utf-8-sig")
        given = table(header=None, nrows=1, dtype=str).iloc[0].dropna()  # cells that are not missing
        is_point = not counted and 0 in given.index and all(map(_is_number, given))
        header = None if is_point else 0
        unnamed = header == 0 and len(first) > 1 and not first[0].strip()
        frame = table(header=header, low_memory=False)
        for i, name in enumerate(map(str, frame.columns)):
            if name == named_by or (unnamed and i == 0):
                names = table(header=header, usecols=[i], dtype=str, keep_default_na=False)
                frame.isetitem(i, names.iloc[:, 0])
    except (ValueError, csv.Error) as error:  # pandas' own errors and those of decoding are ValueErrors
        raise UserError(f"{path} can't be read as CSV: {str(error).strip()}") from error
    frame.columns = frame.columns.astype(str)
    first_row = 1 if header is None else 2
    frame = frame.set_axis(range(first_row, first_row + len(frame)))
    if unnamed:
        return frame, tuple(frame.pop(frame.columns[0])), None
    return frame, None, HEADING.format(path.name, len(first) - 1) if counted else None


def _parquet(path: Path) -> tuple[pd.DataFrame, tuple[str, ...] | None]:
    """The table, its index the rows from 1 on, and their names where they have others than numbers."""
    try:
        frame = pd.read_parquet(path, engine="pyarrow")
    except ImportError as error:
        raise UserError(
            f"{path}: Parquet is read with pyarrow, which is not installed; pip install pyarrow, or give the"
            " table as CSV"
        ) from error
    except Exception as error:  # a damaged file raises whatever its bytes happen to mean
        raise UserError(f"{path} can't be read as Parquet: {error}") from error
    frame.columns = frame.columns.astype(str)
    names = None if isinstance(frame.index, pd.RangeIndex) else tuple(frame.index.astype(str))
    return frame.set_axis(range(1, len(frame) + 1)), names


def _take(frame: pd.DataFrame, column: str, path: Path) -> pd.Series:
    """A column, which is no longer in the table then."""
    if column not in frame:
        raise UserError(f"{path}: {unknown('column', column, map(str, frame))}")
    return frame.pop(column)


def _text(column: pd.Series) -> np.ndarray:
    return column.astype(object).where(column.notna(), "").astype(str).to_numpy(dtype=str)


def _check_cells(column: pd.Series, path: Path) -> None:
    """Raise where most cells are numbers: the others are slips then, and the column is no text."""
    cells = column.dropna().astype(str)
    is_number, has_comma = cells.map(_is_number), cells.map(_with_comma)
    odd = cells[~is_number]
    if odd.empty or (is_number | has_comma).mean() <= 0.5:
        return
    given = f"{path}: column {column.name} has {odd.iloc[0]!r} in row {odd.index[0]}"
    if has_comma[odd.index[0]]:
        raise UserError(f"{given}, expected numbers with a decimal point; replace the decimal commas")
    raise UserError(
        f"{given}, expected a number; write one or remove the row (--labels and --names say which columns may"
        " hold text)"
    )


def _named(columns: Sequence[object]) -> str:
    """ "column a", "columns a, b and 7 more"."""
    more = f" and {len(columns) - SHOWN} more" if len(columns) > SHOWN else ""
    return f"column{'s' * (len(columns) > 1)} {', '.join(map(str, columns[:SHOWN]))}{more}"


def _separator(line: str) -> str:
    """The one that a line has most of; a semicolon between numbers with decimal commas."""
    if ";" in line and all(_is_number(cell.replace(",", ".")) for cell in line.split(";")):
        return ";"
    return max(SEPARATORS, key=line.count)


def _with_comma(text: str) -> bool:
    """Whether it is a number but for a decimal comma."""
    return "," in text and _is_number(text.replace(",", "."))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
