"""One sweep at a time in a results folder."""

from pathlib import Path

import pytest

from benchmark.errors import UserError
from benchmark.running.hold import only_sweep


def test_two_sweeps_on_one_results_folder(tmp_path):
    with (
        only_sweep(tmp_path),
        pytest.raises(UserError, match="another sweep is running"),
        only_sweep(tmp_path),
    ):
        pass
    with only_sweep(tmp_path):  # free again
        pass


def test_a_results_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="can't be written"), only_sweep(Path(tmp_path / "file" / "results")):
        pass
