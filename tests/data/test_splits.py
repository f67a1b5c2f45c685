"""Protocols divide the same points in other ways."""

from pathlib import Path

import numpy as np
import pytest

from benchmark.api import Dataset
from benchmark.data.splits import divide
from benchmark.errors import UserError
from benchmark.protocols import applicable


class Numbered(Dataset):
    name, title, shape, value_range, n_classes = "numbered", "Numbered", (1,), None, 7
    sizes = {"train": 60_000, "test": 10_000}

    def x(self, split):
        first = 0 if split == "train" else self.sizes["train"]
        return np.arange(first, first + self.sizes[split], dtype=np.float32)[:, None]

    def y(self, split):
        return self.x(split)[:, 0].astype(int) % 7


class Small(Numbered):
    sizes = {"train": 7_494, "test": 3_498}


@pytest.fixture
def dataset():
    return Numbered(Path())


def test_neutral_is_the_data_set_itself(dataset):
    assert divide(dataset, "neutral") is dataset


def test_pooled_has_all_points_in_one_split(dataset):
    pooled = divide(dataset, "pooled")
    assert pooled.splits == ("all",)
    assert np.array_equal(pooled.x("all")[:, 0], np.arange(70_000))
    assert np.array_equal(pooled.y("all"), np.arange(70_000) % 7)
    assert (pooled.name, pooled.shape, pooled.value_range, pooled.n_classes) == ("numbered", (1,), None, 7)


@pytest.mark.parametrize(("kind", "last"), [(Numbered, 5000), (Small, 1000)])
def test_held_out_points_are_the_last_of_the_training_points(kind, last):
    dataset = kind(Path())
    divided = divide(dataset, "held-out")
    train, validation = divided.x("train")[:, 0], divided.x("validation")[:, 0]
    assert len(validation) == last
    assert np.array_equal(np.concatenate([train, validation]), dataset.x("train")[:, 0])
    assert np.array_equal(divided.x("test"), dataset.x("test"))
    assert np.array_equal(divided.y("validation"), validation % 7)
    assert divided.splits[0] == "train"


def test_a_data_set_without_a_test_split_is_the_same_under_all(dataset):
    dataset.splits = ("all",)
    assert divide(dataset, "pooled") is dataset
    assert applicable(("all",), "held-out") == "neutral"


def test_an_unknown_protocol_is_named(dataset):
    with pytest.raises(UserError, match="unknown protocol 'pool'; did you mean pooled"):
        divide(dataset, "pool")


def test_labels_may_be_missing(dataset, monkeypatch):
    monkeypatch.setattr(Numbered, "y", lambda self, split: None)
    assert divide(dataset, "pooled").y("all") is None
    assert divide(dataset, "held-out").y("validation") is None


@pytest.mark.parametrize(("labels", "missing"), [([3, 4], -1), (["a", "b"], "")])
def test_pooled_points_of_a_split_without_labels_or_names_are_not_labelled_and_have_no_name(
    dataset, monkeypatch, labels, missing
):
    dataset.sizes = {"train": 3, "test": 2}
    monkeypatch.setattr(Numbered, "y", lambda self, split: np.array(labels) if split == "test" else None)
    monkeypatch.setattr(Numbered, "names", lambda self, split: ["x", "y"] if split == "test" else None)
    pooled = divide(dataset, "pooled")
    assert pooled.y("all").tolist() == [missing] * 3 + labels
    assert pooled.names("all") == ["", "", "", "x", "y"]


@pytest.mark.parametrize("n", [900, 2000])
def test_too_few_points_to_hold_some_out_are_refused(dataset, n):
    dataset.sizes = {"train": n, "test": 10}
    with pytest.raises(UserError, match=f"has {n} training points, .* last 1000 .* expected more than 2000"):
        divide(dataset, "held-out")
