"""SVHN and USPS, from small files of the original layout."""

import bz2
import hashlib
from dataclasses import replace

import numpy as np
import pytest
from scipy.io import savemat

from benchmark.datasets.svhn import Svhn, SvhnExtra
from benchmark.datasets.usps import Usps
from benchmark.errors import UserError

RNG = np.random.default_rng(0)


def own_digests(dataset):
    """State the digests of the files that are there."""
    dataset.files = tuple(
        replace(f, digest="md5:" + hashlib.md5(dataset.find(f).path.read_bytes()).hexdigest())
        if dataset.find(f)
        else f
        for f in dataset.files
    )
    return dataset


@pytest.fixture
def svhn(tmp_path):
    """MATLAB 5 files, compressed, with X (32, 32, 3, N) and y (N, 1), where 10 is the digit 0."""
    arrays = {}
    for n, part in ((5, "train"), (4, "test"), (6, "extra")):
        x, y = (
            RNG.integers(0, 256, (32, 32, 3, n), dtype=np.uint8),
            RNG.integers(1, 11, (n, 1), dtype=np.uint8),
        )
        y[0] = 10
        savemat(tmp_path / f"{part}_32x32.mat", {"X": x, "y": y}, do_compression=True)
        arrays[part] = x, y
    return tmp_path, arrays


def test_svhn(svhn, monkeypatch):
    folder, arrays = svhn
    with pytest.raises(UserError, match="its sha256 is"):  # not the original
        Svhn(folder).x("train")
    import benchmark.datasets.svhn as module

    for name in ("TRAIN", "TEST", "EXTRA"):
        file = getattr(module, name)
        digest = "md5:" + hashlib.md5((folder / file.name).read_bytes()).hexdigest()
        monkeypatch.setattr(module, name, replace(file, digest=digest))
    monkeypatch.setattr(Svhn, "files", (module.TRAIN, module.TEST))
    monkeypatch.setattr(SvhnExtra, "files", (module.TRAIN, module.EXTRA, module.TEST))
    for dataset, parts in ((Svhn(folder), ("train",)), (SvhnExtra(folder), ("train", "extra"))):
        x, y = dataset.x("train"), dataset.y("train")
        for i, (image, label) in enumerate(zip(x, y, strict=True)):
            part, k = (parts[0], i) if i < 5 else ("extra", i - 5)
            assert (image[2, 7, 11], image[0, 31, 0]) == (
                arrays[part][0][7, 11, 2, k],
                arrays[part][0][31, 0, 0, k],
            )
            assert label == arrays[part][1][k, 0] % 10
        assert len(x) == sum(arrays[p][0].shape[3] for p in parts)
        assert len(dataset.x("test")) == 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"X": np.zeros((32, 32, 3, 2), np.uint8)}, "has no array 'y'"),
        ({"X": np.zeros((32, 32, 2), np.uint8), "y": np.zeros((2, 1))}, r"expected uint8 \(32, 32, 3, N\)"),
        ({"X": np.zeros((32, 32, 3, 2)), "y": np.zeros((2, 1))}, "X is float64"),
        ({"X": np.zeros((32, 32, 3, 2), np.uint8), "y": np.zeros((3, 1))}, r"y \(3, 1\)"),
        (b"MATLAB 5.0 MAT-file", "is not a MATLAB 5 file, or is truncated"),
    ],
)
def test_svhn_of_another_kind(tmp_path, content, message):
    path = tmp_path / "train_32x32.mat"
    path.write_bytes(content) if isinstance(content, bytes) else savemat(path, content)
    with pytest.raises(UserError, match=message):
        own_digests(Svhn(tmp_path))._read_mat(own_digests(Svhn(tmp_path)).files[0])


def test_svhn_truncated(svhn):
    path = svhn[0] / "train_32x32.mat"
    path.write_bytes(path.read_bytes()[:2000])
    dataset = own_digests(Svhn(svhn[0]))
    with pytest.raises(UserError, match="is not a MATLAB 5 file, or is truncated"):
        dataset._read_mat(dataset.files[0])


def test_usps(tmp_path):
    x, y = RNG.uniform(-1, 1, (6, 256)).round(6), RNG.integers(1, 11, 6)
    text = "".join(
        f"{k} " + " ".join(f"{i + 1}:{v:g}" for i, v in enumerate(row)) + " \n"
        for k, row in zip(y, x, strict=True)
    )
    for name in ("usps.bz2", "usps.t.bz2"):
        (tmp_path / name).write_bytes(bz2.compress(text.encode()))
    with pytest.raises(UserError, match="its sha256 is"):
        Usps(tmp_path).x("train")
    dataset = own_digests(Usps(tmp_path))
    np.testing.assert_allclose(dataset.x("train").reshape(6, 256), (x + 1) / 2, atol=1e-6)
    np.testing.assert_array_equal(dataset.y("test"), y - 1)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (bz2.compress(b"1 1:0.5 2:0.5\n"), "is not 256 pixels per line"),
        (bz2.compress(b"1 " + b" ".join(b"%d:0" % i for i in range(256))), "not numbered from 1 to 256"),
        (bz2.compress(b"1 1:0.5" * 100)[:40], "is not 256 pixels per line"),
    ],
)
def test_usps_of_another_kind(tmp_path, data, message):
    (tmp_path / "usps.bz2").write_bytes(data)
    with pytest.raises(UserError, match=message):
        own_digests(Usps(tmp_path)).x("train")
