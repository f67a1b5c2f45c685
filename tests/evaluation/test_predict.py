"""New points, assigned by runs that have ended, without the data of these."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from benchmark.errors import UserError
from benchmark.evaluation.predict import predict
from benchmark.reading import DEFAULT, Reading
from benchmark.records.load import load_run
from benchmark.registry import Registry
from benchmark.running.execute import execute
from benchmark.running.plan import Request, plan


def make_run(data, results, model="kmeans", reading=DEFAULT, clusters=3, budget="quick", plugins=()):
    request = Request(str(data), (model,), 1, budget, reading=reading, clusters=clusters, plugins=plugins)
    (run,) = plan(request).runs
    folder = run.folder(results)
    run.write(folder)
    record = execute(run, folder, lambda *_: None, lambda: False)
    assert record["status"] == "ok", record.get("error")
    return folder


def written(folder):
    """Names, clusters and probabilities of a run's own points."""
    frame = pd.read_csv(folder / "assignments.csv")
    return frame["name"].astype(str).tolist(), frame["cluster"].tolist(), frame["probability"].tolist()


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder of 60 digits of 8 x 8 pixels."""
    folder = tmp_path_factory.mktemp("images") / "digits"
    folder.mkdir()
    for i, image in enumerate(load_digits().images[:60]):
        Image.fromarray((image * 255 / 16).astype(np.uint8)).save(folder / f"{i:02d}.png")
    return folder


FAST = ("kmeans", "agglomerative")
OTHERS = [
    pytest.param(name, marks=pytest.mark.slow) for name in sorted(Registry().models) if name not in FAST
]


@pytest.mark.parametrize("model", [*FAST, *OTHERS])
def test_a_run_assigns_its_own_images_as_it_did_though_they_are_gone(images, tmp_path, model):
    moved = shutil.copytree(images, tmp_path / "there")
    folder = make_run(moved, tmp_path, model, budget="smoke")
    shutil.rmtree(moved)
    found = predict(load_run(folder), images)
    names, clusters, probabilities = written(folder)
    assert list(found.names) == names
    assert found.clusters.tolist() == clusters
    np.testing.assert_allclose(found.probabilities, probabilities, rtol=1e-4)


def test_size_and_colour_are_those_of_the_run(images, tmp_path):
    folder = make_run(images, tmp_path, reading=Reading(size=6, colour="rgb"))
    new = tmp_path / "new"
    new.mkdir()
    for i in range(5):  # of another size than the run's files
        with Image.open(images / f"{i:02d}.png") as image:
            image.resize((16, 16), Image.Resampling.NEAREST).save(new / f"{i:02d}.png")
    run = load_run(folder)
    assert run.spec().shape == (3, 6, 6)
    assert predict(run, new).clusters.tolist() == written(folder)[1][:5]
    x = np.stack(
        [np.asarray(Image.open(images / f"{i:02d}.png").convert("RGB").resize((6, 6))) for i in (0, 1)]
    )
    np.save(tmp_path / "new.npy", x)
    assert predict(run, tmp_path / "new.npy").names == ("0", "1")


def test_images_of_a_folder_get_the_size_of_a_run_on_an_array(images, tmp_path):
    x = np.stack([np.asarray(Image.open(path)) for path in sorted(images.iterdir())])
    np.savez(tmp_path / "own.npz", X=x)
    run = load_run(make_run(tmp_path / "own.npz", tmp_path))
    new = tmp_path / "new"
    new.mkdir()
    for i, scale in enumerate((1, 2, 3)):
        Image.fromarray(x[i].repeat(scale, 0).repeat(scale, 1)).save(new / f"{i}.png")
    assert predict(run, new).clusters.tolist() == predict(run, tmp_path / "own.npz").clusters[:3].tolist()


def test_rows_of_a_table_are_standardised_as_the_run_has_it_and_found_by_their_headings(tmp_path):
    rng = np.random.default_rng(0)
    kinds = np.arange(90) % 3
    frame = pd.DataFrame(
        rng.normal(size=(90, 2)) + kinds[:, None] * [20, 0], columns=["length", "width"]
    ).assign(kind=kinds.astype(str), id=[f"p{i}" for i in range(90)])
    frame.to_csv(tmp_path / "own.csv", index=False)
    folder = make_run(tmp_path / "own.csv", tmp_path, reading=Reading(labels="kind", names="id"))
    part = frame.iloc[40:60]  # whose own mean and scale are others
    part[["width", "id", "length"]].to_csv(tmp_path / "new.csv", index=False)
    found = predict(load_run(folder), tmp_path / "new.csv")
    names, clusters, _ = written(folder)
    assert (list(found.names), found.clusters.tolist()) == (names[40:60], clusters[40:60])
    part[["length", "width"]].to_csv(tmp_path / "new.csv", index=False)
    assert predict(load_run(folder), tmp_path / "new.csv").names == tuple(map(str, range(20)))
    np.save(tmp_path / "new.npy", part[["length", "width"]].to_numpy())
    assert predict(load_run(folder), tmp_path / "new.npy").clusters.tolist() == clusters[40:60]
    with pytest.raises(UserError, match=r"is a folder, expected a file: .* vectors of shape \(2,\)"):
        predict(load_run(folder), tmp_path)
    part[["id", "width"]].to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(UserError, match="has no column length, which the run was trained on"):
        predict(load_run(folder), tmp_path / "new.csv")


def test_points_of_another_shape_are_refused(images, tmp_path):
    run = load_run(make_run(images, tmp_path))
    for x, kind in (
        (np.zeros((4, 9, 9), np.uint8), r"images of shape \(1, 9, 9\)"),
        (np.zeros((4, 8, 8, 3), np.uint8), r"images of shape \(3, 8, 8\)"),
        (np.zeros((4, 64)), r"vectors of shape \(64,\)"),
    ):
        np.save(tmp_path / "new.npy", x)
        with pytest.raises(
            UserError, match=kind + r", but the run was trained on images of shape \(1, 8, 8\)"
        ):
            predict(run, tmp_path / "new.npy")


PLUGIN = """
import torch
from benchmark.api import ClusteringModel, ModelConfig
from benchmark.errors import Unsupported

class Bound(ClusteringModel):
    \"\"\"Knows the points that it was fitted on, and no others.\"\"\"
    name = "bound"
    Config = ModelConfig

    def stages(self, x):
        return ()

    def log_assign(self, x):
        if len(x) != self.data.n:
            raise Unsupported("the clusters are those of a list")
        return torch.zeros(len(x), self.config.n_clusters).log_softmax(dim=1)
"""


def test_a_model_that_can_not_assign_new_points_says_so(images, tmp_path):
    (tmp_path / "bound.py").write_text(PLUGIN)
    folder = make_run(images, tmp_path, "bound", plugins=(str(tmp_path / "bound.py"),))
    np.save(tmp_path / "new.npy", np.zeros((4, 8, 8), np.uint8))
    with pytest.raises(
        UserError, match="bound can't assign points that it was not fitted on: the clusters are"
    ):
        predict(load_run(folder), tmp_path / "new.npy")


def test_a_run_of_a_later_version_is_refused(images, tmp_path):
    folder = make_run(images, tmp_path)
    values = json.loads((folder / "run.json").read_text())
    values["reading"]["rotated"] = 90
    (folder / "run.json").write_text(json.dumps(values))
    with pytest.raises(UserError, match=r"run\.json has rotated, which this version .* update dgcbench"):
        load_run(folder)
    del values["reading"]
    (folder / "run.json").write_text(json.dumps({**values, "standardise": False}))
    assert load_run(folder).run.reading == Reading(standardise=False)  # as earlier versions have written it
