"""Floor and ceiling of a Frechet distance."""

import numpy as np
import pytest
import torch

from benchmark.evaluation.fid.bounds import gaussian_images, reference_values
from benchmark.evaluation.fid.extractor import Extractor
from benchmark.evaluation.fid.real import reference_images


def test_gaussian_images_have_the_moments_of_their_class():
    rng = np.random.default_rng(0)
    x = torch.from_numpy(
        np.concatenate([rng.normal(m, 10, size=(500, 1, 2, 2)) for m in (60, 190)]).round().astype(np.uint8)
    )
    found = gaussian_images(x, np.repeat(["a", "b"], 500), 4000).flatten(1).double()
    for group, target in (
        (found[found.mean(dim=1) < 125], x[:500]),
        (found[found.mean(dim=1) > 125], x[500:]),
    ):
        assert len(group) == pytest.approx(2000, abs=150)
        np.testing.assert_allclose(group.mean(dim=0), target.flatten(1).double().mean(dim=0), atol=1)
        np.testing.assert_allclose(torch.cov(group.T), torch.cov(target.flatten(1).double().T), atol=10)


class Pixels(torch.nn.Module):
    """The pixels themselves as features."""

    def forward(self, images):
        return images.flatten(1).double()


PIXELS = Extractor("pixels", "0123", Pixels(), 100, torch.device("cpu"))


class Divided:
    """Images of two classes, around 30 and around 70; those for testing 10 higher, for validation 150."""

    shape = (1, 2, 2)

    def __init__(self, *splits):
        self.splits = splits

    def x(self, split):
        y = np.array(self.y(split))
        middle = np.where(y == "low", 30, 70) + {"train": 0, "all": 0, "test": 10, "validation": 150}[split]
        noise = np.random.default_rng(len(split)).normal(0, 5, size=(len(y), 1, 2, 2))
        return (middle[:, None, None, None] + noise).round().astype(np.uint8)

    def y(self, split):
        return np.repeat(["low", "high"], 300)


def bounds_of(dataset, tmp_path):
    real = reference_images(dataset, " ".join(dataset.splits), 10_000, tmp_path)
    return reference_values(real, PIXELS, real.moments(PIXELS), compute=True)


def test_the_floor_is_of_the_training_images_against_the_real_ones(tmp_path):
    """Test images lie 10 higher in each of four pixels: the squared distance of the means is 400."""
    found = bounds_of(Divided("train", "test"), tmp_path)["floor"]
    assert (found["n"], found["what"]) == (600, "train images")
    assert found["value"] == pytest.approx(400, abs=40)
    found = bounds_of(Divided("train", "validation", "test"), tmp_path)["floor"]
    assert found["value"] == pytest.approx(400, abs=40)


def test_the_floor_of_images_without_a_split_is_of_one_half_against_the_other(tmp_path):
    found = bounds_of(Divided("all"), tmp_path)["floor"]
    assert (found["n"], found["what"]) == (300, "one half of the images against the other")
    assert 0.01 < found["value"] < 20  # 0 between equal images


def test_the_ceiling_has_a_gaussian_per_class_of_the_training_images(tmp_path):
    """Where the space of features is that of the pixels, its moments are those of the training images."""
    found = bounds_of(Divided("train", "test"), tmp_path)["ceiling"]
    assert (found["n"], found["what"]) == (600, "a Gaussian per class in pixel space")
    assert found["value"] == pytest.approx(400, abs=120)  # the classes are drawn, not 300 each
