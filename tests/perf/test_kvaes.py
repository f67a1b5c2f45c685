"""Time of kVAEs: one step of the VAEs and of the discriminators at the paper's sizes, and the stack against a
loop over K.
"""

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
PLANE, MNIST = DataSpec("modes9", (2,), None, 64_000), DataSpec("mnist", (1, 28, 28), (0.0, 1.0), 1_000)


def make(spec, k, device):
    model_class = Registry().model("kvaes")
    torch.manual_seed(0)
    model = model_class(spec, config.resolve(model_class, spec, 9, "paper", {"n_clusters": str(k)})).to(
        device
    )
    x = torch.rand(spec.n, *spec.shape, device=device)
    model.share_out(spec.n)
    return model, x


def synchronised(function):
    """`function`, waiting for the device to finish."""

    def run():
        function()
        if torch.cuda.is_available():
            torch.cuda.synchronize()

    return run


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("spec", "k"), [(PLANE, 9), (MNIST, 15)], ids=["modes9", "mnist"])
@pytest.mark.parametrize("networks", ["vaes", "discriminators"])
def test_step(benchmark, spec, k, networks, device):
    model, x = make(spec, k, device)
    batch = x[: model.config.batch_size]
    step = {
        "vaes": lambda: model.vae_step(model.draw_batches(x)),
        "discriminators": lambda: model.discriminator_step(batch),
    }
    benchmark.extra_info["threads"] = torch.get_num_threads()
    rounds = 30 if spec is PLANE else 2
    benchmark.pedantic(synchronised(step[networks]), rounds=rounds, iterations=1, warmup_rounds=1)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("how", ["stacked", "loop"])
def test_nine_vaes(benchmark, how, device):
    models = [make(PLANE, 9, device)] if how == "stacked" else [make(PLANE, 1, device) for _ in range(9)]

    def step():
        for model, x in models:
            model.vae_step(model.draw_batches(x))

    benchmark.pedantic(synchronised(step), rounds=30, iterations=1, warmup_rounds=5)
