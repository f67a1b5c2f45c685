"""What is checked of every data set that is opened, a plugin's as well."""

import numpy as np
import pytest

from benchmark.api import Dataset, as_float
from benchmark.data.opening import open_dataset
from benchmark.data.ranges import check_values
from benchmark.errors import UserError
from benchmark.registry import Registry

RNG = np.random.default_rng(0)
BINARY = RNG.integers(2, size=(40, 1, 4, 4)).astype(np.uint8)


class Given(Dataset):
    """Arrays as a plugin may give them."""

    name, title, splits, n_classes = "given", "Given", ("all",), 40

    def __init__(self, x, y=None, value_range=(0.0, 1.0)):
        self._x, self._y, self.shape, self.value_range = x, y, x.shape[1:], value_range

    def x(self, split):
        return self._x

    def y(self, split):
        return self._y


def opened(*arguments):
    registry = Registry()
    registry.dataset = lambda *_: Given(*arguments)
    return open_dataset(registry, "given")


def test_bytes_of_0_and_1_are_black_and_white():
    import torch

    for dtype in (np.uint8, np.float32):
        found = opened(BINARY.astype(dtype))
        x = as_float(torch.from_numpy(found.divided.x("all"))).numpy()
        np.testing.assert_array_equal(x, BINARY.astype(np.float32))
    assert type(found.dataset) is Given


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((BINARY * np.uint8(16),), r"uint8 from 0 to 16; bytes are divided by 255.*X / 16"),
        (((BINARY * 255).astype(np.float32),), r"values from 0 to 255, expected \[0, 1\]: X / 255"),
        (((BINARY * 2.0 - 1).astype(np.float32),), r"\(X \+ 1\) / 2"),
        (((BINARY * np.float32("nan")),), "NaN or infinite"),
        (
            (BINARY.astype(np.float32).reshape(40, 16) * np.float32(1e30), None, None),
            "too large for distances",
        ),
        (
            (BINARY.astype(np.float32).reshape(40, 16) * 3,),
            r"largest that there can be; or state value_range = None",
        ),
        (
            ((BINARY * 2.0 - 1).astype(np.float32), None, (-1.0, 1.0)),
            r"value_range is \(-1.0, 1.0\), expected \(0.0, 1.0\).*rescale",
        ),
        ((BINARY, np.arange(40)), "40 classes for 40 labelled points"),
        (
            (BINARY, np.arange(1, 41)),
            "labels from 1 to 40, expected 0 to 39, or -1 .*number the classes from 0",
        ),
        ((BINARY, np.arange(40) - 2), "labels from -2 to 37"),
        (
            (BINARY, np.zeros((40, 1), int)),
            r"y\('all'\) is int64 \(40, 1\), expected integers of shape \(40,\)",
        ),
        (
            (BINARY, np.eye(40, dtype=int)),
            r"int64 \(40, 40\), expected integers of shape \(40,\), one for every",
        ),
        ((BINARY, np.zeros(39, int)), r"int64 \(39,\), expected"),
        ((BINARY, np.zeros(40)), "float64"),
        ((BINARY.astype(np.float32), None, None), r"value_range is None, expected \(0.0, 1.0\)"),
        ((BINARY[:, 0],), r"the shape \(4, 4\), expected .* x\[:, None\] adds a channel"),
        ((BINARY.transpose(0, 2, 3, 1),), r"the shape \(4, 4, 1\), expected .* \(C, H, W\) with C = 1 or 3"),
        ((BINARY[:0],), r"x\('all'\) is uint8 \(0, 1, 4, 4\)"),
        ((BINARY * np.uint8(255), np.repeat([-1, 1], 20)), "one class besides -1, which means not labelled"),
    ],
)
def test_values_and_labels_that_nobody_can_use_are_refused_with_a_remedy(arguments, message):
    with pytest.raises(UserError, match=message):
        opened(*arguments)


def test_every_split_is_checked_and_points_may_have_no_label():
    x, y = RNG.random((40, 4), dtype=np.float32), np.arange(40) % 4
    given = Given(x)
    given.splits = ("train", "test")
    parts = {"train": (x, np.where(y == 3, -1, y)), "test": (x, None)}
    given.x, given.y = (lambda split: parts[split][0]), (lambda split: parts[split][1])
    check_values(given)
    for part, message in (
        (
            (x.astype(float), y),
            r"x\('test'\) is float64 \(40, 4\), expected uint8 or float32 of shape \(N, 4\)",
        ),
        ((x[:, :3], y), r"x\('test'\) is float32 \(40, 3\)"),
        ((x, y[:9]), r"y\('test'\) is int64 \(9,\)"),
    ):
        parts["test"] = part
        with pytest.raises(UserError, match=message):
            check_values(given)


def test_bytes_of_the_whole_range_and_unbounded_vectors_are_taken_as_they_are():
    x = BINARY * np.uint8(255)
    assert opened(x).dataset.x("all") is x
    x = RNG.normal(10_000, 1, size=(40, 3)).astype(np.float32)
    assert opened(x, None, None).dataset.x("all") is x
