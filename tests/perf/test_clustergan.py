"""Time of ClusterGAN at the paper's sizes on MNIST: one training iteration, and decoding 256 images."""

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
DECODED = 256
# Adam steps of each of the 10 restarts. Each costs the same; the paper has 5000.
STEPS = {"cpu": 1, "cuda": 200}


@pytest.fixture(params=DEVICES)
def clustergan(request):
    """ClusterGAN with the paper's preset, and one step's random points of MNIST's size; the device."""
    model_class, spec = Registry().model("clustergan"), DataSpec("mnist", (1, 28, 28), (0.0, 1.0), 60_000)
    settings = config.resolve(model_class, spec, 10, "paper", {"decode_steps": str(STEPS[request.param])})
    torch.manual_seed(0)
    model = model_class(spec, settings).to(request.param)
    x = torch.rand(settings.critic_steps * settings.batch_size, 1, 28, 28, device=request.param)
    return model, x, request.param


def synchronised(function, device):
    """`function`, waiting for the device to finish."""

    def run(*arguments):
        function(*arguments)
        if device == "cuda":
            torch.cuda.synchronize()

    return run


def test_iteration(benchmark, clustergan):
    """Five critic updates, and one of generator and encoder."""
    model, x, device = clustergan
    benchmark.extra_info["threads"] = torch.get_num_threads()
    benchmark.pedantic(synchronised(model.step, device), (x,), rounds=5, iterations=1, warmup_rounds=1)


@pytest.mark.parametrize("name", ["digits", "mnist"])
def test_quick_iteration(benchmark, name):
    """The step of the quick budget."""
    model_class, size = Registry().model("clustergan"), {"digits": 8, "mnist": 28}[name]
    spec = DataSpec(name, (1, size, size), (0.0, 1.0), 60_000)
    torch.manual_seed(0)
    model = model_class(spec, config.resolve(model_class, spec, 10, "quick", {})).train()
    x = torch.rand(model.config.batch_size, *spec.shape)
    benchmark.extra_info["threads"] = torch.get_num_threads()
    benchmark.pedantic(model.step, (x,), rounds=10, iterations=1, warmup_rounds=2)


def test_decode_256_images(benchmark, clustergan):
    model, x, device = clustergan
    model.eval()
    images = x[:DECODED]
    assert len(images) == DECODED
    benchmark.extra_info |= {"threads": torch.get_num_threads(), "Adam steps": STEPS[device]}
    benchmark.pedantic(synchronised(model.decode, device), (images,), rounds=2, iterations=1, warmup_rounds=0)
