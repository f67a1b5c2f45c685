"""Backprop decoding: the latents of given points under a generator, by gradient descent (Mukherjee et al.
2019, algorithm 2).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm

Loss = Callable[[Tensor, Tensor, Tensor, float], Tensor]


@dataclass(frozen=True)
class Decoded:
    """Outcome of `decode` for B points.

    Attributes:
        z: (B, J) the latent of the best restart, its fixed part included.
        loss: (B,) of that latent.
        restart: (B,) index of the best restart.
    """

    z: Tensor
    loss: Tensor
    restart: Tensor


def released_loss(generated: Tensor, x: Tensor, free: Tensor, penalty: float) -> Tensor:
    """(R,) mean |G(z) - x| + penalty * mean z_n^2, as in the authors' code: means over the values and over
    the latent.
    """
    return (generated - x).abs().flatten(1).mean(dim=1) + penalty * free.square().mean(dim=1)


def paper_loss(generated: Tensor, x: Tensor, free: Tensor, penalty: float) -> Tensor:
    """(R,) ||G(z) - x||_1 + penalty * ||z_n||_2, as printed in the paper: norms, so sums, and z_n not
    squared.
    """
    # the gradient of the norm at 0 is taken to be 0
    norm = free.square().sum(dim=1).clamp(min=1e-24).sqrt()
    return (generated - x).abs().flatten(1).sum(dim=1) + penalty * norm


LOSSES: dict[str, Loss] = {"released": released_loss, "paper": paper_loss}


def decode(
    generator: Callable[[Tensor], Tensor],
    x: Tensor,
    start: Tensor,
    fixed: Tensor,
    *,
    loss: Loss,
    penalty: float,
    steps: int,
    lr: float,
    box: float,
    rows: int = 4096,
) -> Decoded:
    """For each point the latent z = (z_n, z_c) with the lowest loss that Adam on z_n finds, over S restarts.

    A restart keeps its z_c; after every step its z_n is clipped to [-box, box]. Points and restarts are
    independent of each other, so they are rows of one batch.

    Args:
        generator: (R, J) -> (R, *shape); nothing in it may depend on the other rows (batch norm in eval
        mode).
        x: (B, *shape) float points.
        start: (S, J_n) where each restart begins, the same for every point.
        fixed: (S, J_c) the part of the latent that each restart keeps; J_c may be 0.
        rows: points times restarts that are computed at a time.
    """
    restarts, found = len(start), []
    # None: on a terminal only
    progress = tqdm(total=len(x), desc="decoding", unit="point", disable=None, leave=False)
    for part in x.split(max(1, rows // restarts)):
        z_n, fixed_part = start.repeat(len(part), 1), fixed.repeat(len(part), 1)
        targets = part.repeat_interleave(restarts, dim=0)
        z_n, losses = _descend(generator, targets, z_n, fixed_part, loss, penalty, steps, lr, box)
        best = losses.view(len(part), restarts).argmin(dim=1)
        chosen = torch.arange(len(part), device=x.device) * restarts + best
        found.append((torch.cat([z_n, fixed_part], dim=1)[chosen], losses[chosen], best))
        progress.update(len(part))
    progress.close()
    z, final, best = (torch.cat(parts) for parts in zip(*found, strict=True))
    return Decoded(z, final, best)


def _descend(
    generator: Callable[[Tensor], Tensor],
    x: Tensor,
    z_n: Tensor,
    fixed: Tensor,
    loss: Loss,
    penalty: float,
    steps: int,
    lr: float,
    box: float,
) -> tuple[Tensor, Tensor]:
    """Adam on every row of z_n by itself. Returns z_n and losses."""

    def objective(z_n: Tensor) -> Tensor:
        return loss(generator(torch.cat([z_n, fixed], dim=1)), x, z_n, penalty)

    z_n = z_n.clone().requires_grad_()
    adam = torch.optim.Adam([z_n], lr=lr)  # of every entry by itself, so also of every row
    for _ in range(steps):
        with torch.enable_grad():
            # of z_n alone: no weight gradients are computed
            (z_n.grad,) = torch.autograd.grad(objective(z_n).sum(), z_n)
        adam.step()
        with torch.no_grad():
            z_n.clamp_(-box, box)
    with torch.no_grad():
        return z_n.detach(), objective(z_n)


def once_in_a_row(function: Callable[[Tensor], Decoded]) -> Callable[[Tensor], Decoded]:
    """The function, which is not computed again for the same points as the time before."""
    last: list[tuple[Tensor, Decoded]] = []

    def remembering(x: Tensor) -> Decoded:
        if not last or last[0][0].shape != x.shape or not torch.equal(last[0][0], x):
            last[:] = [(x, function(x))]
        return last[0][1]

    return remembering
