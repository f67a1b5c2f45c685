"""Folders of images: what is read, resized, left out and refused."""

import os

import numpy as np
import pytest
from PIL import Image

from benchmark.data import data_folder
from benchmark.data.own_file import OwnDataset
from benchmark.data.own_images import decode, read
from benchmark.errors import UserError
from benchmark.reading import DEFAULT, Reading

RNG = np.random.default_rng(0)


def save(path, pixels, **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **more)


def grey(size=8):
    return RNG.integers(0, 256, size=(size, size), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Six grey images, in two sub-folders and outside of them."""
    for name in ("cats/a.png", "cats/b.PNG", "dogs/a.png", "dogs/deep/b.png", "c.png", "d.png"):
        save(tmp_path / "pets" / name, grey())
    (tmp_path / "pets" / "README.txt").write_text("pictures of pets")
    (tmp_path / "pets" / ".hidden.png").write_bytes(b"")
    return tmp_path / "pets"


NAMES = ("c.png", "cats/a.png", "cats/b.PNG", "d.png", "dogs/a.png", "dogs/deep/b.png")


def test_the_images_of_a_folder_and_those_below_it_in_the_order_of_their_names(folder):
    found = read(folder, DEFAULT)
    assert found.names == NAMES
    assert found.y is None
    for x, name in zip(found.x, NAMES, strict=True):
        np.testing.assert_array_equal(x[0], np.asarray(Image.open(folder / name)))
    dataset = OwnDataset(folder)
    assert dataset.name.startswith("pets-")
    assert (dataset.shape, dataset.preprocessing) == ((1, 8, 8), "values / 255")
    assert tuple(dataset.names("all")) == NAMES


def test_the_sub_folders_are_labels_if_asked_for(folder):
    dataset = OwnDataset(folder, Reading(labels="folders"))
    assert dataset.y("all").tolist() == ["", "cats", "cats", "", "dogs", "dogs"]
    assert dataset.n_classes == 2
    with pytest.raises(UserError, match="expected --labels folders: a sub-folder for each class"):
        read(folder, Reading(labels="kind"))


def test_a_folder_linked_into_itself_is_read_once(folder):
    (folder / "cats" / "again").symlink_to(folder)
    assert read(folder, DEFAULT).names == NAMES


def test_damaged_files_are_listed_and_left_out(folder, capsys):
    whole = (folder / "d.png").read_bytes()
    (folder / "d.png").write_bytes(whole[: len(whole) // 2])
    (folder / "e.jpg").write_text("<html>Not found")
    dataset = OwnDataset(folder)
    assert dataset.x("all").shape == (5, 1, 8, 8)
    assert "d.png" not in dataset.names("all")
    assert dataset.caveat() == "2 of 7 files are damaged and left out: d.png, e.jpg"
    listed = capsys.readouterr().err
    assert "left out (2):" in listed
    assert "  e.jpg: cannot identify image file" in listed
    OwnDataset(folder)
    assert "  d.png: " in capsys.readouterr().err  # also where the images come from the cache


def test_images_of_other_shapes_become_the_middle_square(tmp_path):
    wide = np.zeros((10, 30), np.uint8)
    wide[:, 8:22] = 200  # the middle square, and what smoothing sees beside it
    save(tmp_path / "wide.png", wide)
    np.testing.assert_array_equal(decode(tmp_path / "wide.png", 5, None), np.full((1, 5, 5), 200))
    same = grey()
    save(tmp_path / "same.png", same)
    np.testing.assert_array_equal(decode(tmp_path / "same.png", 8, None)[0], same)


def test_twelve_bits_stored_as_sixteen_are_refused_with_what_makes_them_right(tmp_path):
    values = RNG.integers(4096, size=(3, 8, 8), dtype=np.uint16)
    for name, pixels in zip("abc", values, strict=True):
        save(tmp_path / "scans" / f"{name}.png", pixels)
    with pytest.raises(UserError, match="multiply 12 bits that are stored as 16 by 16"):
        OwnDataset(tmp_path / "scans").x("all")
    for name, pixels in zip("abc", values, strict=True):
        save(tmp_path / "scans" / f"{name}.png", 16 * pixels)
    assert OwnDataset(tmp_path / "scans").x("all").max() > 250


def test_files_of_every_kind_are_decoded_to_what_they_show(tmp_path):
    path = tmp_path / "image.png"
    save(path, np.array([[0, 257], [257 * 128, 65535]], np.uint16))
    np.testing.assert_array_equal(decode(path, None, None)[0], [[0, 1], [128, 255]])
    save(path, np.array([[True, False]]))
    np.testing.assert_array_equal(decode(path, None, None)[0], [[255, 0]])
    transparent = np.array([[[255, 0, 0, 255], [0, 0, 0, 0]]], np.uint8)
    save(path, transparent)
    np.testing.assert_array_equal(decode(path, None, None)[:, 0].T, [[255, 0, 0], [255, 255, 255]])
    Image.fromarray(transparent[..., :3]).convert("P").save(path)
    assert decode(path, None, None).shape == (3, 1, 2)
    assert decode(path, None, "grey").shape == (1, 1, 2)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    save(tmp_path / "photo.jpg", np.zeros((8, 16, 3), np.uint8), exif=exif)
    assert decode(tmp_path / "photo.jpg", None, None).shape == (3, 16, 8)


def test_the_images_are_decoded_once_unless_a_file_or_an_option_changes(folder, monkeypatch):
    calls = []
    monkeypatch.setattr("benchmark.data.own_images.decode", lambda *a: calls.append(a) or decode(*a))
    first = read(folder, DEFAULT)
    np.testing.assert_array_equal(read(folder, DEFAULT).x, first.x)
    assert len(calls) == 6
    read(folder, Reading(size=4))
    assert len(calls) == 12
    save(folder / "c.png", grey())
    os.utime(folder / "c.png", ns=(1, 1))
    assert (read(folder, DEFAULT).x[0] != first.x[0]).any()
    assert len(calls) == 18


def test_what_is_kept_can_not_be_changed_by_a_model(folder):
    read(folder, DEFAULT).x[:] = 7
    assert (read(folder, DEFAULT).x != 7).any()


def test_without_a_place_for_the_cache_the_images_are_read_all_the_same(folder, capsys):
    data_folder().mkdir(exist_ok=True)
    (data_folder() / "own").rename(data_folder() / "moved") if (data_folder() / "own").exists() else None
    (data_folder() / "own").write_text("in the way")
    try:
        assert read(folder, DEFAULT).x.shape == (6, 1, 8, 8)
        assert "can't be kept" in capsys.readouterr().err
    finally:
        (data_folder() / "own").unlink()


def two_sizes(folder):
    save(folder / "large.png", grey(9))


def two_colours(folder):
    save(folder / "coloured.png", np.stack([grey()] * 3, axis=2))


def other_data(folder):
    (folder / "points.csv").write_text("1,2\n")


def nothing(folder):
    for file in folder.rglob("*.[pP][nN][gG]"):
        file.unlink()


def all_damaged(folder):
    for file in folder.rglob("*.[pP][nN][gG]"):
        file.write_text("damaged")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (two_sizes, "large.png has 9 x 9 pixels and c.png 8 x 8; `run --size N` makes all N x N"),
        (two_colours, "c.png is grey and coloured.png in colour; --colour grey or --colour rgb"),
        (other_data, "6 PNG or JPEG files, and data of other kinds besides: points.csv; move"),
        (nothing, "has no PNG or JPEG files"),
        (all_damaged, "no file that can be decoded; c.png: cannot identify image file 'the file'"),
    ],
)
def test_folders_that_can_not_be_read(folder, change, message):
    change(folder)
    with pytest.raises(UserError, match=message):
        read(folder, DEFAULT)


def test_a_folder_or_file_without_the_right_to_read_it_is_named(folder, monkeypatch):
    def denied(path, *_):
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patched:
        patched.setattr("benchmark.data.own_images.os.walk", lambda f, onerror, followlinks: denied(f))
        with pytest.raises(UserError, match=r"pets can't be read: .*Permission denied"):
            read(folder, DEFAULT)
    monkeypatch.setattr("benchmark.data.own_images.decode", denied)
    with pytest.raises(UserError, match=r"c\.png can't be read: Permission denied"):
        read(folder, DEFAULT)


def test_mixed_sizes_and_colours_become_one_where_the_reading_says_so(folder):
    two_sizes(folder)
    two_colours(folder)
    dataset = OwnDataset(folder, Reading(size=6, colour="rgb"))
    assert dataset.x("all").shape == (8, 3, 6, 6)
    assert dataset.preprocessing == "size 6, colour rgb; values / 255"
