"""Replays a stage's step as one CUDA graph: hundreds of kernels for one launch.

`torch.cuda.CUDAGraph` is used directly. `torch.cuda.make_graphed_callables` leaves optimisers out. Why the
warm-up is undone here: without that a captured run would differ from an eager one and could not be resumed
in either mode.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from benchmark.api import ClusteringModel

Step = Callable[..., dict[str, Tensor]]  # of a batch, or of a batch and its rows
WARM_UP = 3  # steps before the capture, in which libraries choose algorithms and optimisers make their state


class Graph(Protocol):
    """What is recorded once and replayed on the same memory."""

    def warm_up(self, call: Callable[[], object]) -> None: ...
    def capture(self, call: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]: ...
    def replay(self) -> None: ...


class CudaGraph:
    """A CUDA graph of the current device, warmed up on a side stream, as torch asks for."""

    def __init__(self) -> None:
        self._graph = torch.cuda.CUDAGraph()

    def warm_up(self, call: Callable[[], object]) -> None:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            call()
        torch.cuda.current_stream().wait_stream(stream)

    def capture(self, call: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
        with torch.cuda.graph(self._graph):
            return call()

    def replay(self) -> None:
        self._graph.replay()


def capture_step(model: ClusteringModel, step: Step, batch: Sequence[Tensor], graph: Graph) -> Step:
    """`step` as a replay of `graph`. Weights, buffers, optimisers and random state are afterwards as before.

    Args:
        batch: what the step is called with, once.

    Raises: whatever the step or the graph raises; everything is undone then too.
    """
    make_capturable(model)
    undo = _undo(model, batch[0].device)
    static = [part.clone() for part in batch]
    try:
        for _ in range(WARM_UP):
            graph.warm_up(lambda: step(*static))
        # Gradients must be made by the graph, in its own memory.
        model.zero_grad()
        outputs = graph.capture(lambda: {name: value.detach() for name, value in step(*static).items()})
    finally:
        undo()

    def replay(*batch: Tensor) -> dict[str, Tensor]:
        for part, new in zip(static, batch, strict=True):
            part.copy_(new)
        graph.replay()
        return {name: value.clone() for name, value in outputs.items()}

    return replay


def make_capturable(model: ClusteringModel) -> None:
    """Keep on the device what a graph must not freeze: the optimisers' learning rates and counts of steps."""
    for optimizer in model.optimizers():
        for group in optimizer.param_groups:
            device = group["params"][0].device
            if "capturable" in group and device.type == "cuda":
                group["capturable"] = True
            group["lr"] = torch.as_tensor(group["lr"], dtype=torch.float32, device=device)
            for state in (optimizer.state[p] for p in group["params"] if p in optimizer.state):
                if isinstance(state.get("step"), Tensor):
                    state["step"] = state["step"].to(device)


def _undo(model: ClusteringModel, device: torch.device) -> Callable[[], None]:
    """Remember everything that a step changes; the function returned puts it back, in the same memory."""
    before = {id(t): t.detach().clone() for t in (*model.parameters(), *model.buffers(), *_states(model))}
    rng = torch.get_rng_state()
    cuda_rng = torch.cuda.get_rng_state(device) if device.type == "cuda" else None

    @torch.no_grad()
    def undo() -> None:
        for tensor in (*model.parameters(), *model.buffers(), *_states(model)):
            # A tensor that was not there is an optimiser's state, made by the warm-up: it begins at zero.
            tensor.copy_(before[id(tensor)]) if id(tensor) in before else tensor.zero_()
        torch.set_rng_state(rng)
        if cuda_rng is not None:
            torch.cuda.set_rng_state(cuda_rng, device)

    return undo


def _states(model: ClusteringModel) -> list[Tensor]:
    states = (state for optimizer in model.optimizers() for state in optimizer.state.values())
    return [value for state in states for value in state.values() if isinstance(value, Tensor)]
