"""Cells: which end of a column is the best, and what a cell is sorted by."""

import math

import pandas as pd

from benchmark.report.cells import shown
from benchmark.tables.table import Table, Value


def test_every_column_knows_its_best_end():
    columns = {
        "model": "m",
        "split": "all",
        "ACC": Value(0.5),
        "FID-clf, N = 9": Value(3.0),
        "seconds": Value(1.0),
    }
    table = shown(Table("t", "", pd.DataFrame([columns]), pd.DataFrame(), []), "title")
    assert [column.best for column in table.columns] == ["text", "text", "high", "low", "low"]


def test_cells_carry_their_numbers_marks_and_links():
    frame = pd.DataFrame([{"model": "m", "ACC": Value(0.51234)}, {"model": "n", "ACC": "0.7 †"}])
    frame.loc[2] = ["o", Value(math.nan, aside=True)]
    frame.loc[3] = ["p", Value(0.6, aside=True)]
    table = shown(Table("t", "", frame, pd.DataFrame(), [], 1), "title", anchors={"m": "record-1"})
    (first, number), (_, memory), (_, none), (_, neighbour) = table.rows
    assert (first.link, number.text, number.key) == ("#record-1", "0.512", 0.51234)
    assert memory.classes == "number memory"
    assert (none.text, none.key, none.classes) == ("–", None, "number")
    assert (neighbour.text, neighbour.classes) == ("0.600", "number aside")
