"""Records: written whole or not at all, and read with care."""

import json

import pytest

from benchmark.errors import UserError
from benchmark.results import SCHEMA, all_records, read_record, table, write_atomically, write_record

RECORD = {
    "status": "ok",
    "key": {"dataset": "d", "model": "m", "budget": "quick", "protocol": "neutral"},
    "digest": "abc",
    "seed": 0,
    "seconds": {"train": 2.0, "evaluate": 1.0},
    "metrics": {"test": {"a": {"n": 5, "accuracy": 0.5, "confusion": [[1]]}, "b": {"n": 5, "accuracy": 0.6}}},
}


def test_a_record_comes_back_as_it_was(tmp_path):
    write_record(tmp_path / "new", RECORD)
    assert read_record(tmp_path / "new") == {"schema": SCHEMA, **RECORD}
    assert read_record(tmp_path / "other") is None
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["record.json"]


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_text("old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "can't be read as a record"),
        ("[]", "is not a record"),
        (json.dumps({"status": "wonderful"}), "is not a record"),
        (json.dumps({**RECORD, "schema": SCHEMA + 1}), "update dgcbench"),
        ("\x00\xff", "can't be read as a record"),
    ],
)
def test_what_is_no_record_is_named(tmp_path, text, message):
    (tmp_path / "record.json").write_text(text)
    with pytest.raises(UserError, match=message):
        read_record(tmp_path)


def test_all_records_in_order_of_their_paths(tmp_path):
    for seed in (1, 0):
        write_record(tmp_path / "runs" / "d" / "m" / "abc" / f"seed-{seed}", {**RECORD, "seed": seed})
    assert [record["seed"] for _, record in all_records(tmp_path)] == [0, 1]


def test_the_tidy_table_has_a_row_per_split_and_rule_and_one_for_a_failure():
    frame = table([RECORD, {**RECORD, "seed": 1, "status": "failed", "metrics": None, "seconds": {}}])
    assert len(frame) == 3
    assert frame["seconds"].tolist() == [3.0, 3.0, 0.0]
    assert frame["rule"].tolist()[:2] == ["a", "b"]
    assert frame["default_rule"].tolist()[:2] == [True, False]
    assert frame["accuracy"].isna().tolist() == [False, False, True]
    assert "confusion" not in frame
