"""The classifier of FID-clf: the weights that come with the suite, training, and damaged files."""

import numpy as np
import pytest
import torch

from benchmark.data import dataset_digest
from benchmark.errors import UserError
from benchmark.evaluation.fid import classifier
from benchmark.evaluation.fid.measure import train_classifier
from benchmark.evaluation.fid.real import labelled_images
from benchmark.evaluation.fid.weights import parameter_digest
from benchmark.registry import Registry

SHIPPED = {path.stem: path for path in classifier.SHIPPED.glob("*.npz")}
ACCURACY = {"mnist": 0.99, "fashion_mnist": 0.90, "digits": 0.95}  # at least


def stripes(n, seed=0):
    """Two classes of 6x6 images: stripes across and down, with noise."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n)
    across = np.tile([[0], [200]], (n, 3, 6))
    x = np.where(y[:, None, None] == 0, across, across.transpose(0, 2, 1)) + rng.integers(50, size=(n, 6, 6))
    return torch.from_numpy(x.astype(np.uint8)[:, None]), np.array(["across", "down"])[y]


def test_what_comes_with_the_suite_is_small_and_states_its_accuracy():
    assert set(SHIPPED) == set(ACCURACY)
    for name, path in SHIPPED.items():
        trained = classifier.read(path)
        assert path.stat().st_size < 2**20
        assert trained.info["accuracy"] >= ACCURACY[name]
        assert trained.info["version"] == classifier.CLASSIFIER_VERSION
        assert trained.info["digest"] == parameter_digest(trained.parameters)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_stated_accuracy_is_true_and_the_weights_belong_to_the_data(name, request, tmp_path):
    if name != "digits":
        tmp_path = request.getfixturevalue("real_data")
    dataset = Registry().dataset(name, tmp_path)
    trained = classifier.find(tmp_path, name, dataset_digest(dataset))
    assert trained is not None
    if name == "digits":
        held_out = classifier.hold_out(len(dataset.y("all")))[1]
        x, y = (
            torch.from_numpy((dataset.x("all")[held_out] * 255).round().astype(np.uint8)),
            dataset.y("all")[held_out],
        )
    else:
        x, y = torch.from_numpy(dataset.x("test")), dataset.y("test")
    network = trained.extractor(torch.device("cpu")).network
    with torch.inference_mode():
        labels = torch.cat([network.logits(part).argmax(dim=1) for part in x.split(500)]).numpy()
    assert (labels == y).mean() == pytest.approx(trained.info["accuracy"], abs=2 / len(y))


def test_training_learns_and_is_repeatable_and_leaves_the_random_state_alone():
    x, y = stripes(130)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, second = (classifier.train(x, y, *stripes(100, seed=1), data="d") for _ in range(2))
    assert torch.rand(1) == expected
    assert first.info["accuracy"] == 1.0
    assert first.info["held_out"] == 100
    assert first.info["digest"] == second.info["digest"]


def test_features_do_not_depend_on_the_batch(tmp_path):
    trained = classifier.read(SHIPPED["digits"])
    x = torch.from_numpy(np.random.default_rng(0).integers(256, size=(300, 1, 8, 8)).astype(np.uint8))
    ex = trained.extractor(torch.device("cpu"))
    assert ex(x).shape == (300, classifier.FEATURES)
    torch.testing.assert_close(ex(x)[:7], ex(x[:7]), rtol=1e-4, atol=1e-4)


def test_saved_and_found_again_for_the_same_data_only(tmp_path):
    x, y = stripes(60)
    trained = classifier.train(x, y, x, y, data="0123")
    trained.save(classifier.trained_locally_path(tmp_path, "0123"))
    found = classifier.find(tmp_path, "own", "0123")
    assert found.info == trained.info
    assert all(np.array_equal(found.parameters[name], values) for name, values in trained.parameters.items())
    assert classifier.find(tmp_path, "own", "4567") is None
    assert classifier.find(tmp_path, "mnist", "4567") is None  # of that name, but other data


@pytest.mark.parametrize("damage", ["truncated", "changed", "text"])
def test_a_damaged_file(tmp_path, damage):
    path = tmp_path / "c.npz"
    trained = classifier.read(SHIPPED["digits"])
    if damage == "changed":
        trained.parameters["head.bias"][0] += 1
    trained.save(path)
    if damage != "changed":
        path.write_bytes({"truncated": path.read_bytes()[:-500], "text": b"hello"}[damage])
    with pytest.raises(UserError, match=f"{path} can't be read as a classifier"):
        classifier.read(path)


def test_held_out_points():
    train, test = classifier.hold_out(100)
    assert len(test) == 17
    assert sorted([*train, *test]) == list(range(100))


def test_a_damaged_file_is_made_again(tmp_path):
    path = classifier.trained_locally_path(tmp_path, "0123")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"nothing")
    assert classifier.find(tmp_path, "own", "0123") is None
    x, y = stripes(200)
    classifier.train(x, y, x, y, "0123").save(path)
    assert classifier.find(tmp_path, "own", "0123").info["data"] == "0123"


def test_images_without_a_label_do_not_train_the_classifier(tmp_path):
    x, y = stripes(130)
    known = np.arange(130) >= 50
    both = {"all": np.where(known, y, ""), "known": y[known]}
    found = []
    for name, labels in both.items():
        np.savez(tmp_path / f"{name}.npz", X=x[known] if name == "known" else x, y=labels)
        dataset = Registry().dataset(str(tmp_path / f"{name}.npz"), tmp_path)
        found.append(train_classifier(dataset, "", torch.device("cpu")).info)
    assert found[0]["classes"] == 2
    assert found[0] == found[1]


def test_it_is_trained_on_the_training_split_and_measured_on_the_other():
    """Test labels are for its accuracy alone: here they are all wrong."""

    class Divided:
        splits = ("train", "test", "validation")
        shape = (1, 6, 6)

        def x(self, split):
            return stripes(*{"train": (260, 0), "test": (40, 1), "validation": (10, 2)}[split])[0].numpy()

        def y(self, split):
            y = stripes(*{"train": (260, 0), "test": (40, 1), "validation": (10, 2)}[split])[1]
            return y if split == "train" else np.where(y == "across", "down", "across")

    info = train_classifier(Divided(), "", torch.device("cpu")).info
    assert (info["held_out"], info["accuracy"]) == (40, 0.0)


def test_the_ceiling_has_a_gaussian_per_class_of_the_labelled_images(tmp_path):
    x, y = stripes(130)
    np.savez(tmp_path / "own.npz", X=x, y=np.where(np.arange(130) >= 50, y, ""))
    images, labels = labelled_images(Registry().dataset(str(tmp_path / "own.npz"), tmp_path), "all")
    assert torch.equal(images, x[50:])
    np.testing.assert_array_equal(labels, y[50:])
