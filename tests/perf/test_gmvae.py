"""Time of one step of GMVAE at the paper's sizes on MNIST, by network and number of samples M."""

import pytest
import torch

from benchmark import config
from benchmark.api import DataSpec
from benchmark.registry import Registry

pytestmark = pytest.mark.perf

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")),
]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("samples", [1, 10])
@pytest.mark.parametrize("network", ["conv", "fc"])
def test_step(benchmark, network, samples, device):
    model_class = Registry().model("gmvae")
    spec = DataSpec("mnist", (1, 28, 28), (0.0, 1.0), 60_000)
    torch.manual_seed(0)
    overrides = {"network": network, "mc_samples": str(samples)}
    model = model_class(spec, config.resolve(model_class, spec, 10, "paper", overrides)).to(device)
    batch = torch.rand(model.config.batch_size, 1, 28, 28, device=device)

    def step():
        model.step(batch)
        if batch.is_cuda:
            torch.cuda.synchronize()

    benchmark.extra_info["threads"] = torch.get_num_threads()
    benchmark.pedantic(step, rounds=20, iterations=1, warmup_rounds=3)
