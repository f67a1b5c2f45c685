"""A table and its numbers, in three formats."""

import math

import pandas as pd
import pytest

from benchmark.tables.table import DASH, Table, Value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Value(0.12345), "0.123"),
        (Value(0.5, 0.25), "0.500 ± 0.250"),
        (Value(0.5, math.nan), "0.500"),
        (Value(math.nan, 0.1), DASH),
        (Value(math.nan, after=" [1]"), f"{DASH} [1]"),
        (Value(12.0, 3.0, digits=1, after=" (1/2)"), "12.0 ± 3.0 (1/2)"),
        (Value(0.5, sign=True), "+0.500"),
        (Value(-0.5, sign=True, digits=2), "-0.50"),
    ],
)
def test_a_value_becomes_text(value, text):
    assert str(value) == text


def test_a_value_of_a_neighbouring_experiment_is_in_italics_and_grey():
    cells = [Value(0.5, 0.25, aside=True), Value(math.nan, aside=True)]
    table = Table("t", "### H", pd.DataFrame({"model": ["a", "b"], "ours": cells}), pd.DataFrame(), [])
    assert "| a     | *0.500 ± 0.250* |" in table.markdown()
    assert f"| b     | {DASH}               |" in table.markdown()
    assert r"\textcolor{gray}{\textit{0.500 $\pm$ 0.250}}" in table.latex()


def test_the_formats_say_the_same_and_the_csv_has_the_numbers(tmp_path):
    shown = pd.DataFrame({"model": ["a_b"], "split": ["test"], "ACC": [Value(0.5, 0.25)]})
    values = pd.DataFrame({"model": ["a_b"], "ACC": [0.5000001], "ACC_std": [0.25]})
    table = Table("t", "### Heading", shown, values, ["a note"])
    assert "| a_b   | test  | 0.500 ± 0.250 |" in table.markdown()
    assert "- a note" in table.markdown()
    assert r"a\_b & test & 0.500 $\pm$ 0.250 \\" in table.latex()
    assert table.write(tmp_path) == tmp_path / "t.md"
    assert pd.read_csv(tmp_path / "t.csv")["ACC"][0] == 0.5000001
    assert {path.suffix for path in tmp_path.iterdir()} == {".md", ".tex", ".csv"}
