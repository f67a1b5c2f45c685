"""CPU time of a step of the convolutional models on MNIST, in plain and in channels-last memory.

In CPU time of one thread, which neighbours on a busy machine disturb least.
"""

import time

import pytest
import torch

from benchmark import config
from benchmark.api import DataSpec, Stage
from benchmark.registry import Registry

pytestmark = pytest.mark.perf
SPEC = DataSpec("mnist", (1, 28, 28), (0.0, 1.0), 60_000)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["plain", "last"])
@pytest.mark.parametrize("budget", ["quick", "hour"])
@pytest.mark.parametrize("name", ["mpcc", "clustergan", "gmvae", "kvaes", "vade"])
@pytest.mark.benchmark(timer=time.process_time)
def test_step(benchmark, name, budget, layout):
    torch.set_num_threads(1)
    model_class = Registry().model(name)
    torch.manual_seed(0)
    model = model_class(SPEC, config.resolve(model_class, SPEC, 10, budget, {})).train()
    if not any(p.ndim == 4 for p in model.parameters()):
        pytest.skip("has no convolutions at this budget")
    model = model.to(memory_format=layout)
    everything = torch.randint(256, (60_000, *SPEC.shape), dtype=torch.uint8)
    plan = list(model.stages(everything))
    stage = max((item for item in plan if isinstance(item, Stage)), key=lambda item: item.steps)
    for item in plan[: plan.index(stage)]:
        if item.name == "share out":
            item.run()
    x = torch.rand(stage.batch_size, *SPEC.shape).to(memory_format=layout)
    benchmark.pedantic(stage.step, args=(x,), rounds=6, iterations=1, warmup_rounds=1)
