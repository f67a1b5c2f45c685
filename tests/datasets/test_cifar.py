"""CIFAR: both layouts byte for byte, packed and unpacked; the restricted reader of pickles; the original
files.
"""

import hashlib
import io
import os
import pickle
import subprocess
import sys
import tarfile

import numpy as np
import pytest

import benchmark.datasets._cifar as cifar
from benchmark.errors import UserError
from benchmark.registry import Registry

RNG = np.random.default_rng(0)
N = 7  # images per batch


class Small(cifar.CifarDataset):
    """Two training batches and one for testing, labelled twice as in CIFAR-100."""

    name = title = "small"
    n_classes = 20
    folders = ("small", "")
    files = cifar.cifar_files(
        0,
        ("c-bin/batch_1.bin", "c-bin/batch_2.bin", "c-bin/test.bin"),
        ("c-py/batch_1", "c-py/batch_2", "c-py/test"),
        "md5:0",
    )
    labels, label = ("coarse_labels", "fine_labels"), 0


@pytest.fixture
def small(tmp_path):
    """The data set, and its batches as (coarse, fine, images)."""
    batches = [
        (RNG.integers(0, 20, N), RNG.integers(0, 100, N), RNG.integers(0, 256, (N, 3072), dtype=np.uint8))
        for _ in range(3)
    ]
    dataset = Small(tmp_path)
    dataset.sha1 = tuple(hashlib.sha1(binary(b)).hexdigest() for b in batches)
    return dataset, batches


def binary(batch):
    """<coarse label><fine label><3,072 pixels> per image, as the author's page describes it."""
    return b"".join(bytes([c, f]) + image.tobytes() for c, f, image in zip(*batch, strict=True))


def pickled(batch):
    """A dictionary of lists and an array; protocol 2, the array under the name that old numpy gave its
    module.
    """
    coarse, fine, images = batch
    data = pickle.dumps(
        {
            "data": images,
            "coarse_labels": coarse.tolist(),
            "fine_labels": fine.tolist(),
            "filenames": ["a.png"] * N,
        },
        2,
    )
    return data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def pickled_by_python_2(batch):
    """The same as Python 2 writes it, which the original files were made with: byte strings instead of
    text.
    """
    *labels, images = batch
    string = lambda s: b"T" + len(s).to_bytes(4, "little") + s  # noqa: E731
    number = lambda i: b"J" + int(i).to_bytes(4, "little", signed=True)  # noqa: E731
    dtype = (
        b"cnumpy\ndtype\n("
        + string(b"u1")
        + b"K\x00K\x01tR(K\x03"
        + string(b"|")
        + b"NNN"
        + number(-1) * 2
        + b"K\x00tb"
    )
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t" + string(b"b") + b"tR"
    array += (
        b"(K\x01(" + number(N) + number(3072) + b"t" + dtype + b"I00\n" + string(images.tobytes()) + b"tb"
    )
    items = string(b"data") + array
    for name, values in zip(Small.labels, labels, strict=True):
        items += string(name.encode()) + b"](" + b"".join(map(number, values)) + b"e"
    return b"\x80\x02}(" + items + b"u."


def write(folder, batches, form, packed):
    names = Small.files[0].members if form == "binary" else Small.files[0].alternatives[0].members
    encode = {"binary": binary, "pickle": pickled, "python 2": pickled_by_python_2}[form]
    if not packed:
        for name, batch in zip(names, batches, strict=True):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(encode(batch))
        return
    with tarfile.open(
        folder / f"cifar-0-{'binary' if form == 'binary' else 'python'}.tar.gz", "w:gz"
    ) as archive:
        for name, batch in zip(names, batches, strict=True):
            info = tarfile.TarInfo(name)
            info.size = len(encode(batch))
            archive.addfile(info, io.BytesIO(encode(batch)))


