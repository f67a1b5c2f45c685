"""IDX files: reading, finding, downloading and everything that can be wrong with them."""

import gzip
import shutil
from urllib.error import URLError

import numpy as np
import pytest

import benchmark.datasets._files as files_module
import benchmark.datasets._idx as idx
from benchmark.data import array_digest
from benchmark.errors import UserError

RNG = np.random.default_rng(0)
ARRAYS = {
    "train.x": RNG.integers(0, 256, (5, 28, 28), dtype=np.uint8),
    "train.y": RNG.integers(0, 10, 5, dtype=np.uint8),
    "test.x": RNG.integers(0, 256, (3, 28, 28), dtype=np.uint8),
    "test.y": RNG.integers(0, 10, 3, dtype=np.uint8),
}


FILES = idx.idx_files("http://first.invalid/", "http://second.invalid/")
NAMES = dict(zip(ARRAYS, [file.name for file in FILES], strict=True))


class Small(idx.IdxDataset):
    name = title = "small"
    folders = ("small", "Small/raw")
    files = FILES
    originals = {
        key: array_digest(array[:, None] if key.endswith("x") else array) for key, array in ARRAYS.items()
    }


def encode(array):
    """The IDX format as documented: magic number, dimensions as big-endian 32-bit integers, bytes."""
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.tobytes()


@pytest.fixture
def files(tmp_path):
    """A folder with the four files, packed."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    for key, name in NAMES.items():
        (folder / name).write_bytes(gzip.compress(encode(ARRAYS[key])))
    return folder


@pytest.fixture
def mirror(files, monkeypatch):
    """Downloads come from `files` at the second mirror; the first can't be reached. Returns the addresses
    asked for.
    """
    asked = []

    def fetch(url, path):
        asked.append(url)
        if "first" in url:
            raise URLError("no such host")
        shutil.copy(files / url.rsplit("/", 1)[1], path)

    monkeypatch.setattr(files_module, "download", fetch)
    return asked


def test_what_is_written_is_read(files):
    for key, name in NAMES.items():
        np.testing.assert_array_equal(idx.read_idx(files / name), ARRAYS[key])


def test_download_from_the_mirror_that_answers(tmp_path, mirror):
    dataset = Small(tmp_path / "data")
    assert "train-images-idx3-ubyte.gz" in dataset.missing()
    dataset.fetch()
    assert dataset.missing() is None
    np.testing.assert_array_equal(dataset.x("test")[:, 0], ARRAYS["test.x"])
    np.testing.assert_array_equal(dataset.y("train"), ARRAYS["train.y"])
    assert len(mirror) == 8
    dataset.fetch()
    assert len(mirror) == 8  # nothing is downloaded when the files are there
    assert sorted(p.name for p in (tmp_path / "data" / "small").iterdir()) == sorted(NAMES.values())


@pytest.mark.parametrize("unpacked", [True, False])
def test_the_layout_of_torchvision_is_found(tmp_path, files, unpacked):
    raw = tmp_path / "data" / "Small" / "raw"
    raw.mkdir(parents=True)
    for key, name in NAMES.items():
        if unpacked:
            (raw / name.removesuffix(".gz")).write_bytes(encode(ARRAYS[key]))
        else:
            shutil.copy(files / name, raw / name)
    dataset = Small(tmp_path / "data")
    assert dataset.missing() is None
    np.testing.assert_array_equal(dataset.x("train")[:, 0], ARRAYS["train.x"])


def test_no_network_says_what_to_put_where(tmp_path, monkeypatch):
    def fetch(url, path):
        raise URLError("network is unreachable")

    monkeypatch.setattr(files_module, "download", fetch)
    with pytest.raises(
        UserError, match=r"could not be downloaded; put it into .*small, or set DGCBENCH_DATA"
    ) as error:
        Small(tmp_path).fetch()
    assert str(error.value).count("network is unreachable") == 2
    assert list((tmp_path / "small").iterdir()) == []


def test_a_mirror_with_other_content_is_passed_over(tmp_path, files, monkeypatch):
    def fetch(url, path):
        if "first" in url:
            path.write_bytes(gzip.compress(encode(ARRAYS["train.y"] + 1)))
        else:
            shutil.copy(files / url.rsplit("/", 1)[1], path)

    monkeypatch.setattr(files_module, "download", fetch)
    dataset = Small(tmp_path)
    dataset.fetch()
    np.testing.assert_array_equal(dataset.y("test"), ARRAYS["test.y"])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[: len(data) // 2], "can't be unpacked"),
        (lambda data: b"<html>not found</html>", "can't be unpacked"),
        (lambda data: gzip.compress(gzip.decompress(data)[:-10]), "is truncated"),
        (lambda data: gzip.compress(b"something else entirely"), "is not an IDX file"),
        (lambda data: gzip.compress(b""), "is not an IDX file"),
        (lambda data: gzip.compress(gzip.decompress(data)[:-1] + b"\x07"), "does not hold train.x of small"),
    ],
)
def test_damaged_files_are_named(tmp_path, files, damage, message):
    folder = tmp_path / "data" / "small"
    shutil.copytree(files, folder)
    path = folder / NAMES["train.x"]
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=message) as error:
        Small(tmp_path / "data").x("train")
    assert str(path) in str(error.value)


def test_an_incomplete_data_set_says_what_is_missing(tmp_path):
    with pytest.raises(UserError, match="is not complete"):
        Small(tmp_path).x("train")


def test_a_data_folder_that_cannot_be_written(tmp_path, mirror):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="can't be written"):
        Small(tmp_path / "file").fetch()


@pytest.mark.parametrize("name", ["mnist", "mnist32", "fashion_mnist", "fashion_mnist32", "fashion5"])
def test_the_original_files(name, real_data):
    from benchmark.data import data_folder
    from benchmark.registry import Registry

    dataset = Registry().dataset(name, data_folder())
    assert dataset.missing() is None
    assert dataset.x("train").shape == (60_000, *dataset.shape)
    assert dataset.x("test").shape == (10_000, *dataset.shape)
    if name == "mnist":  # the first labels of the original files
        assert dataset.y("train")[:8].tolist() == [5, 0, 4, 1, 9, 2, 1, 3]
        assert dataset.y("test")[:8].tolist() == [7, 2, 1, 0, 4, 1, 4, 9]
    if name == "fashion5":  # ClusterGAN's merge leaves 2, 1, 3, 3 and 1 classes of 6,000 images
        assert np.bincount(dataset.y("train")).tolist() == [12_000, 6_000, 18_000, 18_000, 6_000]


def test_enlarging_is_that_of_pillow():
    from benchmark.datasets._images import resize

    image_module = pytest.importorskip("PIL.Image")
    images = RNG.integers(0, 256, (7, 28, 28), dtype=np.uint8)
    theirs = [image_module.fromarray(i).resize((32, 32), image_module.Resampling.BILINEAR) for i in images]
    np.testing.assert_array_equal(resize(images, 32), np.stack([np.asarray(i) for i in theirs]))
