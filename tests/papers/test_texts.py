"""How published numbers and ours are written."""

import dataclasses

import pytest

from benchmark.papers.published import numbers
from benchmark.papers.texts import metric_text, published_text, value


@pytest.mark.parametrize(
    ("number", "std", "text"),
    [
        (0.9, None, "0.90"),
        (0.8125, None, "0.8125"),
        (0.9506, 0.004, "0.9506 ± 0.004"),
        (32.0, 1, "32.00 ± 1.00"),
    ],
)
def test_published_numbers_keep_the_digits_that_they_have(number, std, text):
    assert published_text(dataclasses.replace(numbers()[0], value=number, std=std)) == text


def test_a_metric_whose_kind_is_not_stated_is_said_to_be_so():
    number = dataclasses.replace(
        numbers()[0], metric="unknown_nmi", split="test", rule="kmeans", model="clustergan"
    )
    assert metric_text(number) == "NMI (kind not stated), test, rule kmeans"
    assert metric_text(dataclasses.replace(number, model=None)) == "NMI (kind not stated), test"
    assert (
        metric_text(dataclasses.replace(number, metric="accuracy", split="unknown", rule="default")) == "ACC"
    )


def test_ours_have_three_digits_and_fid_two():
    assert (value(0.8, 0.1, "accuracy").digits, value(21.3, None, "fid").digits) == (3, 2)
