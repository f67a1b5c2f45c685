"""What is told to a model about a data set."""

from pathlib import Path

import numpy as np
import pytest

from benchmark.api import Dataset
from benchmark.data import data_spec
from benchmark.errors import UserError


class Line(Dataset):
    name, title, shape, value_range, n_classes = "line", "Line", (1,), None, None

    def x(self, split):
        return np.arange(9, dtype=np.float32)[:, None]

    def y(self, split):
        return None


@pytest.mark.parametrize("splits", [("train", "dev"), ("validation",), ("test", "train")])
def test_splits_of_other_names_are_refused_before_anything_is_trained(splits):
    dataset = Line(Path())
    assert data_spec(dataset).n == 9
    dataset.splits = splits
    with pytest.raises(UserError, match=f"has the splits {', '.join(splits)}; expected train or all first"):
        data_spec(dataset)
