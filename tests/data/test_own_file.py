"""Own files: images, vectors, and everything that can be wrong with them."""

import numpy as np
import pytest

from benchmark.data.own_file import OwnDataset, Standardisation, name_of
from benchmark.data.splits import divide
from benchmark.errors import UserError
from benchmark.reading import Reading

RNG = np.random.default_rng(0)


def write(tmp_path, **arrays):
    path = tmp_path / "my data.npz"
    np.savez(path, **arrays)
    return path


def test_vectors_are_standardised(tmp_path):
    x = RNG.normal(5, [1, 10, 100, 0], size=(200, 4))  # one column is constant
    dataset = OwnDataset(write(tmp_path, X=x, y=np.repeat(["a", "b"], 100)))
    found = dataset.x("all")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(found.std(axis=0), [1, 1, 1, 0], atol=1e-5)
    assert (dataset.n_classes, dataset.value_range) == (2, None)
    assert dataset.name.startswith("my_data-")
    assert "standard deviation" in dataset.preprocessing


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((9, 8, 7), (1, 8, 7)), ((9, 8, 7, 3), (3, 8, 7)), ((9, 3, 8, 7), (3, 8, 7)), ((9, 8, 7, 1), (1, 8, 7))],
)
def test_images_of_every_layout(tmp_path, shape, expected):
    x = RNG.integers(0, 256, size=shape, dtype=np.uint8)
    dataset = OwnDataset(write(tmp_path, X=x))
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
        ({"x": RNG.normal(size=(9, 3))}, r"has no array X \(it has: x\).*X=f\['x'\]"),
        ({"X": np.array([[1.0, np.nan], [2.0, 3.0]])}, "1 values that are NaN"),
        ({"X": np.array([{"a": 1}, None])}, "Python objects"),
        ({"X": RNG.normal(size=9)}, "expected numbers"),
        ({"X": np.array([["a", "b"], ["c", "d"]])}, "expected numbers"),
        ({"X": RNG.normal(size=(9, 3)), "y": np.zeros(9, int)}, "one class only"),
        (
            {"X": RNG.normal(size=(9, 3)), "y": np.zeros(8, int)},
            r"expected integers or strings of shape \(9,\)",
        ),
        ({"X": RNG.normal(size=(9, 3)), "y": RNG.normal(size=9)}, "with fractions, expected integers"),
        ({"X": RNG.normal(size=(9, 8, 8))}, r"expected \[0, 1\]: \(X - X.min\(\)\)"),
        ({"X": np.linspace(0, 255, 576).reshape(9, 8, 8)}, r"values from 0 to 255, .*: X / 255"),
        ({"X": np.linspace(-1, 1, 576).reshape(9, 8, 8)}, r"values from -1 to 1, .*: \(X \+ 1\) / 2"),
        ({"X": np.arange(576, dtype=np.uint8).reshape(9, 8, 8) % 17}, r"uint8 from 0 to 16; .*\(X / 16\)"),
        ({"X": np.full((9, 8, 8), 7, np.uint8)}, "nothing to cluster"),
        ({"X": np.zeros((9, 8, 8, 5), np.uint8)}, "1 or 3 colour channels"),
        ({"X": np.zeros((9, 8, 8, 4), np.uint8)}, r"give X\[\.\.\., :3\]"),
        ({"X": np.zeros((9, 4, 8, 8), np.uint8)}, r"give X\[:, :3\]"),
        ({"X": RNG.normal(size=(9, 3)), "y": np.arange(9)}, "9 classes for 9 labelled points"),
        ({"X": RNG.normal(size=(9, 3)), "y": np.full(9, np.nan)}, "labels no point"),
        ({"X": RNG.normal(size=(9, 3)), "y": np.array([1, np.nan, *[1] * 7])}, "one class only"),
        ({"X": RNG.normal(size=(9, 3)), "y": np.ones((9, 2))}, "exactly one 1 in every row"),
        ({"X": RNG.normal(size=(9, 3)), "Y": np.arange(9) % 3}, r"no array y, but Y .*y=f\['Y'\]"),
        ({"data": RNG.normal(size=(9, 3)), "target": np.arange(9) % 3}, r"X=f\['data'\], y=f\['target'\]"),
        ({"x_train": np.zeros((9, 3)), "x_test": np.zeros((9, 2))}, "expected points of one shape"),
        ({"x_train": np.zeros((9, 3)), "x_test": np.zeros((9, 3)), "y_test": np.arange(9)}, "one of y_train"),
        (
            {"x_train": np.eye(3), "x_test": np.eye(3), "y_train": np.arange(2), "y_test": np.arange(3)},
            "expected a label per point",
        ),
        ({"X": np.zeros((1, 3))}, "has 1 point, expected at least 2"),
        ({"X": RNG.normal(size=(9, 3)).astype(np.longdouble) * np.longdouble("1e4000")}, "too large"),
        ({"X": np.zeros((9, 0, 8))}, "expected numbers"),
        ({"X": np.zeros((9, 0))}, "expected numbers"),
    ],
)
def test_bad_files_are_refused_with_a_reason(tmp_path, arrays, message):
    with pytest.raises(UserError, match=message):
        OwnDataset(write(tmp_path, **arrays))


