"""Records: written whole or not at all, and read with care."""

import json

import pytest

from benchmark.errors import UserError
from benchmark.records.store import SCHEMA, all_records, find_record, read_record, roots, table, write_record

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


def test_a_record_of_schema_1_is_read_as_one_of_today(tmp_path):
    key = {**RECORD["key"], "versions": {"metrics": 1, "training": 1}}
    provenance = {"device": "cpu", "threads": 1, "cells_at_a_time": 2}
    old = {**RECORD, "schema": 1, "key": key, "by_hand": {"lr": 0.1}, "provenance": provenance}
    (tmp_path / "record.json").write_text(json.dumps(old))
    found = read_record(tmp_path)
    assert found["key"] == {**RECORD["key"], "device": "cpu", "threads": 1, "versions": {"training": 1}}
    assert (found["overrides"], found["metrics_version"], found["digest"]) == ({"lr": 0.1}, 1, "abc")
    assert found["provenance"] == {"device": "cpu", "threads": 1, "runs_at_a_time": 2}
    assert "by_hand" not in found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "can't be read as a record"),
        ("[]", "is not a record"),
        (json.dumps({**RECORD, "schema": SCHEMA, "status": "wonderful"}), "is not a record"),
        (json.dumps({"status": "ok"}), "is not a record"),
        (json.dumps({"status": "ok", "schema": SCHEMA}), "is not a record"),
        (json.dumps({**RECORD, "schema": SCHEMA + 1}), "update dgcbench"),
        ("\x00\xff", "can't be read as a record"),
    ],
)
def test_what_is_no_record_is_named(tmp_path, text, message):
    (tmp_path / "record.json").write_text(text)
    with pytest.raises(UserError, match=message):
        read_record(tmp_path)


def test_a_file_where_a_folder_belongs_is_named(tmp_path):
    (tmp_path / "wine.csv").touch()
    for folder in (tmp_path / "wine.csv", tmp_path / "wine.csv" / "runs"):
        for use in (read_record, lambda path: write_record(path, RECORD)):
            with pytest.raises(UserError, match=r"wine.csv is a file, expected a folder"):
                use(folder)


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


def write_run(root, record):
    folder = root / "runs" / "d" / "m" / record["digest"] / f"seed-{record['seed']}"
    write_record(folder, record)
    return folder


def test_a_results_folder_copied_into_another_counts(tmp_path):
    write_run(tmp_path, {**RECORD, "seed": 0})
    folder = write_run(tmp_path / "merged" / "theirs", {**RECORD, "seed": 1})
    assert [record["seed"] for _, record in all_records(tmp_path)] == [0, 1]
    own = tmp_path / "runs" / folder.relative_to(tmp_path / "merged" / "theirs" / "runs")
    assert find_record(roots(tmp_path), own) == (folder, read_record(folder))
    assert find_record(roots(tmp_path), own.with_name("seed-2")) is None


def test_a_cell_that_is_there_twice_counts_once_if_both_say_the_same_up_to_times_and_hosts(tmp_path):
    write_run(tmp_path, {**RECORD, "provenance": {"host": "a"}})
    write_run(
        tmp_path / "merged" / "theirs", {**RECORD, "provenance": {"host": "b"}, "seconds": {"train": 9.0}}
    )
    assert [record["provenance"]["host"] for _, record in all_records(tmp_path)] == ["a"]


def test_two_outcomes_of_a_cell_are_an_error_that_names_both(tmp_path):
    a = write_run(tmp_path, RECORD)
    b = write_run(tmp_path / "merged" / "theirs", {**RECORD, "status": "diverged", "metrics": None})
    with pytest.raises(
        UserError, match=f"{a} and {b} are copies of one run with different outcomes \\(status, metrics\\)"
    ):
        list(all_records(tmp_path))


@pytest.mark.parametrize("why", ["failed", "timed_out", "out_of_memory"])
def test_a_run_that_was_made_again_counts_before_the_copy_that_its_machine_ended(tmp_path, why):
    folder = write_run(tmp_path, RECORD)
    write_run(tmp_path / "merged" / "theirs", {**RECORD, "status": why, "metrics": None})
    assert list(all_records(tmp_path)) == [(folder, read_record(folder))]
    write_run(tmp_path, {**RECORD, "status": "interrupted"})
    ((_, found),) = all_records(tmp_path)
    assert found["status"] == why


@pytest.mark.parametrize("own", ["interrupted", "ok"])
def test_an_interrupted_copy_yields_to_one_that_ended(tmp_path, own):
    folder = write_run(tmp_path, {**RECORD, "status": own})
    theirs = write_run(
        tmp_path / "merged" / "theirs", {**RECORD, "status": "ok" if own == "interrupted" else "interrupted"}
    )
    ended = theirs if own == "interrupted" else folder
    assert list(all_records(tmp_path)) == [(ended, read_record(ended))]
    assert find_record(roots(tmp_path), folder) == (ended, read_record(ended))
