"""Random assignment: what each metric gives for clusters that have nothing to do with the points."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.api import Action, ClusteringModel, DataSpec, ModelConfig, hard_assignment


class Random(ClusteringModel):
    """Every point gets one of the K clusters, each with probability 1 / K; equal points get the same.

    The cluster is a random function of the point's bits, a multilinear hash (Carter and Wegman, "Universal
    classes of hash functions", 1979) in 64-bit integers: any two different points are independent, and a
    point has its cluster alone, in any batch and on any device.
    """

    name = "random"

    @dataclass(frozen=True)
    class Config(ModelConfig):
        pass

    factors: Tensor

    def __init__(self, data: DataSpec, config: Config):
        super().__init__(data, config)
        self.register_buffer("factors", torch.zeros(data.dim + 1, dtype=torch.long))

    def stages(self, x: Tensor) -> Iterator[Action]:
        yield Action("draw", self.draw_function)

    def draw_function(self) -> None:
        limit = 2**63 - 1
        self.factors.copy_(torch.randint(-limit, limit, self.factors.shape))

    def log_assign(self, x: Tensor) -> Tensor:
        """One-hot at the cluster drawn."""
        bits = (x.flatten(1).float() + 0.0).view(torch.int32).long()  # + 0.0: minus zero is zero
        hashed = (bits * self.factors[1:]).sum(dim=1) + self.factors[0]  # modulo 2^64
        return hard_assignment(
            ((hashed >> 33) & (2**31 - 1)) % self.config.n_clusters, self.config.n_clusters
        )
