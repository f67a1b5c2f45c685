"""Backprop decoding: the latents of given points under a generator, by gradient descent (Mukherjee et al. 2019, algorithm 2)."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm

BETA1, BETA2, EPS = 0.9, 0.999, 1e-8  # of Adam
PATIENCE = 50  # steps over which an improvement is measured

Loss = Callable[[Tensor, Tensor, Tensor, float], Tensor]


@dataclass(frozen=True)
class Decoded:
    """Outcome of `decode` for B points.

    Attributes:
        z: (B, J) the latent of the best restart, its fixed part included.
        loss: (B,) of that latent.
        restart: (B,) index of the best restart.
        steps: Adam steps that a restart took, on average.
    """

    z: Tensor
    loss: Tensor
    restart: Tensor
    steps: float


def released_loss(generated: Tensor, x: Tensor, free: Tensor, penalty: float) -> Tensor:
    """(R,) mean |G(z) - x| + penalty * mean z_n^2, as in the authors' code: means over the values and over the latent."""
    return (generated - x).abs().flatten(1).mean(dim=1) + penalty * free.square().mean(dim=1)


def paper_loss(generated: Tensor, x: Tensor, free: Tensor, penalty: float) -> Tensor:
    """(R,) ||G(z) - x||_1 + penalty * ||z_n||_2, as printed in the paper: norms, so sums, and z_n not squared."""
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
    tolerance: float,
    rows: int = 4096,
) -> Decoded:
    """For each point the latent z = (z_n, z_c) with the lowest loss that Adam on z_n finds, over S restarts.

    A restart keeps its z_c; after every step its z_n is clipped to [-box, box]. Points and restarts are independent of
    each other, so they are rows of one batch.

    Args:
        generator: (R, J) -> (R, *shape); nothing in it may depend on the other rows (batch norm in eval mode).
        x: (B, *shape) float points.
        start: (S, J_n) where each restart begins, the same for every point.
        fixed: (S, J_c) the part of the latent that each restart keeps; J_c may be 0.
        tolerance: a restart ends when 50 steps have lowered its loss by less than this share; 0 runs all steps.
        rows: points times restarts that are computed at a time.
    """
    restarts, found, taken = len(start), [], 0.0
    progress = tqdm(total=len(x), desc="decoding", unit="point", disable=None, leave=False)  # None: on a terminal only
    for part in x.split(max(1, rows // restarts)):
        z_n, fixed_part = start.repeat(len(part), 1), fixed.repeat(len(part), 1)
        targets = part.repeat_interleave(restarts, dim=0)
        z_n, losses, used = _descend(generator, targets, z_n, fixed_part, loss, penalty, steps, lr, box, tolerance)
        best = losses.view(len(part), restarts).argmin(dim=1)
        chosen = torch.arange(len(part), device=x.device) * restarts + best
        found.append((torch.cat([z_n, fixed_part], dim=1)[chosen], losses[chosen], best))
        taken += used * len(part) / len(x)
        progress.update(len(part))
    progress.close()
    z, final, best = (torch.cat(parts) for parts in zip(*found, strict=True))
    return Decoded(z, final, best, taken)


def _descend(
    generator: Callable[[Tensor], Tensor], x: Tensor, z_n: Tensor, fixed: Tensor,
    loss: Loss, penalty: float, steps: int, lr: float, box: float, tolerance: float,
) -> tuple[Tensor, Tensor, float]:  # fmt: skip
    """Adam on every row of z_n by itself; rows that have converged leave the batch. Returns z_n, losses, mean steps."""

    def objective(z_n: Tensor, x: Tensor, fixed: Tensor) -> Tensor:
        return loss(generator(torch.cat([z_n, fixed], dim=1)), x, z_n, penalty)

    result, total, taken = z_n.clone(), len(z_n), 0
    rows = torch.arange(total, device=x.device)  # which rows of the result are still in the batch
    m, v = torch.zeros_like(z_n), torch.zeros_like(z_n)
    x_left, fixed_left, before = x, fixed, torch.full_like(z_n[:, 0], torch.inf)
    for t in range(1, steps + 1):
        with torch.enable_grad():
            z_n.requires_grad_()
            losses = objective(z_n, x_left, fixed_left)
            (gradient,) = torch.autograd.grad(losses.sum(), z_n)  # of z_n alone: no weight gradients are computed
        z_n = z_n.detach()
        m = torch.lerp(gradient, m, BETA1)
        v = torch.lerp(gradient.square(), v, BETA2)
        update = (m / (1 - BETA1**t)) / ((v / (1 - BETA2**t)).sqrt() + EPS)
        z_n = (z_n - lr * update).clamp(-box, box)
        taken += len(z_n)
        if tolerance > 0 and t % PATIENCE == 0 and t < steps:
            result[rows] = z_n
            losses = losses.detach()
            going = before - losses > tolerance * losses
            rows, z_n, m, v, before = rows[going], z_n[going], m[going], v[going], losses[going]
            x_left, fixed_left = x_left[going], fixed_left[going]
            if not len(rows):
                break
    result[rows] = z_n
    with torch.no_grad():
        return result, objective(result, x, fixed), taken / total


def once_in_a_row(function: Callable[[Tensor], Decoded]) -> Callable[[Tensor], Decoded]:
    """The function, which is not computed again for the same points as the time before."""
    last: list[tuple[Tensor, Decoded]] = []

    def remembering(x: Tensor) -> Decoded:
        if not last or last[0][0].shape != x.shape or not torch.equal(last[0][0], x):
            last[:] = [(x, function(x))]
        return last[0][1]

    return remembering
