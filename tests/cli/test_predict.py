"""Command `predict`: a table of clusters, or one sentence and nothing written."""

import json

import numpy as np
import pytest

from benchmark.cli.parser import main
from benchmark.running.execute import execute
from benchmark.running.plan import Request, plan


@pytest.fixture
def trained(tmp_path):
    """A run of k-means on vectors, whose data are gone."""
    x = np.random.default_rng(0).normal(size=(40, 3)) + 9 * (np.arange(40) % 2)[:, None]
    np.save(tmp_path / "own.npy", x)
    (run,) = plan(Request(str(tmp_path / "own.npy"), ("kmeans",), 1, clusters=2)).runs
    folder = run.folder(tmp_path)
    run.write(folder)
    execute(run, folder, lambda *_: None, lambda: False)
    (tmp_path / "own.npy").unlink()
    np.save(tmp_path / "new.npy", x[:6])
    return folder


def edit(path, change):
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def test_a_row_for_each_point(trained, tmp_path, capsys):
    out = tmp_path / "clusters.csv"
    assert main(["predict", str(trained), str(tmp_path / "new.npy"), "--out", str(out)]) == 0
    header, *rows = out.read_text().splitlines()
    assert header == "name,cluster,probability"
    a, b = rows[0].split(",")[1], rows[1].split(",")[1]
    assert rows == [f"{i},{(a, b)[i % 2]},1" for i in range(6)]
    assert a != b
    assert "6 points in 2 of 2 clusters" in capsys.readouterr().out


def other_source(folder):
    edit(folder / "record.json", lambda record: record["key"].update(source="of another day"))


def later_version(folder):
    edit(folder / "record.json", lambda record: record.update(schema=99))


def plugin_missing(folder):
    edit(
        folder / "run.json",
        lambda run: (run["key"].update(model="mine"), run.update(plugins=["/gone/mine.py"])),
    )


def no_model(folder):
    (folder / "model.pt").unlink()


def other_shape(folder):
    np.save(folder.parents[4] / "new.npy", np.zeros((6, 4)))


def no_data(folder):
    (folder.parents[4] / "new.npy").unlink()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (other_source, "the source of kmeans has changed since this run, so its model can't be loaded"),
        (later_version, "has schema 99, this version reads up to"),
        (plugin_missing, "was in /gone/mine.py, which is not there"),
        (no_model, "has no model.pt, so its model can't be loaded"),
        (other_shape, "vectors of shape (4,), but the run was trained on vectors of shape (3,)"),
        (no_data, "there is no file or folder"),
    ],
)
def test_what_can_not_be_done_is_one_sentence_and_nothing_is_written(
    trained, tmp_path, capsys, change, message
):
    change(trained)
    out = tmp_path / "clusters.csv"
    assert main(["predict", str(trained), str(tmp_path / "new.npy"), "--out", str(out)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not out.exists()


def test_the_points_themselves_and_folders_are_not_written_over(trained, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clusters.csv").write_text("1,2,3\n")
    assert main(["predict", str(trained), str(tmp_path / "clusters.csv")]) == 1
    assert "would be written over the points" in capsys.readouterr().err
    assert (tmp_path / "clusters.csv").read_text() == "1,2,3\n"
    assert main(["predict", str(trained), "new.npy", "--out", str(tmp_path)]) == 1
    assert f"is a folder, expected a file: --out {tmp_path / 'clusters.csv'}" in capsys.readouterr().err


def test_a_saved_estimator_is_no_run(tmp_path, capsys):
    (tmp_path / "vade.pt").touch()
    assert main(["predict", str(tmp_path / "vade.pt"), "new.npy"]) == 1
    assert "vade.pt is a file, expected the folder of a run" in capsys.readouterr().err


def test_a_folder_that_is_no_run_or_not_there(tmp_path, capsys):
    assert main(["predict", str(tmp_path), "new.npy", "--out", str(tmp_path / "c.csv")]) == 1
    assert "expected a folder RESULTS/runs/DATA/MODEL/DIGEST/seed-N" in capsys.readouterr().err
    assert main(["predict", str(tmp_path), "new.npy", "--out", str(tmp_path / "gone" / "c.csv")]) == 1
    assert "there is no folder" in capsys.readouterr().err
