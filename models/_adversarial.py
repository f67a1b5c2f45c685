"""What the GANs share: the adversarial losses, and updates of several networks by one backward pass."""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

AdversarialLoss = Literal["wgan-gp", "hinge", "nonsaturating"]


def critic_loss(on_data: Tensor, on_generated: Tensor, kind: AdversarialLoss) -> Tensor:
    """What D, which is high on data, minimises, of D(x) and D(G(z)) (B,).

    kind:
        wgan-gp        E D(G(z)) - E D(x); the gradient penalty is a term of its own
        hinge          E max(0, 1 - D(x)) + E max(0, 1 + D(G(z)))
        nonsaturating  the cross-entropy of telling them apart
    """
    if kind == "wgan-gp":
        return on_generated.mean() - on_data.mean()
    if kind == "hinge":
        return (1 - on_data).relu().mean() + (1 + on_generated).relu().mean()
    return F.softplus(-on_data).mean() + F.softplus(on_generated).mean()


def generator_loss(on_generated: Tensor, kind: AdversarialLoss) -> Tensor:
    """What G minimises, of D(G(z)) (B,): -E log sigmoid D(G(z)) if `kind` is "nonsaturating", else -E
    D(G(z)).
    """
    return F.softplus(-on_generated).mean() if kind == "nonsaturating" else -on_generated.mean()


def gradient_penalty(critic: Callable[[Tensor], Tensor], x: Tensor, generated: Tensor, eps: Tensor) -> Tensor:
    """E (|grad D(x^)| - 1)^2 at x^ = eps x + (1 - eps) G(z); eps is (B,), or (1,) for the same in the whole
    batch.
    """
    eps = eps.view(-1, *[1] * (x.ndim - 1))
    between = (eps * x + (1 - eps) * generated).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean()


def update(loss: Tensor, *optimizers: torch.optim.Optimizer) -> None:
    """A step of each optimizer; the gradient is computed for their parameters only."""
    parameters = [p for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]]
    for optimizer in optimizers:
        optimizer.zero_grad()
    torch.autograd.backward(loss, inputs=parameters)
    for optimizer in optimizers:
        optimizer.step()
