"""Omniglot: the original files, the distortions against a slow reference, and what can be wrong with a
drawing.
"""

import shutil
import zipfile
import zlib

import numpy as np
import pytest

import benchmark.datasets.omniglot as omniglot
from benchmark.datasets._archives import read_members
from benchmark.errors import UserError
from benchmark.registry import Registry

RNG = np.random.default_rng(0)


def png(drawing, bit_depth=1, filtered=0, size=105):
    """A PNG file by its specification: signature, header, one compressed block of rows, end; with
    checksums.
    """

    def chunk(kind, data):
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = size.to_bytes(4, "big") * 2 + bytes([bit_depth, 0, 0, 0, 0])
    rows = b"".join(bytes([filtered]) + np.packbits(1 - row).tobytes() for row in drawing)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def test_what_is_drawn_is_read():
    drawing = RNG.integers(0, 2, (105, 105), dtype=np.uint8)
    np.testing.assert_array_equal(omniglot.read_png(png(drawing), "a.png"), drawing)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"<html>", "it is no PNG file"),
        (png(np.zeros((105, 105), np.uint8), bit_depth=8), "not a black and white PNG of 105x105"),
        (png(np.zeros((105, 105), np.uint8), size=104), "not a black and white PNG of 105x105"),
        (png(RNG.integers(0, 2, (105, 105), dtype=np.uint8))[:800], "truncated"),
    ],
)
def test_other_files_are_refused(data, message):
    with pytest.raises(UserError, match=rf"a.png of Omniglot can't be read.*{message}"):
        omniglot.read_png(data, "a.png")


def slowly(drawing, matrix, shift):
    """The same image, sample by sample, in floating point."""
    image = np.zeros((32, 32))
    inverse = np.linalg.inv(matrix)
    for row in range(32):
        for column in range(32):
            for j in range(4):
                for i in range(4):
                    at = np.array([column + (i + 0.5) / 4, row + (j + 0.5) / 4]) * 105 / 32 - 52.5
                    x, y = np.floor(inverse @ (at - shift) + 52.5).astype(int)
                    if 0 <= x < 105 and 0 <= y < 105:
                        image[row, column] += drawing[y, x] / 16
    return np.floor(255 * image + 0.5)


@pytest.mark.parametrize("k", range(4))
def test_distortions_against_a_slow_reference(k):
    drawing = (RNG.random((105, 105)) < 0.3).astype(np.uint8)
    matrices, shifts = omniglot.distortions(100)
    matrix, shift = (np.eye(2), np.zeros(2)) if k == 0 else (matrices[k], shifts[k])
    fast = omniglot.draw(np.pad(drawing, omniglot.MARGIN), matrix, shift)
    expected = slowly(drawing, matrix, shift)
    # positions are rounded to 1/65536, so a sample may fall beside an edge
    assert (fast == expected).mean() > 0.99
    assert np.abs(fast - expected).max() <= 2 * 16
    assert fast.max() > 100


def test_distortions_are_those_of_koch_et_al():
    matrices, shifts = omniglot.distortions(20_000)
    # 5 parts left out
    assert np.mean((matrices == np.eye(2)).all(axis=(1, 2))) == pytest.approx(1 / 32, abs=0.005)
    assert np.abs(shifts).max() <= 2
    assert np.mean(shifts == 0, axis=0) == pytest.approx([0.5, 0.5], abs=0.02)
    determinants = np.linalg.det(matrices)  # of rotation 1, of shears 1 - ab, of scales cd
    assert (determinants >= 0.91 * 0.64 - 1e-9).all()
    assert (determinants <= 1.09 * 1.44 + 1e-9).all()
    assert (omniglot.distortions(5)[0] != omniglot.distortions(5)[0]).sum() == 0


def test_no_sample_lies_outside_of_the_margin():
    corners = np.array([[x, y] for x in (-52.5, 52.5) for y in (-52.5, 52.5)])
    worst = 0.0
    for angle in np.deg2rad([-10, 0, 10]):
        for shears in ((a, b) for a in (-0.3, 0, 0.3) for b in (-0.3, 0, 0.3)):
            rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            matrix = rotation @ np.array([[1, shears[0]], [shears[1], 1]]) * 0.8
            worst = max(worst, np.abs((corners + 2) @ np.linalg.inv(matrix).T).max())
    assert worst < 52.5 + omniglot.MARGIN


def test_the_original_files(real_data):
    dataset = Registry().dataset("omniglot", real_data)
    assert dataset.x("all").shape == (2000, 1, 32, 32)
    drawings = dataset._drawings()
    assert sum(d.shape == (105, 105) for d in drawings) == 2000
    np.testing.assert_allclose(  # resizing by area keeps the share of ink, by and large
        dataset.x("all").mean() / 255, np.mean(drawings), rtol=0.02
    )
    with zipfile.ZipFile(real_data / "omniglot" / "images_evaluation.zip") as archive:
        names = [n for n in archive.namelist() if n.endswith(".png")]
    assert len(names) == 13_180


def test_unpacked_folders_give_the_same_as_archives(real_data, tmp_path, monkeypatch):
    place = tmp_path / "omniglot-py"  # as torchvision has it
    place.mkdir()
    unpacked, packed = Registry().dataset("omniglot", tmp_path), Registry().dataset("omniglot", real_data)
    read = set()

    def reading(place, names):
        read.update(names)
        return read_members(place, names)

    monkeypatch.setattr(omniglot, "read_members", reading)
    packed.x("all")
    for part in omniglot.PARTS:  # of every character that is not read one drawing
        with zipfile.ZipFile(real_data / "omniglot" / f"{part}.zip") as archive:
            archive.extractall(place, [n for n in archive.namelist() if n in read or n.endswith("_01.png")])
    np.testing.assert_array_equal(unpacked.x("all"), packed.x("all"))
    shutil.rmtree(next((place / "images_background").iterdir()))
    with pytest.raises(UserError, match="characters, expected 1623"):
        Registry().dataset("omniglot", tmp_path).x("all")
