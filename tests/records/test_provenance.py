"""Where a number came from."""

import platform
import subprocess

import pytest
import torch

import benchmark
from benchmark.records import provenance


def test_the_machine_and_the_versions_are_named():
    found = provenance.describe_machine("cpu")
    assert found["packages"]["torch"] == torch.__version__
    assert (found["dgcbench"], found["python"]) == (benchmark.__version__, platform.python_version())
    assert found["threads"] == torch.get_num_threads()
    assert found["cores"] >= 1
    assert "gpu" not in found


def test_the_commit_is_that_of_the_checkout_and_of_no_other_repository(monkeypatch, tmp_path):
    if not (provenance.ROOT / ".git").exists():
        pytest.skip("not a checkout")
    head = subprocess.run(
        ["git", "-C", str(provenance.ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    )
    assert provenance.describe_machine("cpu")["commit"] == head.stdout.strip()
    monkeypatch.setattr(provenance, "ROOT", tmp_path)  # as for an installed wheel
    assert provenance.describe_machine("cpu")["commit"] is None
