"""A data set opened once."""

import numpy as np

from benchmark.data import dataset_digest
from benchmark.data.opening import open_dataset
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
