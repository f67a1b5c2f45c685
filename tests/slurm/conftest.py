"""A real SLURM cluster of one node for the tests of this folder: `pytest -m slurm tests/slurm`."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import slurm_cluster

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def cluster():
    if reason := slurm_cluster.why_not():
        pytest.skip(reason)
    pytest.importorskip("submitit")
    with (
        tempfile.TemporaryDirectory(prefix="dgc-slurm-") as folder,
        slurm_cluster.running(Path(folder)) as running,
    ):
        yield running


@pytest.fixture
def bench(cluster):
    """Runs `python -m benchmark ...` on the cluster."""

    def bench(*arguments, check=0, prefix=()):
        command = [*prefix, sys.executable, "-m", "benchmark", *map(str, arguments)]
        env = {**cluster.env, "DGCBENCH_DATA": os.environ["DGCBENCH_DATA"], "DGCBENCH_SLURM_POLL": "1"}
        found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, env=env)
        assert found.returncode == check, found.stdout + found.stderr
        return found

    return bench
