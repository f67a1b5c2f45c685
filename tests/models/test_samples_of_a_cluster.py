"""What is decoded for samples of a given cluster: latents of that cluster."""

import pytest
import torch

from benchmark import config
from benchmark.api import DataSpec
from benchmark.registry import Registry

SPEC = DataSpec("some", (1, 8, 8), (0.0, 1.0), 500)
K, J = 4, 5
FAR = 50 * torch.eye(K, J)  # centres of clusters that do not touch


def nearest(z):
    return torch.cdist(z, FAR).argmin(dim=1)


CLUSTER_OF = {  # the cluster of each latent (B, ...) that the generator or decoder is given
    "aae": lambda latent: latent[:, :K].argmax(dim=1),
    "aim": nearest,
    "infogan": lambda latent: latent[:, J : J + K].argmax(dim=1),
    "vae": nearest,
    "vmm": nearest,
}


@pytest.mark.parametrize("name", CLUSTER_OF)
@torch.no_grad()
def test_samples_of_a_cluster_are_decoded_from_latents_of_it(name):
    torch.manual_seed(0)
    cls = Registry().model(name)
    values = {"latent": J} | ({"components": K} if name == "vmm" else {})
    model, seen = cls(SPEC, config.resolve(cls, SPEC, K, "smoke", values)).eval(), []
    if name == "vmm":
        model.components = lambda: (FAR, torch.eye(J).expand(K, J, J))
    elif CLUSTER_OF[name] is nearest:
        model.kmeans.centres.copy_(FAR)
    network = model.generator if hasattr(model, "generator") else model.decoder
    network.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    for cluster in range(K):
        assert model.sample(20, cluster=cluster).shape == (20, 1, 8, 8)
    assert [CLUSTER_OF[name](latent).tolist() for latent in seen] == [[k] * 20 for k in range(K)]
