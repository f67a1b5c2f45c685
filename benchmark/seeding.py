"""The random streams of a run: each use of randomness has its own, derived from the run's seed.

init   weights, drawn while the model is built
noise  everything drawn in a training step or an `Action` (torch's default generator, saved in checkpoints)
order  which points form a minibatch; a function of seed, stage and epoch, so it needs no state
eval   samples and whatever else is drawn after training
"""

import numpy as np
import torch

_STREAMS = ("init", "noise", "order", "eval")


def derive(seed: int, stream: str, *index: int) -> int:
    """A 63-bit seed for one stream of a run; different streams, run seeds below 2^32, and indices of the same
    length are independent.
    """
    words = np.random.SeedSequence([seed, _STREAMS.index(stream), *index]).generate_state(1, np.uint64)
    return int(words[0] >> np.uint64(1))


def start(seed: int, stream: str) -> None:
    """Set torch's default generators (CPU and GPU) to the beginning of a stream."""
    torch.manual_seed(derive(seed, stream))
