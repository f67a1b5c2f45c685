"""The node's side of `slurm_queue.probe`: python -m benchmark.running.executors.slurm_probe TOKEN DEVICE
[DATA].
"""

import platform
import sys
from pathlib import Path

from benchmark.errors import UserError


def answer(token: Path, device: str, data: Path | None) -> None:
    """Answer, if this node can run what is asked for."""
    node = platform.node()
    if not token.exists():
        raise UserError(
            f"node {node} does not see the results folder {token.parent.parent}; choose a shared one with"
            " --results"
        )
    if data is not None and not data.is_dir():
        raise UserError(f"node {node} does not see the data folder {data}; set DGCBENCH_DATA to a shared one")
    if device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise UserError(
                f"torch finds no CUDA device on node {node}; ask for one with --slurm gpus=1, or use"
                " --device cpu"
            )
    token.with_suffix(".seen").touch()


if __name__ == "__main__":
    token, device, *data = sys.argv[1:]
    try:
        answer(Path(token), device, Path(data[0]) if data else None)
    except UserError as error:
        sys.exit(f"error: {error}")
