"""What every registered data set must be. Those whose files are absent are skipped."""

import copy

import numpy as np
import pytest

from benchmark.config import layers
from benchmark.data import array_digest, data_folder, data_spec, dataset_digest
from benchmark.data.ranges import check_values
from benchmark.errors import UserError
from benchmark.registry import Registry


def pytest_generate_tests(metafunc):
    if "dataset_class" in metafunc.fixturenames:
        registry = Registry(metafunc.config.getoption("--plugin"))
        # for the module: all tests of a data set follow each other, so that it is read once
        metafunc.parametrize(
            "dataset_class", list(registry.datasets.values()), ids=list(registry.datasets), scope="module"
        )


@pytest.fixture(scope="module")
def loaded():
    """Data sets that were read, which some take seconds for."""
    return {}


@pytest.fixture
def dataset(dataset_class, request, loaded):
    if dataset_class in loaded:
        return loaded[dataset_class]
    found = dataset_class(data_folder())
    if found.missing():
        request.getfixturevalue("real_data")
        found = dataset_class(data_folder())
    if missing := found.missing():
        pytest.skip(f"not here: {missing}")
    loaded.clear()  # one at a time, for the memory
    return loaded.setdefault(dataset_class, found)


def test_points_and_labels(dataset):
    spec = data_spec(dataset)
    assert spec.n == len(dataset.x(dataset.splits[0]))
    check_values(copy.copy(dataset))  # which gives bytes of 0 and 1 as 0 and 255 from then on
    assert all(dataset.x(split).flags.c_contiguous for split in dataset.splits)
    labels = [y for split in dataset.splits if (y := dataset.y(split)) is not None]
    if dataset.n_classes is None:
        assert not labels
        return
    y = np.concatenate(labels)
    assert np.unique(y[y != -1]).tolist() == list(range(dataset.n_classes)), "n_classes, and the labels there"
    # own data may have rare classes, those of the papers have none
    if type(dataset).__module__.startswith("benchmark."):
        for part in labels:
            assert np.bincount(part).min() > len(part) / dataset.n_classes / 10


def test_reading_twice_gives_the_same(dataset, dataset_class):
    parts = {f"{split}.{part}" for split in dataset.splits for part in "xy"}
    if parts <= set(dataset.digests):  # the next test compares it with what was read elsewhere
        pytest.skip("its digests are stated")
    assert dataset_digest(dataset) == dataset_digest(dataset_class(dataset.folder))


def test_stated_digests_are_those_of_the_arrays(dataset):
    for key, digest in dataset.digests.items():
        split, part = key.split(".")
        assert array_digest(dataset.x(split) if part == "x" else dataset.y(split)) == digest


def test_it_says_what_it_is(dataset_class):
    assert dataset_class.__doc__
    assert dataset_class.title
    assert dataset_class.source
    assert dataset_class.licence
    assert dataset_class.preprocessing


def test_absent_files_are_named_with_what_to_do(dataset_class, tmp_path):
    dataset = dataset_class(tmp_path)
    missing = dataset.missing()
    if missing is None:  # bundled, or made here
        assert not list(tmp_path.iterdir())
        return
    assert str(tmp_path) in missing
    assert "data fetch" in missing or "https://" in missing or "make it" in missing
    with pytest.raises(UserError, match="is not complete in"):
        dataset.x(dataset.splits[0])


def test_without_a_network(dataset_class, tmp_path, monkeypatch):
    monkeypatch.setenv("DGCBENCH_OFFLINE", "1")
    dataset = dataset_class(tmp_path)
    if dataset.missing() is None:
        pytest.skip("nothing to download")
    with pytest.raises(
        UserError, match=r"could not be downloaded; put it into|can't be downloaded automatically"
    ):
        dataset.fetch()
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_settings_are_for_data_sets_that_exist(request):
    registry = Registry(request.config.getoption("--plugin"))
    known = {*registry.datasets, "image", "vector", "*"}
    for name, model in registry.models.items():
        for table in layers(model).values():
            assert set(table) <= known, f"{name} has settings for {set(table) - known}"
