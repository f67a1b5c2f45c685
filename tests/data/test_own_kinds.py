"""What is taken for data of the user's own."""

import pytest

from benchmark.data.own_kinds import is_own, read_own
from benchmark.errors import UserError
from benchmark.reading import DEFAULT


def test_a_path_is_own_data_and_a_name_is_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flowers").mkdir()
    (tmp_path / "digits").mkdir()
    (tmp_path / "data.xlsx").touch()
    known = {"digits", "mnist"}
    assert all(
        is_own(asked, known) for asked in ("flowers", "./digits", "a.npz", "b.CSV", "x/y", "data.xlsx")
    )
    assert not any(is_own(asked, known) for asked in ("digits", "mnist", "minst"))


def test_what_is_none_of_the_kinds_is_said_with_those_that_are(tmp_path):
    (tmp_path / "own.h5").touch()
    for name, words in (("own.h5", "is a file of another kind"), ("nowhere", "")):
        with pytest.raises(UserError, match=rf"{name}.*{words}.* expected a folder of PNG or JPEG files"):
            read_own(tmp_path / name, DEFAULT)