def test_truncated_missing_and_foreign_files(tmp_path):
    path = write(tmp_path, X=RNG.normal(size=(900, 3)))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match="can't be read"):
        OwnDataset(path)
    with pytest.raises(
        UserError, match=r"there is no file or folder .* expected a folder of PNG or JPEG files"
    ):
        OwnDataset(tmp_path / "nowhere.npz")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"this is no archive", "it is text that begins with 'this is no archive'"),
        (b"<!DOCTYPE html><html><body>Not found", "it is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "Git LFS pointer.*git lfs pull"),
        (
            b"\x93NUMPY\x01\x00v\x00{'descr'",
            "one array as numpy.save writes it; give the file a name that ends in .npy",
        ),
        (b"\x80\x04\x95", "a pickle of Python objects"),
        (b"\x00\x01\x02\x03\x04\x05", "begins with the bytes 00 01 02 03"),
        (b"", "it is empty"),
    ],
)
def test_what_is_no_archive_is_said_by_its_beginning(tmp_path, content, message):
    path = tmp_path / "own.npz"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        OwnDataset(path)


def test_images_of_0_and_1_are_the_same_in_every_type(tmp_path):
    x = RNG.integers(2, size=(9, 8, 8))
    found = [OwnDataset(write(tmp_path, X=x.astype(kind))) for kind in (bool, np.uint8, np.int64, np.float64)]
    for dataset in found:
        assert dataset.x("all").dtype == np.float32
        np.testing.assert_array_equal(dataset.x("all")[:, 0], x)
    assert len({dataset.name for dataset in found}) == 1


def test_pixels_beyond_the_range_by_rounding_are_clipped(tmp_path):
    x = RNG.random((9, 8, 8))
    x[0, 0, :2] = 1.0000001, -1e-9
    found = OwnDataset(write(tmp_path, X=x)).x("all")
    assert (found.min(), found.max()) == (0, 1)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (np.eye(3)[np.arange(9) % 3], np.arange(9) % 3),
        (np.eye(3, dtype=bool)[np.arange(9) % 3], np.arange(9) % 3),
        ((np.arange(9) % 3)[:, None], np.arange(9) % 3),
        ((np.arange(9) % 3).astype(float), np.arange(9) % 3),
        (np.where(np.arange(9) < 4, np.nan, np.arange(9) % 2), [-1] * 4 + [0, 1, 0, 1, 0]),
        (np.array(["cat", np.nan, "dog"] * 3), ["cat", "", "dog"] * 3),
        (np.array([-1, 1, 1] * 3), ["-1", "1", "1"] * 3),
        (np.array([-1, 1, np.nan] * 3), ["-1", "1", ""] * 3),
    ],
)
def test_labels_of_several_forms_are_taken(tmp_path, given, expected):
    dataset = OwnDataset(write(tmp_path, X=RNG.normal(size=(9, 3)), y=given))
    np.testing.assert_array_equal(dataset.y("all"), expected)
    assert dataset.n_classes == len(set(expected) - {-1, ""})


@pytest.mark.parametrize(
    ("given", "expected"),
    [(["b", "", "a"] * 3, ["a", "b"]), ([10, 9, -1] * 3, ["9", "10"]), ([-1, 1, 1] * 3, ["-1", "1"])],
)
def test_classes_have_the_names_of_the_labels_in_their_order(tmp_path, given, expected):
    dataset = OwnDataset(write(tmp_path, X=RNG.normal(size=(9, 3)), y=np.array(given)))
    assert list(dataset.class_names) == expected


@pytest.mark.parametrize("factor", [1e300, 1e-300])
def test_huge_and_tiny_vectors_are_as_without_the_factor(tmp_path, factor):
    x = RNG.normal(3, 2, size=(50, 4))
    plain = OwnDataset(write(tmp_path, X=x)).x("all")
    np.testing.assert_allclose(OwnDataset(write(tmp_path, X=x * factor)).x("all"), plain, atol=1e-5)


