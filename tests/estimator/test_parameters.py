"""Parameters of the estimator that are wrong, and those that are right in numpy's types."""

import numpy as np
import pytest

from benchmark import DeepClustering
from benchmark.estimator.parameters import check_parameters, check_sample, seed_of

GIVEN = DeepClustering().get_params()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"model": None}, "model is None, expected the name of a model"),
        ({"budget": "long"}, "budget is 'long', expected one of paper, hour, quick, smoke"),
        ({"budget": None}, "budget is None"),
        ({"overrides": "a=3"}, "overrides is 'a=3', expected None or {hyper-parameter: value}"),
        ({"overrides": {3: 4}}, "overrides is {3: 4}"),
        ({"overrides": {"n_clusters": 4}}, "give n_clusters=K"),
        ({"device": "gpu"}, "device is 'gpu', expected None, 'cpu' or 'cuda'"),
        ({"threads": 0}, "threads is 0, expected None or a whole number of at least 1"),
        ({"threads": True}, "threads is True"),
        ({"threads": 2.0}, "threads is 2.0"),
        ({"plugins": "mine.py"}, "plugins is 'mine.py', expected a list of files"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_is_expected(wrong, message):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        check_parameters({**GIVEN, **wrong})
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n": 0}, "n is 0, expected a whole number of at least 1"),
        ({"n": 2.5}, "n is 2.5"),
        ({"cluster": 3}, "cluster is 3, expected None or 0 to 2"),
        ({"cluster": 1.5}, "cluster is 1.5"),
        ({"cluster": -1}, "cluster is -1"),
        ({"random_state": "a"}, "random_state is 'a', expected None or a whole number of at least 0"),
    ],
)
def test_a_wrong_argument_of_sample_is_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        check_sample(**{"n": 1, "cluster": None, "random_state": None, "n_clusters": 3, **wrong})


def test_what_is_right_passes_in_numpys_types_too():
    check_parameters({**GIVEN, "threads": np.int64(2), "overrides": {"lr": 0.1}, "plugins": ["mine.py"]})
    check_sample(np.int64(5), np.int64(2), 0, 3)


def test_a_seed_stays_itself_and_one_is_drawn_from_a_random_state():
    assert seed_of(np.int64(2**40)) == 2**40
    assert seed_of(np.random.RandomState(0)) == seed_of(np.random.RandomState(0)) != 0
    with pytest.raises(ValueError, match="Seed must be between 0 and"):
        seed_of(-1)
