"""What the texts of options mean."""

import argparse

import pytest

from benchmark.cli.options import cluster_numbers, images, names, positive


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("8", (8,)),
        ("5:8", (5, 6, 7, 8)),
        ("5:12:3", (5, 8, 11)),
        ("8,4,6,4", (4, 6, 8)),
        ("1", (1,)),  # the models say whether one number suits them
    ],
)
def test_numbers_of_clusters(text, numbers):
    assert cluster_numbers(text) == numbers


@pytest.mark.parametrize("text", ["", "many", "20:5", "5:5", "1:5", "0,4", "5:20:0", "5:6:7:8", "5:"])
def test_what_is_no_number_of_clusters(text):
    with pytest.raises(
        argparse.ArgumentTypeError, match=r"was given, expected K, or several numbers from 2 on"
    ):
        cluster_numbers(text)


def test_names_count_once_and_without_blanks():
    assert names(" vade, kmeans,,vade ") == ("vade", "kmeans")


@pytest.mark.parametrize(
    ("of", "text", "least"), [(positive, "0", 1), (positive, "2.5", 1), (images, "3", 4)]
)
def test_numbers_that_are_too_small(of, text, least):
    with pytest.raises(argparse.ArgumentTypeError, match=f"{text}.* was given, expected .*at least {least}"):
        of(text)
