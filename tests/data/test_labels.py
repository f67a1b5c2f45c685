"""Which points are labelled, and labels that are none."""

import numpy as np
import pytest

from benchmark.data.labels import check_classes, has_minus_one_as_class, labelled, n_classes
from benchmark.errors import UserError


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (np.array([0, 1, -1, 2]), [1, 1, 0, 1]),
        (np.array([0.0, np.nan, 1.0, -1.0]), [1, 0, 1, 0]),
        (np.array(["a", "", "b", "nan"]), [1, 0, 1, 0]),
        (np.array([3, 0, 1, 2], dtype=np.uint8), [1, 1, 1, 1]),
        (np.array([-1, -1, 2, 2]), [0, 0, 1, 1]),  # of one split: the others may have more classes
        (np.array([-2, -1, 1, 0]), [1, 0, 1, 1]),
    ],
)
def test_minus_one_empty_text_and_nan_are_no_labels(y, expected):
    np.testing.assert_array_equal(labelled(y), np.array(expected, dtype=bool))


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (np.array([-1, 1, 1, -1]), True),  # the two classes of a support vector machine
        (np.array([-1.0, np.nan, 1.0]), True),
        (np.array([-1, 0, 1]), False),
        (np.array([-1, -1]), False),
        (np.array([0.0, np.nan]), False),
        (np.array(["-1", "1"]), False),
    ],
)
def test_minus_one_beside_one_other_label_is_seen_as_a_class(y, expected):
    assert has_minus_one_as_class(y) is expected


def test_classes_are_counted_among_labelled_points():
    assert n_classes(np.array([-1, -1, 0, 1, 1])) == 2


def test_more_than_half_as_many_classes_as_points_are_refused():
    check_classes(np.arange(10) // 2, "y")
    check_classes(np.array([0, 1]), "y")
    with pytest.raises(UserError, match="6 classes for 10 labelled points, more than half as many"):
        check_classes(np.arange(10) % 6, "y")
    with pytest.raises(UserError, match="3 classes for 3 labelled points"):
        check_classes(np.array([-1] * 7 + [0, 1, 2]), "y")
