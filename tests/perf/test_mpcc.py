"""Time of one iteration of MPCC (4 + 1 + 4 updates) at the paper's sizes, and at the quick ones."""

import pytest
import torch

from benchmark import config
from benchmark.api import DataSpec
from benchmark.registry import Registry

pytestmark = pytest.mark.perf

CUDA = torch.cuda.is_available()
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not CUDA, reason="no CUDA device"))]
SHAPES = {
    "digits": (1, 8, 8),
    "mnist": (1, 28, 28),
    "fashion_mnist": (1, 28, 28),
    "omniglot": (1, 32, 32),
    "cifar10": (3, 32, 32),
}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("name", "budget"),
    [
        ("digits", "quick"),
        ("digits", "paper"),
        ("mnist", "quick"),
        ("mnist", "paper"),
        ("fashion_mnist", "paper"),
        ("omniglot", "paper"),
        ("cifar10", "paper"),
    ],
)
def test_iteration(benchmark, name, budget, device):
    if name == "cifar10" and device == "cpu":
        pytest.skip("takes many minutes on a CPU: about 10 TFLOP")
    model_class = Registry().model("mpcc")
    spec = DataSpec(name, SHAPES[name], (0.0, 1.0), 60_000)
    torch.manual_seed(0)
    model = (
        model_class(spec, config.resolve(model_class, spec, 100 if name == "omniglot" else 10, budget, {}))
        .to(device)
        .train()
    )
    (stage,) = [item for item in model.stages(torch.zeros(0)) if item.name == "train"]
    x = torch.rand(stage.batch_size, *spec.shape, device=device)

    def iteration():
        stage.step(x)
        if x.is_cuda:
            torch.cuda.synchronize()

    benchmark.extra_info["threads"] = torch.get_num_threads()
    benchmark.pedantic(iteration, rounds=20 if device == "cuda" else 3, iterations=1, warmup_rounds=1)
