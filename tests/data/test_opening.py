"""A data set opened once."""

import numpy as np
import pytest

from benchmark.api import Dataset
from benchmark.data import dataset_digest
from benchmark.data.opening import open_dataset
from benchmark.errors import UserError
from benchmark.registry import Registry


def test_the_protocol_divides_and_the_digest_is_that_of_the_whole(real_data):
    registry = Registry()
    neutral, pooled = (open_dataset(registry, "pendigits", p) for p in ("neutral", "pooled"))
    assert neutral.digest == pooled.digest == dataset_digest(neutral.dataset)
    assert (neutral.spec.n, pooled.spec.n) == (7494, 10992)
    assert pooled.divided.splits == ("all",)
    assert pooled.dataset.splits == ("train", "test")  # of which FID is, whatever the protocol


def test_an_own_file_is_opened_by_its_path(tmp_path):
    np.savez(tmp_path / "own.npz", X=np.random.default_rng(0).random((9, 4)))
    opened = open_dataset(Registry(), str(tmp_path / "own.npz"))
    assert opened.spec.name.startswith("own-")
    assert (opened.spec.n, opened.spec.shape) == (9, (4,))


class Uneven(Dataset):
    """Test points with one value more than the training points."""

    name, title, splits, shape, n_classes, value_range = "uneven", "Uneven", ("train", "test"), (4,), 2, None

    def x(self, split):
        return np.random.default_rng(0).random((40, 4 if split == "train" else 5), dtype=np.float32)

    def y(self, split):
        return np.arange(40) % 2


@pytest.mark.parametrize("protocol", ["neutral", "pooled"])
def test_splits_are_checked_before_a_protocol_puts_them_together(protocol):
    registry = Registry()
    registry.dataset = lambda name, folder, reading: Uneven(folder)
    with pytest.raises(UserError, match=r"uneven: x\('test'\).*\(40, 5\)"):
        open_dataset(registry, "uneven", protocol)
