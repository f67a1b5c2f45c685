"""What is no distribution over clusters ends a run, with the reason."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from benchmark.errors import Diverged, UserError
from benchmark.evaluation.distribution import assigned, check_distribution

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(50, 10)) * 5
LOG_Q = LOGITS - np.log(np.exp(LOGITS).sum(axis=1, keepdims=True))
HARD = np.where(np.eye(10)[np.arange(50) % 10] > 0, 0.0, -np.inf)


@pytest.mark.parametrize("log_q", [LOG_Q, LOG_Q.astype(np.float32), HARD, LOG_Q + 5e-4, np.zeros((50, 1))])
def test_distributions_are_taken(log_q):
    check_distribution(log_q, 50, "default")


@pytest.mark.parametrize(
    ("log_q", "error", "message"),
    [
        (LOGITS, UserError, r"no distribution for 50 of 50 points.*logits need log_softmax"),
        (np.exp(LOG_Q), UserError, r"no distribution for 50 of 50 points.*probabilities log"),
        (LOG_Q + 2e-3, UserError, "no distribution"),
        (np.full((50, 10), -np.inf), UserError, "minus infinity for every cluster for 50 of 50 points"),
        (np.full((50, 10), np.inf), UserError, "plus infinity"),
        (np.where(np.arange(50)[:, None] == 3, np.nan, LOG_Q), Diverged, "NaN for 1 of 50 points"),
        (LOG_Q[:5], UserError, r"the shape \(5, 10\), expected \(50, K\)"),
        (LOG_Q[:, 0], UserError, r"the shape \(50,\)"),
    ],
)
def test_what_is_none_is_an_error_that_says_why(log_q, error, message):
    with pytest.raises(error, match=f"the assignment rule default gave.*{message}"):
        check_distribution(log_q, 50, "default")


def test_the_first_rule_has_a_column_for_every_cluster_of_the_model():
    uniform = lambda k: lambda x: torch.zeros(len(x), k) - np.log(k)  # noqa: E731
    rules = {"default": uniform(4), "fine": uniform(1)}
    model = SimpleNamespace(assignments=lambda: rules, n_clusters=4)
    assert [(rule, log_q.shape) for rule, log_q in assigned(model, torch.ones(5, 2))] == [
        ("default", (5, 4)),
        ("fine", (5, 1)),
    ]
    model.n_clusters = 3
    with pytest.raises(UserError, match=r"shape \(5, 4\), expected \(5, 3\)"):
        next(assigned(model, torch.ones(5, 2)))
