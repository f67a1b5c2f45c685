"""A trained model and a data set to metrics."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.errors import Diverged, UserError
from benchmark.evaluation.evaluate import evaluate
from benchmark.registry import Registry

DIGITS = Registry().dataset("digits", Path())


class Told:
    """Assigns as it is told, by two rules."""

    device, n_clusters = torch.device("cpu"), 10

    def __init__(self, log_q):
        self.log_q = torch.from_numpy(log_q)

    def eval(self):
        return self

    def assignments(self):
        return {"first": lambda x: self.log_q, "second": lambda x: self.log_q.roll(1, dims=1)}


def test_every_rule_is_measured_and_the_first_is_returned():
    y = DIGITS.y("all")
    log_q = np.log(np.full((len(y), 10), 0.01) + 0.9 * np.eye(10)[y])
    metrics, first = evaluate(Told(log_q), DIGITS, seed=0)
    assert set(metrics["all"]) == {"first", "second"}
    assert metrics["all"]["first"]["accuracy"] == metrics["all"]["second"]["accuracy"] == 1.0
    np.testing.assert_array_equal(first["all"], log_q)


@pytest.mark.parametrize("log_q", [np.full((1797, 10), np.nan), np.zeros((5, 10)), np.zeros(1797)])
def test_an_assignment_of_another_shape_or_without_numbers_ends_the_run(log_q):
    with pytest.raises((Diverged, UserError), match="assignment rule first gave"):
        evaluate(Told(log_q), DIGITS, seed=0)
