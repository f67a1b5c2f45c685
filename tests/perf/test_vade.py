"""Time of VaDE at the paper's sizes on MNIST: one step of each stage, and one pass over the data."""

import pytest
import torch

from benchmark import config
from benchmark.api import DataSpec, Stage
from benchmark.registry import Registry
from benchmark.running.train import Trainer

pytestmark = pytest.mark.perf

N = 60_000
DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")),
]


@pytest.fixture(params=DEVICES)
def vade(request):
    """VaDE with the paper's preset, and random points of MNIST's size and type."""
    model_class = Registry().model("vade")
    spec = DataSpec("mnist", (1, 28, 28), (0.0, 1.0), N)
    torch.manual_seed(0)
    x = torch.randint(0, 256, (N, 1, 28, 28), dtype=torch.uint8).to(request.param)
    return model_class(spec, config.resolve(model_class, spec, 10, "paper", {})).to(request.param), x


def synchronised(function, x):
    """`function`, waiting for the device to finish."""

    def run(*arguments):
        function(*arguments)
        if x.is_cuda:
            torch.cuda.synchronize()

    return run


@pytest.mark.parametrize("stage", ["pretrain", "train"])
def test_step(benchmark, vade, stage):
    model, x = vade
    (step,) = [item.step for item in model.stages(x) if isinstance(item, Stage) and item.name == stage]
    batch = x[: model.config.batch_size].float() / 255
    benchmark.extra_info["threads"] = torch.get_num_threads()
    benchmark.pedantic(synchronised(step, x), (batch,), rounds=30, iterations=1, warmup_rounds=5)


def test_epoch(benchmark, vade):
    model, x = vade
    (stage,) = [item for item in model.stages(x) if isinstance(item, Stage) and item.name == "train"]
    epoch = Stage(stage.name, stage.step, len(x) // stage.batch_size, stage.batch_size)
    trainer = Trainer(model, x, seed=0)

    def run():
        trainer.plan, trainer._position = [epoch], (0, 0)
        trainer.run()

    benchmark.extra_info["threads"] = torch.get_num_threads()
    benchmark.pedantic(synchronised(run, x), rounds=2, iterations=1, warmup_rounds=0)
