"""Own files: images, vectors, and everything that can be wrong with them."""

import numpy as np
import pytest

from benchmark.data.own_file import NpzDataset
from benchmark.errors import UserError

RNG = np.random.default_rng(0)


def write(tmp_path, **arrays):
    path = tmp_path / "my data.npz"
    np.savez(path, **arrays)
    return path


def test_vectors_are_standardised(tmp_path):
    x = RNG.normal(5, [1, 10, 100, 0], size=(200, 4))  # one column is constant
    dataset = NpzDataset(write(tmp_path, X=x, y=np.repeat(["a", "b"], 100)))
    found = dataset.x("all")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(found.std(axis=0), [1, 1, 1, 0], atol=1e-5)
    assert (dataset.n_classes, dataset.value_range, dataset.name) == (2, None, "my_data")


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((9, 8, 7), (1, 8, 7)), ((9, 8, 7, 3), (3, 8, 7)), ((9, 3, 8, 7), (3, 8, 7)), ((9, 8, 7, 1), (1, 8, 7))],
)
def test_images_of_every_layout(tmp_path, shape, expected):
    x = RNG.integers(0, 256, size=shape, dtype=np.uint8)
    dataset = NpzDataset(write(tmp_path, X=x))
    assert dataset.shape == expected
    assert dataset.x("all").shape == (9, *expected)
    assert dataset.y("all") is None
    assert dataset.n_classes is None
    channels_last = shape[-1] in (1, 3) and len(shape) == 4
    pixel = x[4, 2, 5, -1] if channels_last else x[4, ..., 2, 5].reshape(-1)[-1]
    assert dataset.x("all")[4, -1, 2, 5] == pixel


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": RNG.normal(size=(9, 3))}, "has no array X .it has: x."),
        ({"X": np.array([[1.0, np.nan], [2.0, 3.0]])}, "1 values that are NaN"),
        ({"X": np.array([{"a": 1}, None])}, "Python objects"),
        ({"X": RNG.normal(size=9)}, "expected numbers"),
        ({"X": np.array([["a", "b"], ["c", "d"]])}, "expected numbers"),
        ({"X": RNG.normal(size=(9, 3)), "y": np.zeros(9, int)}, "one class only"),
        (
            {"X": RNG.normal(size=(9, 3)), "y": np.zeros(8, int)},
            r"expected integers or strings of shape \(9,\)",
        ),
        ({"X": RNG.normal(size=(9, 3)), "y": RNG.normal(size=9)}, "expected integers"),
        ({"X": RNG.normal(size=(9, 8, 8))}, "image values go from"),
        ({"X": np.zeros((9, 8, 8, 5), np.uint8)}, "1 or 3 colour channels"),
        ({"X": np.zeros((9, 0, 8))}, "expected numbers"),
        ({"X": np.zeros((9, 0))}, "expected numbers"),
    ],
)
def test_bad_files_are_refused_with_a_reason(tmp_path, arrays, message):
    with pytest.raises(UserError, match=message):
        NpzDataset(write(tmp_path, **arrays))


def test_truncated_missing_and_foreign_files(tmp_path):
    path = write(tmp_path, X=RNG.normal(size=(900, 3)))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match="can't be read"):
        NpzDataset(path)
    with pytest.raises(UserError, match="there is no file"):
        NpzDataset(tmp_path / "nowhere.npz")
    path.write_text("this is no archive")
    with pytest.raises(UserError, match="can't be read"):
        NpzDataset(path)


def test_object_arrays_are_never_unpickled(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (print, ("unpickled!",))

    path = write(tmp_path, X=np.array([Bomb(), Bomb()], dtype=object))
    with pytest.raises(UserError, match="Python objects"):
        NpzDataset(path)
