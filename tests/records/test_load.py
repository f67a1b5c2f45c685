"""A trained model comes back from its run's folder, and what is missing there is named."""

import json
import shutil

import numpy as np
import pytest
import torch

from benchmark.api import as_float
from benchmark.errors import UserError
from benchmark.records.load import load_run
from benchmark.running.execute import execute
from benchmark.running.plan import Request, plan


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    (run,) = plan(Request("digits", ("gmvae",), seeds=1, budget="smoke")).runs
    folder = run.folder(tmp_path_factory.mktemp("results"))
    run.write(folder)
    assert execute(run, folder, lambda *_: None, lambda: False)["status"] == "ok"
    return folder


@pytest.fixture
def folder(trained, tmp_path):
    """A copy for this test alone."""
    return shutil.copytree(trained, tmp_path / "seed-0")


def test_the_model_assigns_as_it_did(folder):
    run = load_run(folder)
    model = run.model()
    x = as_float(torch.from_numpy(run.data.dataset.x("all")))
    with torch.inference_mode():
        clusters = model.log_assign(x).argmax(dim=1)
        assert model.sample(3, cluster=2).shape == (3, 1, 8, 8)
    lines = (folder / "assignments.csv").read_text().splitlines()
    column = lines[0].split(",").index("cluster")
    assert clusters.tolist() == [int(line.split(",")[column]) for line in lines[1:]]
    assert not model.training


def test_what_is_missing_is_named(folder, tmp_path):
    with pytest.raises(UserError, match="holds no run that ended well"):
        load_run(tmp_path)
    (folder / "model.pt").unlink()
    with pytest.raises(UserError, match=r"has no model\.pt, so its model can't be loaded"):
        load_run(folder)
    (folder / "run.json").unlink()
    with pytest.raises(UserError, match=r"has no run\.json and no model\.pt"):
        load_run(folder)


def test_a_damaged_model_is_named(folder):
    path = folder / "model.pt"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"model\.pt can't be loaded: .*; delete record\.json beside it"):
        load_run(folder).model()


def edit(path, change):
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def test_another_source_is_refused(folder):
    edit(folder / "record.json", lambda record: record["key"].update(source="of another day"))
    with pytest.raises(UserError, match="source of gmvae has changed since this run"):
        load_run(folder).model()


def test_other_data_are_refused_and_the_model_does_without(folder):
    edit(folder / "record.json", lambda record: record["key"].update(data="of another day"))
    saved = load_run(folder)
    assert saved.model().data.shape == (1, 8, 8)
    with pytest.raises(UserError, match="data of digits have changed"):
        _ = saved.data


def test_a_model_comes_back_where_its_data_are_not(folder, tmp_path):
    """Also what it was told of them is as it was in training."""
    expected = load_run(folder).model()
    edit(folder / "run.json", lambda run: run.update(dataset=str(tmp_path / "gone.npz")))
    saved = load_run(folder)
    assert saved.model().data == expected.data
    with pytest.raises(UserError, match=r"gone\.npz, which is not there; say where they are now"):
        _ = saved.data


def test_a_run_of_an_older_version_takes_what_it_was_told_from_its_data(folder):
    expected = load_run(folder).model()
    edit(folder / "run.json", lambda run: run.pop("spec"))
    assert load_run(folder).model().data == expected.data


def test_of_several_own_files_the_one_of_the_same_name_counts(folder, tmp_path):
    edit(folder / "run.json", lambda run: run.update(dataset="/gone/own.npz"))
    files = [tmp_path / "other.npz", tmp_path / "own.npz"]
    assert load_run(folder, data=files).file == files[1]
    assert load_run(folder, data=files[:1]).file == files[0]
    assert load_run(folder, data=[files[0], files[0]]).file is None


def test_new_raw_vectors_are_treated_like_the_old_ones(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal([5, 1000, -3], [1, 300, 0.01], size=(90, 3)) + (np.arange(90) % 3)[:, None] * [9, 0, 0.1]
    np.savez(tmp_path / "own.npz", X=x)
    (run,) = plan(Request(str(tmp_path / "own.npz"), ("kmeans",), seeds=1, clusters=3)).runs
    folder = run.folder(tmp_path)
    run.write(folder)
    assert execute(run, folder, lambda *_: None, lambda: False)["data"]["preprocessing"].startswith("every")
    saved = load_run(folder)
    torch.testing.assert_close(saved.prepare(x).cpu(), torch.from_numpy(saved.data.dataset.x("all")))
    clusters = saved.model().log_assign(saved.prepare(x[:9])).argmax(dim=1)
    assert len(clusters.unique()) == 3
    lines = (folder / "assignments.csv").read_text().splitlines()[1:10]
    assert [int(line.split(",")[2]) for line in lines] == clusters.tolist()
    with pytest.raises(UserError, match=r"of shape \(2,\), but .* on vectors of shape \(3,\)"):
        saved.prepare(x[:9, :2])


@pytest.mark.parametrize("scale", [1, 255])
def test_new_raw_images_are_treated_like_the_old_ones(tmp_path, scale):
    x = np.random.default_rng(0).integers(2, size=(30, 4, 4)).astype(np.uint8) * scale
    np.savez(tmp_path / "own.npz", X=x)
    (run,) = plan(Request(str(tmp_path / "own.npz"), ("kmeans",), seeds=1, clusters=3)).runs
    folder = run.folder(tmp_path)
    run.write(folder)
    execute(run, folder, lambda *_: None, lambda: False)
    prepared = load_run(folder).prepare(x[:1])
    np.testing.assert_allclose(prepared.cpu().numpy(), x[:1, None] / np.float32(scale))
