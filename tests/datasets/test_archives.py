"""Archives: what is in them is read, and nothing is written."""

import gzip
import io
import tarfile
import zipfile

import numpy as np
import pytest

import benchmark.datasets._archives as archives
from benchmark.errors import UserError

CONTENT = bytes(range(256)) * 20


def make_zip(path, content):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def make_tar(path, content):
    with tarfile.open(path, "w:gz") as archive:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def make_folder(path, content):
    for name, data in content.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)


@pytest.mark.parametrize(("name", "make"), [("a.zip", make_zip), ("a.tar.gz", make_tar), ("a", make_folder)])
def test_members(tmp_path, name, make):
    path = tmp_path / name
    make(path, {"x/one": b"1", "x/two": CONTENT, "y/three": b"3"})
    assert archives.member_names(path) >= {"x/one", "x/two", "y/three"}
    assert list(archives.read_members(path, ["y/three", "x/two"]).items()) == [
        ("y/three", b"3"),
        ("x/two", CONTENT),
    ]
    with pytest.raises(UserError, match="does not contain x/four"):
        archives.read_members(path, ["x/one", "x/four"])


@pytest.mark.parametrize(("name", "make"), [("a.zip", make_zip), ("a.tar.gz", make_tar)])
@pytest.mark.parametrize("evil", ["../../outside", "/outside", "x/../../outside", "x\\..\\outside"])
def test_paths_that_lead_out_of_an_archive_are_refused(tmp_path, name, make, evil):
    path = tmp_path / "data" / name
    path.parent.mkdir()
    make(path, {"x/one": b"1", evil: b"evil"})
    for read in (archives.member_names, lambda p: archives.read_members(p, ["x/one"])):
        with pytest.raises(UserError, match=r"refused: the path .* leads out of the folder"):
            read(path)
    assert {p.name for p in tmp_path.rglob("*")} == {"data", name}


def test_a_link_in_an_archive_is_not_followed(tmp_path):
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("x/one")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(UserError, match="does not contain x/one"):
        archives.read_members(tmp_path / "a.tar.gz", ["x/one"])


@pytest.mark.parametrize(("name", "make"), [("a.zip", make_zip), ("a.tar.gz", make_tar)])
def test_truncated_archives_are_named(tmp_path, name, make):
    path = tmp_path / name
    make(path, {"x/one": np.random.default_rng(0).bytes(10_000)})
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(UserError, match=rf"{name} can't be read .* delete it"):
        archives.read_members(path, ["x/one"])


def test_a_truncated_gzip_file_is_refused(tmp_path):
    whole = gzip.compress(CONTENT)
    (tmp_path / "whole.gz").write_bytes(whole)
    archives.check_gzip(tmp_path / "whole.gz")
    (tmp_path / "part.gz").write_bytes(whole[:-20])
    with pytest.raises(UserError, match=r"part\.gz is not a gzip file, or is truncated"):
        archives.check_gzip(tmp_path / "part.gz")
