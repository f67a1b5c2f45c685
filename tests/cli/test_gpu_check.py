"""`gpu-check` without a GPU: what it says, its parts, and that the page has whatever ended."""

import json
from dataclasses import asdict

import pytest

from benchmark.cli import gpu_check
from benchmark.cli.parser import main
from benchmark.running.parts import Ended, Part
from benchmark.running.timing import FORMS, Timing

EAGER = Timing("train", 100, 1000, "eager", 0.01)


def shell(kind, model, script):
    return Part(kind, model, 1, lambda _: [["sh", "-c", script]])


def test_without_cuda_it_says_so_and_writes_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    path = tmp_path / "check.md"
    assert main(["gpu-check", "--out", str(path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: there is no CUDA device for torch")
    assert "--device cpu" in error
    assert len(error.splitlines()) == 1
    assert not path.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--models", "vada"], "unknown model 'vada'; did you mean vade"),
        (["--models", "kmeans"], "kmeans has no training steps"),
        (["--models", "vade", "--out", "/nowhere/check.md"], "/nowhere/check.md can't be written"),
    ],
)
def test_mistakes_get_a_message(arguments, message, capsys):
    assert main(["gpu-check", "--device", "cpu", *arguments]) == 1
    assert message in capsys.readouterr().err


def test_a_part_that_fails_is_reported_and_the_others_are_made(tmp_path, capsys, monkeypatch):
    line = json.dumps(asdict(EAGER))
    parts = [
        shell("tests", "", "echo '== 4 passed in 1s =='"),
        shell("alone", "good", f"echo '{line}'; echo '{line}'"),
        shell(
            "alone",
            "bad",
            f"echo '{line}'; echo 'Traceback' >&2; echo 'RuntimeError: CUDA error' >&2; exit 1",
        ),
        shell("together", "good", f"echo '{line}'"),
    ]
    monkeypatch.setattr(gpu_check, "timed_models", lambda names, form: ["good", "bad"])
    monkeypatch.setattr(gpu_check, "plan_parts", lambda *_: parts)
    path = tmp_path / "check.md"
    assert main(["gpu-check", "--device", "cpu", "--out", str(path)]) == 2
    out, page = capsys.readouterr().out, path.read_text()
    assert "4 passed in 1s" in out
    assert "train 10 ms eager, no graph (not measured); FAILED: RuntimeError: CUDA error" in out
    assert "| RuntimeError: CUDA error |" in page
    assert "## Log of bad alone" in page
    assert "Traceback" in page
    assert "| good together |" in page


def test_the_parts_are_the_tests_and_every_model_alone_and_with_all_seeds(tmp_path):
    parts = gpu_check.plan_parts("cuda", FORMS["cuda"], ["a", "b"])
    assert [part.name for part in parts] == ["tests", "a alone", "b alone", "a together", "b together"]
    commands = [part.commands(tmp_path) for part in parts]
    assert commands[0][0][-3:] == ["-m", "gpu", "tests"]
    assert [len(c) for c in commands] == [1, 1, 1, 5, 5]
    tasks = [json.loads(command[-1]) for command in commands[-1]]
    assert [task["seed"] for task in tasks] == [0, 1, 2, 3, 4]
    assert {(task["model"], task["together"]) for task in tasks} == {("b", str(tmp_path))}


def test_every_deep_model_is_timed_by_default():
    found = set(gpu_check.timed_models((), FORMS["cpu"]))
    assert found >= {"vade", "mpcc", "clustergan", "gmvae", "kvaes", "ae_kmeans"}
    assert not found & {"kmeans", "gmm", "nmf", "agglomerative"}


@pytest.mark.parametrize(
    ("code", "output", "failure"),
    [
        (0, "a PASSED\n== 3 passed in 2s ==", ""),
        (1, "a FAILED\n== 1 failed, 2 passed in 2s ==", "1 failed, 2 passed in 2s"),
        (None, "a PASSED\nb", "ended after the 80 s that it had"),
    ],
)
def test_how_the_tests_ended(code, output, failure):
    done = gpu_check.read_part(Part("tests", "", 1, lambda _: []), 80, 80, [Ended(code, output, "")])
    assert done.failure == failure
    assert done.log == output.splitlines()


def test_what_a_model_prints_itself_is_passed_over():
    output = f'epoch 1\n{json.dumps(asdict(EAGER))}\n{{"item": "cut o'
    done = gpu_check.read_part(Part("alone", "a", 1, lambda _: []), 9, 9, [Ended(None, output, "")])
    assert done.timings == [EAGER]


@pytest.mark.slow
def test_the_small_form_on_a_cpu(cli, tmp_path):
    path = tmp_path / "check.md"
    found = cli("gpu-check", "--device", "cpu", "--models", "gmvae", "--out", path, timeout=600)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "no CUDA" in path.read_text()
