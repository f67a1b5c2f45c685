"""Tables: which columns are values, labels and names, and what is refused."""

import sys

import numpy as np
import pandas as pd
import pytest

from benchmark.data.own_file import OwnDataset
from benchmark.data.own_tables import read
from benchmark.errors import UserError
from benchmark.reading import DEFAULT, Reading

TABLE = "name,a,b,kind\nx,1,2.5,cat\ny,3,4,dog\nz,5,-6e2,cat\nw,7,8,\n"
BOTH = Reading(labels="kind", names="name")


def write(tmp_path, text, name="own.csv"):
    (tmp_path / name).write_text(text, "utf-8")
    return tmp_path / name


def test_columns_are_values_labels_or_names_as_the_reading_says(tmp_path):
    found = read(write(tmp_path, TABLE), BOTH)
    np.testing.assert_array_equal(found.x, [[1, 2.5], [3, 4], [5, -600], [7, 8]])
    assert found.y.tolist() == ["cat", "dog", "cat", ""]
    assert (found.names, found.columns) == (("x", "y", "z", "w"), ("a", "b"))
    dataset = OwnDataset(tmp_path / "own.csv", BOTH)
    assert dataset.n_classes == 2
    assert dataset.names("all") == ("x", "y", "z", "w")
    np.testing.assert_allclose(dataset.x("all").std(axis=0), 1, rtol=1e-6)


def test_an_index_as_pandas_writes_it_names_the_rows(tmp_path):
    frame = pd.DataFrame({"a": [1.5, 2, 3], "b": [4, 5, 6]}, index=["r1", "r2", "r3"])
    frame.to_csv(tmp_path / "own.csv")
    found = read(tmp_path / "own.csv", DEFAULT)
    assert (found.names, found.columns) == (("r1", "r2", "r3"), ("a", "b"))
    np.testing.assert_array_equal(found.x, frame.to_numpy())


@pytest.mark.parametrize(
    "text", ["1,2\n3,4\n5,6\n", "\n1,2\n3,4\n5,6\n", "1;2\n3;4\n5;6\n", "a\tb\n1\t2\n3\t4\n5\t6\n"]
)
def test_without_a_heading_and_with_other_separators(tmp_path, text):
    found = read(write(tmp_path, text), DEFAULT)
    np.testing.assert_array_equal(found.x, [[1, 2], [3, 4], [5, 6]])
    assert found.names is None


def test_the_heading_that_pandas_writes_for_columns_without_names_is_no_point(tmp_path):
    frame = pd.DataFrame(np.arange(15.0).reshape(5, 3))
    frame.to_csv(tmp_path / "own.csv", index=False)
    found = read(tmp_path / "own.csv", DEFAULT)
    np.testing.assert_array_equal(found.x, frame.to_numpy())
    assert found.columns == ("0", "1", "2")
    assert "the first line of own.csv, the numbers from 0 to 2, is read as a heading" in found.caveat
    assert read(write(tmp_path, "0,1,3\n3,4,5\n"), DEFAULT).caveat is None
    assert read(write(tmp_path, "0\n3\n"), DEFAULT).x.tolist() == [
        [0],
        [3],
    ]  # may be a point


def test_a_column_that_numbers_the_rows_is_noted(tmp_path):
    path = write(tmp_path, "id,a,b\n1000,1,1\n1001,2,1\n1002,4,1\n")
    assert "column id of own.csv rises by one from row to row" in read(path, DEFAULT).caveat
    assert "column a" not in read(path, DEFAULT).caveat
    assert read(path, Reading(names="id")).caveat is None
    assert read(write(tmp_path, "id,a\n1000,1\n1001,5\n"), DEFAULT).caveat is None  # two rows tell nothing


def test_columns_of_new_points_are_found_by_their_names(tmp_path):
    found = read(write(tmp_path, "b,more,a\n2,?,1\n4,?,3\n"), Reading(names="name"), ("a", "b"))
    np.testing.assert_array_equal(found.x, [[1, 2], [3, 4]])
    with pytest.raises(UserError, match="has no column c, which the run was trained on"):
        read(tmp_path / "own.csv", DEFAULT, ("a", "c"))