@pytest.mark.parametrize("form", ["binary", "pickle", "python 2"])
@pytest.mark.parametrize("packed", [True, False])
def test_every_layout_gives_the_same(small, tmp_path, form, packed):
    dataset, batches = small
    write(tmp_path, batches, form, packed)
    if packed and form == "binary":  # the digest of the archive is checked as well
        with pytest.raises(UserError, match="its md5 is"):
            dataset.x("train")
        digest = hashlib.md5((tmp_path / "cifar-0-binary.tar.gz").read_bytes()).hexdigest()
        dataset.files = cifar.cifar_files(0, Small.files[0].members, (), f"md5:{digest}")
    assert dataset.missing() is None
    # R, G, B planes by rows
    np.testing.assert_array_equal(
        dataset.x("train"), np.concatenate([batches[0][2], batches[1][2]]).reshape(-1, 3, 32, 32)
    )
    np.testing.assert_array_equal(dataset.y("train"), np.concatenate([batches[0][0], batches[1][0]]))
    np.testing.assert_array_equal(dataset.x("test"), batches[2][2].reshape(-1, 3, 32, 32))
    assert dataset.x("train").dtype == np.uint8
    assert dataset.caveat() is None


def test_one_changed_pixel_is_noticed(small, tmp_path):
    dataset, batches = small
    batches[1][2][3, 5] ^= 1
    write(tmp_path, batches, "binary", packed=False)
    with pytest.raises(UserError, match=r"batch_2.bin in .* is not what was published"):
        dataset.x("train")
    dataset.x("test")


def test_a_known_inexact_copy_is_accepted_and_named(small, tmp_path):
    dataset, batches = small
    dataset.inexact = {dataset.sha1[2]: "3 images are copies"}
    dataset.sha1 = (*dataset.sha1[:2], "f" * 40)
    write(tmp_path, batches, "binary", packed=False)
    assert dataset.caveat() == "3 images are copies"
    assert len(dataset.x("train")) == 2 * N


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_pickle_that_calls_something_is_refused(small, tmp_path):
    dataset, batches = small
    write(tmp_path, batches, "pickle", packed=False)
    (tmp_path / "c-py" / "test").write_bytes(pickle.dumps({"data": Evil(str(tmp_path / "evil"))}, 2))
    with pytest.raises(UserError, match=r"it refers to posix.mkdir"):
        dataset.x("test")
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    "damage", [lambda d: d[: len(d) // 2], lambda d: b"", lambda d: pickle.dumps({"data": 1}, 2)]
)
def test_damaged_pickles_are_named(small, tmp_path, damage):
    dataset, batches = small
    write(tmp_path, batches, "pickle", packed=False)
    path = tmp_path / "c-py" / "batch_1"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=r"batch_1 in .* is not a batch of CIFAR images"):
        dataset.x("train")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "packed"), [("cifar10", "cifar-10"), ("cifar20", "cifar-100")])
def test_the_original_files(name, packed, real_data, tmp_path):
    """From the packed copies, if these are at hand; takes minutes."""
    script = real_data / "unpack_images.py"
    if not script.is_file():
        pytest.skip("no packed copies")
    place = "cifar-10-batches-bin" if name == "cifar10" else "cifar-100-binary"
    subprocess.run([sys.executable, script, packed, tmp_path / place], check=True)
    dataset = Registry().dataset(name, tmp_path)
    assert dataset.x("train").shape == (50_000, 3, 32, 32)
    assert len(set(np.bincount(dataset.y("train")))) == 1
    if name == "cifar10":
        assert dataset.y("train")[:5].tolist() == [6, 9, 9, 4, 1]  # frog, truck, truck, deer, automobile
        assert dataset.y("test")[:4].tolist() == [3, 8, 8, 0]  # cat, ship, ship, airplane
        assert "20 of the 10,000 test images" in dataset.caveat()
        assert dataset.sha1[5] == "67eb016db431130d61cd03c7ad570b013799c88c"  # what the true file has
    else:
        assert dataset.y("train")[:3].tolist() == [11, 15, 4]
        assert dataset.caveat() is None
