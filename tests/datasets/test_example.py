"""The data sets that docs/adding-a-dataset.md adds, as it shows them."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmark.errors import UserError
from benchmark.registry import Registry

ROOT = Path(__file__).resolve().parent.parent.parent
RINGS, LETTERS = re.findall(
    r"```python\n(.*?)```", (ROOT / "docs" / "adding-a-dataset.md").read_text(), re.DOTALL
)


def test_the_example_passes_the_conformance_tests_and_runs(tmp_path, cli):
    plugin = tmp_path / "rings.py"
    plugin.write_text(RINGS)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "tests/datasets/test_conformance.py",
        "--plugin",
        plugin,
        "-k",
        "rings",
    ]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert "5 passed" in found.stdout, found.stdout
    found = cli(
        "run",
        "--plugin",
        plugin,
        "--dataset",
        "rings",
        "--models",
        "kmeans",
        "--seeds",
        1,
        "--results",
        tmp_path,
    )
    assert found.returncode == 0, found.stderr
    assert "Two rings" in found.stdout


def test_the_example_with_files(tmp_path):
    plugin = tmp_path / "letters.py"
    plugin.write_text(LETTERS.replace('"sha256:..."', "None"))
    letters = Registry([str(plugin)]).dataset("letters", tmp_path)
    assert "letters.csv; `python -m benchmark data fetch letters` downloads" in letters.missing()
    assert "https://first.example" in letters.missing()
    with pytest.raises(UserError, match="is not complete"):
        letters.x("train")
    (tmp_path / "letters").mkdir()
    rng = np.random.default_rng(0)
    table = np.concatenate([rng.integers(0, 16, (16_004, 16)), rng.integers(0, 26, (16_004, 1))], axis=1)
    np.savetxt(tmp_path / "letters" / "letters.csv", table, fmt="%d", delimiter=",")
    np.testing.assert_allclose(letters.x("test"), table[16_000:, :16] / 15, rtol=1e-6)
    assert letters.y("train").tolist() == table[:16_000, 16].tolist()
