"""Files whole or not at all, locks, caches, and digests of plain data."""

import subprocess
import sys

import filelock
import numpy as np
import pytest

from benchmark.files import best_effort_cache, digest, locked, write_arrays, write_atomically


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


def test_another_machine_s_temporary_file_is_left_alone(tmp_path):
    other = tmp_path / ".file.elsewhere.1"
    other.touch()
    write_atomically(tmp_path / "file", "ü")
    assert (tmp_path / "file").read_bytes() == "ü".encode()
    assert other.exists()


def test_arrays_come_back_and_their_folder_is_made(tmp_path):
    write_arrays(tmp_path / "new" / "a.npz", {"x": np.arange(3)})
    with np.load(tmp_path / "new" / "a.npz") as file:
        assert file["x"].tolist() == [0, 1, 2]


def test_a_file_is_held_by_one_process_at_a_time(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from benchmark.files import locked\n"
        f"with locked(Path({str(tmp_path / 'made')!r})):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout.readline() == "held\n"
    lock = filelock.FileLock(tmp_path / "made.lock", blocking=False)
    with pytest.raises(filelock.Timeout):
        lock.acquire()
    other.kill()  # the system lets go of it however the process ends
    other.wait()
    with locked(tmp_path / "made"):
        pass


def test_a_cache_that_cannot_be_written_is_a_warning(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.warns(RuntimeWarning, match="can't be kept"), best_effort_cache(tmp_path / "a"):
        write_arrays(tmp_path / "a" / "b.npz", {})
    tmp_path.chmod(0o700)


def test_the_digest_of_plain_data_does_not_depend_on_the_order_of_its_keys():
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
