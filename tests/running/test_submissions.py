import dataclasses
import json
import os
import time

import pytest

from benchmark.cli.status import states
from benchmark.records.run import Run
from benchmark.running import submissions

KEY = {"dataset": "digits", "model": "fine", "budget": "quick", "device": "cpu", "threads": 1}
RUN = Run(KEY, 0, "digits", ())


def submitted(results):
    return submissions.new(results, "local", [[RUN.folder(results)]])


def test_a_run_that_gives_no_sign_of_life_is_not_running(tmp_path):
    submission = submitted(tmp_path)
    sign = RUN.folder(tmp_path) / "progress.json"
    sign.parent.mkdir(parents=True)
    sign.write_text("{}")
    os.utime(sign, (time.time() - 500,) * 2)
    assert [state.kind for state in states(tmp_path)] == ["pending"]
    submissions.Submission(**{**vars(submission), "pid": 2**22 + 1}).write(tmp_path)
    assert [state.kind for state in states(tmp_path)] == ["lost"]


def test_a_run_is_called_by_its_file_and_by_its_folder_where_that_is_damaged(tmp_path):
    run = dataclasses.replace(RUN, overrides={"lr": 0.1})
    run.write(run.folder(tmp_path))
    submissions.new(tmp_path, "local", [[run.folder(tmp_path)]])
    assert [state.title for state in states(tmp_path)] == ["digits fine lr=0.1 seed 0"]
    (run.folder(tmp_path) / "run.json").write_text("{")
    assert [state.title for state in states(tmp_path)] == ["digits fine seed 0"]


def test_a_sweep_is_alive_also_where_there_is_no_proc_and_of_another_user(tmp_path, monkeypatch):
    submitted(tmp_path)
    monkeypatch.setattr("pathlib.Path.exists", lambda _: False)
    assert [state.kind for state in states(tmp_path)] == ["pending"]

    def refused(*_):
        raise PermissionError

    monkeypatch.setattr(os, "kill", refused)
    assert [state.kind for state in states(tmp_path)] == ["pending"]


def test_a_submission_needs_no_name_of_a_user_and_one_of_an_earlier_version_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: pytest.fail("a container's user may have no name"))
    submission = submitted(tmp_path)
    path = tmp_path / submissions.FOLDER / f"{submission.name}.json"
    path.write_text(json.dumps({**vars(submission), "user": "me"}))
    assert submissions.read_all(tmp_path) == [submission]
