"""The signs of collapse, on a model whose samples are known."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from benchmark.api import ClusteringModel, DataSpec, ModelConfig, hard_assignment
from benchmark.evaluation.collapse import diagnose

# Two groups on a line: around 0.25 and around 0.75, both with the same spread.
LEFT = torch.linspace(0.2, 0.3, 50)
POINTS = torch.cat([LEFT, LEFT + 0.5])[:, None]


class Known(ClusteringModel):
    """Splits at 0.5; samples copies of the data of the left group, but one point only for the right one."""

    name = "known"

    @dataclass(frozen=True)
    class Config(ModelConfig):
        pass

    def stages(self, x):
        return ()

    def log_assign(self, x):
        return hard_assignment((x[:, 0] > 0.5).long(), 2)

    def sample(self, n, cluster=None):
        if cluster == 0:
            return LEFT[:, None].repeat(n // 50, 1)
        return torch.cat([torch.full((n // 2, 1), 1.0), torch.full((n // 2, 1), 0.4)])

    def diagnose(self, x):
        return {
            "own": len(x),
            "array": np.float32(1.5),
            "tensors": [torch.tensor([1, 2]), {"a": x.new_ones(())}],
        }


def test_signs_of_collapse():
    model = Known(DataSpec("line", (1,), (0.0, 1.0), 100), Known.Config(n_clusters=2))
    found = diagnose(model, POINTS, seed=0)
    assert found["consistency"] == [1.0, 0.5]  # the right one's samples at 0.4 come back as left
    assert found["variety"][0] == pytest.approx(1.0, rel=0.02)
    assert found["variety"][1] > 1  # two points far apart
    assert found["saturation"] == [pytest.approx(0.25), 0.0]  # those at 1.0
    assert found["own"] == 100


def test_what_a_model_measures_can_be_written_as_json():
    model = Known(DataSpec("line", (1,), (0.0, 1.0), 100), Known.Config(n_clusters=2))
    found = diagnose(model, POINTS, seed=0)
    assert found["array"] == json.loads(json.dumps(found))["array"] == 1.5
    assert found["tensors"] == [[1, 2], {"a": 1.0}]