def test_vectors_can_be_left_as_they_are_and_have_another_name_then(tmp_path):
    x = RNG.normal(5, 3, size=(50, 4))
    path = write(tmp_path, X=x)
    standardised, raw = OwnDataset(path), OwnDataset(path, reading=Reading(standardise=False))
    np.testing.assert_allclose(raw.x("all"), x, rtol=1e-6)
    assert standardised.name != raw.name
    assert raw.preprocessing == "none: vectors as they are in the file"
    with pytest.raises(UserError, match="too large; divide them"):
        OwnDataset(write(tmp_path, X=x * 1e300), reading=Reading(standardise=False))


def test_far_from_the_origin_vectors_are_standardised_exactly_or_refused(tmp_path):
    x = RNG.normal(size=(50, 4))
    plain = OwnDataset(write(tmp_path, X=x)).x("all")
    path = write(tmp_path, X=x + 1e8)
    np.testing.assert_allclose(OwnDataset(path).x("all"), plain, atol=1e-5)
    with pytest.raises(UserError, match="4 columns of X lie so far from 0"):
        OwnDataset(path, reading=Reading(standardise=False))


def test_the_standardisation_is_kept_exactly(tmp_path):
    x = RNG.normal(5, [1, 10, 0], size=(50, 3))
    found = OwnDataset(write(tmp_path, X=x)).standardisation
    found.save(tmp_path / "kept.npz")
    np.testing.assert_array_equal(Standardisation.read(tmp_path / "kept.npz")(x), found(x))


def test_files_of_one_name_are_told_apart_by_their_content(tmp_path):
    found = []
    for folder, content in (("a", 0), ("b", 1), ("c", 0)):
        (tmp_path / folder).mkdir()
        found.append(
            OwnDataset(write(tmp_path / folder, X=np.arange(8.0).reshape(4, 2) ** (content + 1))).name
        )
    assert found[0] == found[2] != found[1]


def test_letters_of_every_script_stay_in_a_name(tmp_path):
    names = {name: name_of(tmp_path / f"{name}.npz") for name in ("手写", "字母", "été", "a/b c")}
    assert names == {"手写": "手写", "字母": "字母", "été": "été", "a/b c": "b_c"}
    assert len(name_of(tmp_path / f"{'長' * 80}.npz").encode()) <= 120


def test_object_arrays_are_never_unpickled(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (print, ("unpickled!",))

    path = write(tmp_path, X=np.array([Bomb(), Bomb()], dtype=object))
    with pytest.raises(UserError, match="Python objects"):
        OwnDataset(path)


def test_keras_names_are_a_split_and_the_scale_is_that_of_the_training_points(tmp_path):
    rng = np.random.default_rng(1)
    x, y = rng.normal(5, 3, size=(30, 2)), np.arange(30) % 3
    parts = {"x_train": x[:20], "y_train": y[:20], "X_test": x[20:], "y_test": y[20:]}
    dataset = OwnDataset(write(tmp_path, **parts))
    assert dataset.splits == ("train", "test")
    assert dataset.n_classes == 3
    np.testing.assert_array_equal(dataset.y("test"), y[20:])
    np.testing.assert_allclose(dataset.x("train").mean(axis=0), 0, atol=1e-6)
    expected = (x[20:] - x[:20].mean(axis=0)) / x[:20].std(axis=0)
    np.testing.assert_allclose(dataset.x("test"), expected, rtol=1e-5, atol=1e-6)
    assert divide(dataset, "pooled").x("all").shape == (30, 2)


def test_images_with_a_split_are_of_one_scale(tmp_path):
    x = RNG.integers(0, 256, size=(12, 4, 4), dtype=np.uint8)
    x[8:] = x[8:] > 128  # as the test images are bytes of 0 and 1, they are nearly black
    dataset = OwnDataset(write(tmp_path, x_train=x[:8], x_test=x[8:]))
    assert dataset.x("train").dtype == dataset.x("test").dtype == np.uint8
    np.testing.assert_array_equal(dataset.x("test")[:, 0], x[8:])


def test_one_array_is_points_without_labels(tmp_path):
    np.save(tmp_path / "own.npy", RNG.normal(size=(9, 3)))
    dataset = OwnDataset(tmp_path / "own.npy")
    assert (dataset.splits, dataset.shape, dataset.n_classes) == (("all",), (3,), None)
    np.savez(tmp_path / "renamed.npz", X=np.eye(3))
    (tmp_path / "renamed.npz").rename(tmp_path / "renamed.npy")
    with pytest.raises(UserError, match=r"an archive; if numpy\.savez has written it"):
        OwnDataset(tmp_path / "renamed.npy")


def test_an_option_of_other_kinds_is_refused(tmp_path):
    path = write(tmp_path, X=np.eye(3))
    with pytest.raises(UserError, match=r"is an \.npz file, for which --size can't be used"):
        OwnDataset(path, Reading(size=8))
