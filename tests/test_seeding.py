"""Random streams of a run."""

import torch

from benchmark.seeding import derive, start


def test_seeds_of_streams_indices_and_runs_are_all_different():
    found = {
        derive(seed, stream, i)
        for seed in range(5)
        for stream in ("init", "noise", "order", "eval")
        for i in range(5)
    }
    assert len(found) == 5 * 4 * 5
    assert all(0 <= seed < 2**63 for seed in found)


def test_a_stream_begins_the_same_every_time():
    start(3, "noise")
    first = torch.rand(4)
    start(3, "init")
    assert not torch.equal(first, torch.rand(4))
    start(3, "noise")
    assert torch.equal(first, torch.rand(4))
