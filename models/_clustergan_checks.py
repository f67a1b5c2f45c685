"""What a trained ClusterGAN, or one of its variants, is examined for: signs of collapse, and decoding next to encoding."""

from typing import TYPE_CHECKING, Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from benchmark.api import as_float
from benchmark.plots import image_sheet

if TYPE_CHECKING:
    from .clustergan import ClusterGAN

SAMPLES = 200  # per cluster
POINTS = 1000  # of the training data, of which ...
DECODED = 100  # ... so many are reconstructed


@torch.no_grad()
def measure(model: "ClusterGAN", x: Tensor) -> dict[str, Any]:
    """For the record, on random training points and new samples.

    Returns:
        critic_gap: mean D(x) - mean D(G(z)); with the gradient penalty an estimate of the Wasserstein distance.
        returned: per cluster, the share of its samples that argmax E_c puts back into it.
        z_n_error: mean squared error of E_n(G(z)) in units of the variance of z_n: 1 if E_n knows nothing.
        encoded_error: mean |x - G(E(x))| per value.
        decoded_error, decoded_clipped, decoded_steps: the same by decoding, the share of z_n on a side of the box, and
            the mean number of Adam steps.
        decoded_as_encoded: share of points that decoding and argmax E_c put into the same cluster.
        warnings: signs of a collapsed run in words, none if there are none.
    """
    c = model.config
    points = as_float(x[torch.randperm(len(x), device=x.device)[:POINTS]])
    some = points[:DECODED]
    z, _ = model.sample_prior(POINTS)
    generated = model.generator(z)
    found: dict[str, Any] = {"critic_gap": (model.critic(points).mean() - model.critic(generated).mean()).item()}
    shares = returned(model).diagonal().tolist() if model.has_encoder else None
    if shares is not None:
        found["returned"] = shares
    if c.variant == "clustergan":
        if c.beta_n:
            found["z_n_error"] = (model.encode(generated)[0] - z[:, : c.latent]).square().mean().item() / model.sigma**2
        found["encoded_error"] = (model.reconstruct(some) - some).abs().mean().item()
    if c.decode:
        decoded = model.decode(some)
        z_n = decoded.z[:, : model.decode_start.shape[1]] * 0.1 / model.sigma
        found["decoded_error"] = (model.generator(decoded.z) - some).abs().mean().item()
        found["decoded_clipped"] = (z_n.abs() >= 0.999 * c.decode_box).float().mean().item()
        found["decoded_steps"] = decoded.steps
        if model.has_encoder:
            same = model.categorical(some).argmax(dim=1) == decoded.restart
            found["decoded_as_encoded"] = same.float().mean().item()
    spread = [model.sample(SAMPLES, i).std(dim=0).mean().item() for i in range(c.n_clusters)]
    return found | {"warnings": collapse_warnings(spread, points.std(dim=0).mean().item(), shares)}


def returned(model: "ClusterGAN") -> Tensor:
    """(K, K) share of samples of cluster i that the encoder puts into cluster j: the identity if it inverts G."""
    k = model.config.n_clusters
    found = [model.categorical(model.sample(SAMPLES, i)).argmax(dim=1).bincount(minlength=k) for i in range(k)]
    return torch.stack(found) / SAMPLES


def collapse_warnings(spread: list[float], spread_of_data: float, shares: list[float] | None) -> list[str]:
    """Signs of a collapsed generator.

    Args:
        spread: per cluster, the mean standard deviation of its samples' values.
        spread_of_data: the same of the data, all clusters together.
        shares: per cluster, the share of its samples that the encoder puts back into it; None without an encoder.
    """
    found = []
    for i, s in enumerate(spread):
        if s < 0.05 * spread_of_data:
            found.append(f"the samples of cluster {i} are all but equal: they vary {s / spread_of_data:.3f} times as the data")
    for i, share in enumerate(shares or []):
        if share < 0.5:
            found.append(f"the encoder puts only {share:.0%} of the samples of cluster {i} back into it")
    return found


@torch.no_grad()
def pictures(model: "ClusterGAN", x: Tensor) -> dict[str, Figure]:
    """returned.png, the matrix of `returned`; reconstructions.png, training images as they are, encoded and decoded."""
    figures = {}
    if model.has_encoder:
        figures["returned"] = Figure(figsize=(3, 2.6), layout="constrained")
        axes = figures["returned"].subplots()
        shown = axes.imshow(returned(model).cpu().numpy(), vmin=0, vmax=1, cmap="Blues")
        axes.set(xlabel="cluster by the encoder", ylabel="generated as cluster")
        figures["returned"].colorbar(shown, label="share of samples")
    if model.data.kind == "image":
        points = as_float(x[torch.randperm(len(x), device=x.device)[:12]])
        rows = {"x": points}
        if model.config.variant == "clustergan":
            rows["E"] = model.reconstruct(points)
        if model.config.decode:
            rows["decoded"] = model.generator(model.decode(points).z)
        figures["reconstructions"] = image_sheet(list(rows.values()), list(rows))
    return figures