@pytest.mark.parametrize(
    ("text", "reading", "message"),
    [
        (TABLE, DEFAULT, "columns name, kind hold no numbers; `run --labels COLUMN`"),
        (TABLE, Reading(labels="kinds"), "unknown column 'kinds'; did you mean kind"),
        ("a,b\n1,2\n3,\n5,6\n", DEFAULT, "has 1 missing values, in column b; fill or remove them"),
        ("a,kind\n1,x\n2,y\n", DEFAULT, "column kind holds no numbers"),
        (
            "a,b\n1,2\n?,3\n5,6\n",
            DEFAULT,
            r"column a has '\?' in row 3, expected a number; write one or remove",
        ),
        ("1,2\n3,4\n5,n/k\n", DEFAULT, "column 1 has 'n/k' in row 3,"),
        ("a;b\n1,5;2\n1,25;3\n", DEFAULT, "column a has '1,5' in row 2, .*replace the decimal commas"),
        ("1,5;2,5\n1,5;3,5\n", DEFAULT, "has '1,5' in row 2, .*replace the decimal commas"),
        ("a,b\n1,2\n1,2,3,4\n", DEFAULT, "can't be read as CSV: .*line 3"),
        ("", DEFAULT, "can't be read as CSV: No columns"),
        ("a,b\n", DEFAULT, "has 0 rows and 2 columns"),
        (TABLE, Reading(size=8), "is a table, for which --size can't be used"),
    ],
)
def test_bad_tables(tmp_path, text, reading, message):
    with pytest.raises(UserError, match=message):
        read(write(tmp_path, text), reading)


def test_a_table_that_is_not_utf_8_is_named(tmp_path):
    (tmp_path / "own.csv").write_bytes("größe,b\n1,2\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"own\.csv can't be read as CSV: .*utf-8"):
        read(tmp_path / "own.csv", DEFAULT)


def test_names_stay_as_they_are_written(tmp_path):
    wanted = ("007", "", "NA", "9007199254740993")
    rows = "".join(f"{name},{i}.5,2\n" for i, name in enumerate(wanted))
    assert read(write(tmp_path, "id,a,b\n" + rows), Reading(names="id")).names == wanted
    assert read(write(tmp_path, ",a,b\n" + rows), DEFAULT).names == wanted
    no_heading = read(write(tmp_path, "007,1.5,2\n008,1.0,3\n"), Reading(names="0"))
    assert (no_heading.names, no_heading.columns) == (("007", "008"), ("1", "2"))


@pytest.mark.parametrize("first", ["1.5,NA,2", "1.5,,2", "1.5,n/a,2"])
def test_a_first_point_with_a_missing_value_is_no_heading(tmp_path, first):
    with pytest.raises(UserError, match="has 1 missing values, in column 1"):
        read(write(tmp_path, f"{first}\n1,2,3\n"), DEFAULT)


def test_true_and_false_may_be_labels_some_of_which_are_missing(tmp_path):
    pytest.importorskip("pyarrow")
    y = pd.array([True, False, None, True], dtype="boolean")
    pd.DataFrame({"a": [1.0, 2, 3, 4], "y": y}).to_parquet(tmp_path / "own.parquet")
    found = read(tmp_path / "own.parquet", Reading(labels="y"))
    assert found.y.tolist() == ["True", "False", "", "True"]


def test_parquet(tmp_path):
    pytest.importorskip("pyarrow")
    frame = pd.read_csv(write(tmp_path, TABLE)).set_index("name")
    frame.to_parquet(tmp_path / "own.parquet")
    found, expected = read(tmp_path / "own.parquet", Reading(labels="kind")), read(tmp_path / "own.csv", BOTH)
    np.testing.assert_array_equal(found.x, expected.x)
    assert found.y.tolist() == expected.y.tolist()
    assert (found.names, found.columns) == (expected.names, expected.columns)
    (tmp_path / "bad.parquet").write_text("no table")
    with pytest.raises(UserError, match="can't be read as Parquet"):
        read(tmp_path / "bad.parquet", DEFAULT)


def test_parquet_without_pyarrow_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError, match="pip install pyarrow, or give the table as CSV"):
        read(write(tmp_path, "", "own.parquet"), DEFAULT)
