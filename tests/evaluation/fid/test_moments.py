"""Counting in chunks: stopped and continued, cached, shared between processes, damaged, in a folder that
can't be written.
"""

import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
import torch

from benchmark.evaluation.fid import moments
from benchmark.evaluation.fid.extractor import Extractor, to_uint8
from benchmark.evaluation.fid.frechet import Moments
from benchmark.evaluation.fid.moments import CHUNK, accumulate, cached_moments

IMAGES = torch.from_numpy(np.random.default_rng(0).integers(256, size=(1234, 1, 4, 4)).astype(np.uint8))
FOUND = Moments(3, np.array([1.0, 2.0]), np.array([[1.0, 0.5], [0.5, 2.0]]))


class Flat(torch.nn.Module):
    """The values of the pixels."""

    def forward(self, x):
        return x.flatten(1).float() / 255


def extractor(batch_size=100):
    return Extractor("flat", "0", Flat(), batch_size, torch.device("cpu"))


def chunk(i):
    return IMAGES[i * CHUNK : (i + 1) * CHUNK]


def test_moments_are_numpys():
    found = accumulate(len(IMAGES), chunk, extractor())
    flat = IMAGES.flatten(1).numpy() / 255
    assert found.n == 1234
    np.testing.assert_allclose(found.mean, flat.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found.cov, np.cov(flat.T), atol=1e-7)


@pytest.mark.parametrize("n", [2, 499, 500, 501, 1000])
def test_exactly_n_images_are_counted(n):
    seen = []
    assert accumulate(n, chunk, extractor(), progress=seen.append).n == n
    assert seen[0] == 0
    assert seen[-1] == n


def test_a_stopped_count_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(moments, "SAVE_SECONDS", 0)
    partial, asked = tmp_path / "partial.npz", []

    def stops(i):
        asked.append(i)
        if asked == [0, 1]:
            raise KeyboardInterrupt
        return chunk(i)

    with pytest.raises(KeyboardInterrupt):
        accumulate(1234, stops, extractor(), partial)
    found = accumulate(1234, stops, extractor(), partial)
    assert asked == [0, 1, 1, 2]
    # and when it is complete nothing is asked for
    assert accumulate(1234, stops, extractor(), partial).n == 1234
    assert asked == [0, 1, 1, 2]
    whole = accumulate(1234, chunk, extractor())
    assert np.array_equal(found.mean, whole.mean)
    assert np.array_equal(found.cov, whole.cov)


def test_moments_are_computed_once_and_kept_apart_by_their_key(tmp_path):
    calls = []

    def compute(partial):
        calls.append(partial)
        return FOUND

    for key in ({"n": 1}, {"n": 1}, {"n": 2}):
        found = cached_moments(tmp_path, key, compute)
        assert (found.n, found.mean.tolist(), found.cov.tolist()) == (3, [1.0, 2.0], [[1.0, 0.5], [0.5, 2.0]])
    assert len(calls) == 2


def test_a_damaged_file_in_the_cache_is_made_again(tmp_path):
    cached_moments(tmp_path, {}, lambda _: FOUND)
    (path,) = tmp_path.glob("*.npz")
    path.write_bytes(path.read_bytes()[:200])
    assert cached_moments(tmp_path, {}, lambda _: FOUND).n == 3
    assert cached_moments(tmp_path, {}, lambda _: pytest.fail("not kept")).n == 3


def test_wherever_a_file_in_the_cache_is_damaged_it_is_made_again(tmp_path):
    """Damaged archives raise many kinds of errors: for compression, encryption, names and versions that are
    not there.
    """
    cached_moments(tmp_path, {}, lambda _: FOUND)
    (path,) = tmp_path.glob("*.npz")
    whole = path.read_bytes()
    for i in range(0, len(whole), 13):
        path.write_bytes(whole[:i] + bytes([whole[i] ^ 0x81]) + whole[i + 1 :])
        found = cached_moments(tmp_path, {}, lambda _: FOUND)
        assert (found.n, found.mean.tolist(), found.cov.tolist()) == (
            3,
            FOUND.mean.tolist(),
            FOUND.cov.tolist(),
        )


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(38, os.strerror(38))

    monkeypatch.setattr("fcntl.flock", no_locks)
    assert cached_moments(tmp_path, {}, lambda _: FOUND).n == 3


def test_nothing_is_left_behind_when_the_computation_fails(tmp_path):
    def fail(partial):
        raise RuntimeError

    with pytest.raises(RuntimeError):
        cached_moments(tmp_path, {}, fail)
    assert not list(tmp_path.glob("*.npz"))


def slow(folder):
    def compute(partial):
        with open(folder / "calls", "a") as file:
            file.write("x")
        time.sleep(0.5)
        return FOUND

    return cached_moments(folder, {}, compute).n


def test_processes_that_start_together_compute_once(tmp_path):
    # no Pool: the end of its block kills processes, and one that holds a lock leaves the others waiting
    with ProcessPoolExecutor(4, multiprocessing.get_context("fork")) as pool:
        assert list(pool.map(slow, [tmp_path] * 4)) == [3] * 4
    assert (tmp_path / "calls").read_text() == "x"


def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path):
    (tmp_path / "file").touch()
    with pytest.warns(RuntimeWarning, match="can't be kept"):
        assert cached_moments(tmp_path / "file" / "moments", {}, lambda _: FOUND).n == 3


def test_a_folder_marked_as_read_only_is_left_alone_also_by_root(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o555)
    with pytest.warns(RuntimeWarning, match="Permission denied"):
        assert cached_moments(folder / "fid" / "moments", {}, lambda _: FOUND).n == 3
    assert not (folder / "fid").exists()


def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.warns(RuntimeWarning, match="No space left"):
        assert cached_moments(tmp_path, {}, lambda _: FOUND).n == 3
    assert [p.suffix for p in tmp_path.iterdir()] == [".lock"]


def test_rounding_to_256_levels():
    values = torch.tensor([0, 0.001, 0.00197, 0.5, 0.9999, 1]).view(1, 1, 1, 6)
    assert to_uint8(values).flatten().tolist() == [0, 0, 1, 128, 255, 255]
    assert torch.equal(to_uint8(IMAGES), IMAGES)
    assert torch.equal(to_uint8(IMAGES.float() / 255), IMAGES)  # there and back


@pytest.mark.parametrize(
    ("value", "message"),
    [(float("nan"), "1 values that are NaN"), (1.5, "from 0 to 1.5"), (-0.2, "from -0.2")],
)
def test_images_out_of_range(value, message):
    images = torch.zeros(2, 1, 2, 2)
    images[0, 0, 0, 0] = value
    with pytest.raises(ValueError, match=message):
        to_uint8(images)


@pytest.mark.parametrize("images", [IMAGES.float(), IMAGES[:, 0], IMAGES.expand(-1, 2, -1, -1)])
def test_images_of_the_wrong_kind(images):
    with pytest.raises(ValueError, match=r"expected uint8 \(B, 1 or 3, H, W\)"):
        extractor()(images)
