"""What the parameters of `DeepClustering` may be, as far as nothing checks them later."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from benchmark.protocols import BUDGETS


def is_whole(value: Any, least: int) -> bool:
    """Whether that is a whole number, numpy's too, of at least `least`."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and bool(value >= least)


# {parameter: (whether a value is right, what is expected)}
RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "model": (lambda v: isinstance(v, str), "the name of a model"),
    "budget": (lambda v: v in BUDGETS, f"one of {', '.join(BUDGETS)}"),
    "overrides": (
        lambda v: v is None or (isinstance(v, Mapping) and all(isinstance(name, str) for name in v)),
        "None or {hyper-parameter: value}",
    ),
    "device": (lambda v: v in (None, "cpu", "cuda"), "None, 'cpu' or 'cuda'"),
    "threads": (lambda v: v is None or is_whole(v, 1), "None or a whole number of at least 1"),
    "plugins": (lambda v: isinstance(v, Sequence) and not isinstance(v, str), "a list of files"),
}


def check_parameters(given: Mapping[str, Any]) -> None:
    """Check the parameters of an estimator, {name: value}.

    Raises:
        ValueError: one is not what is expected.
    """
    for name, (is_right, expected) in RULES.items():
        _expect(name, given[name], is_right(given[name]), expected)
    if "n_clusters" in (given["overrides"] or ()):
        raise ValueError("overrides has n_clusters, expected hyper-parameters besides it; give n_clusters=K")


def check_sample(n: Any, cluster: Any, random_state: Any, n_clusters: int) -> None:
    """Check the arguments of `DeepClustering.sample`, of a model of so many clusters.

    Raises:
        ValueError: one is not what is expected.
    """
    _expect("n", n, is_whole(n, 1), "a whole number of at least 1")
    one = cluster is None or (is_whole(cluster, 0) and cluster < n_clusters)
    _expect("cluster", cluster, one, f"None or 0 to {n_clusters - 1}")
    seed = random_state is None or is_whole(random_state, 0)
    _expect("random_state", random_state, seed, "None or a whole number of at least 0")


def _expect(name: str, value: Any, is_right: bool, expected: str) -> None:
    if not is_right:
        raise ValueError(f"{name} is {value!r}, expected {expected}")


def seed_of(random_state: Any) -> int:
    """The seed itself, also one too large for scikit-learn, or one drawn from what it takes.

    Raises:
        ValueError: scikit-learn doesn't take it.
    """
    if is_whole(random_state, 0):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))
