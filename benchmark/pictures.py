"""Pictures of one run, drawn into its folder: losses over training, samples and reconstructions of image models."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import torch
from matplotlib.figure import Figure
from torch import Tensor

from benchmark.api import ClusteringModel
from benchmark.seeding import start

SAMPLES_PER_CLUSTER = 10
STYLE: Any = {"font.size": 8, "axes.spines.top": False, "axes.spines.right": False, "savefig.dpi": 120}
NO_VERSION = {"Software": None}  # so that equal runs give equal files


def draw_run(folder: Path, model: ClusteringModel, x: Tensor, curves: list[dict[str, Any]], seed: int) -> None:
    """curves.png; samples.png (one row per cluster) where the model can sample images; the model's own pictures."""
    start(seed, "eval")
    with mpl.rc_context(STYLE), torch.no_grad():
        if curves:
            draw_curves(folder / "curves.png", curves)
        if "sample" in model.abilities() and model.data.kind == "image":
            k = model.config.n_clusters
            rows = [model.sample(SAMPLES_PER_CLUSTER, cluster=i) for i in range(k)]
            image_sheet(rows, [f"{i}" for i in range(k)]).savefig(folder / "samples.png", metadata=NO_VERSION)
        for name, figure in model.draw(x).items():
            figure.savefig(folder / f"{name}.png", metadata=NO_VERSION)


def draw_curves(path: Path, curves: list[dict[str, Any]]) -> None:
    """One row per stage, one panel per loss: losses differ in scale, and a small one may be the telling one."""
    stages = {stage: [row for row in curves if row["stage"] == stage] for stage in dict.fromkeys(row["stage"] for row in curves)}
    losses = {stage: [name for name in rows[0] if name not in ("stage", "step")] for stage, rows in stages.items()}
    columns = max(len(names) for names in losses.values())
    figure = Figure(figsize=(2.2 * columns, 1.9 * len(stages)), layout="constrained")
    for row_of_axes, (stage, rows) in zip(figure.subplots(len(stages), columns, squeeze=False), stages.items(), strict=True):
        for axes, name in zip(row_of_axes, losses[stage], strict=False):
            axes.plot([row["step"] for row in rows], [row[name] for row in rows], linewidth=1)
            axes.set(title=f"{stage}: {name}", xlabel="step")
        for axes in row_of_axes[len(losses[stage]) :]:
            axes.set_axis_off()
    figure.savefig(path, metadata=NO_VERSION)


def image_sheet(rows: Sequence[Tensor], names: Sequence[str]) -> Figure:
    """Images (C, H, W) in [0, 1], one row per tensor (n, C, H, W), each row with its name."""
    columns = max(len(row) for row in rows)
    figure = Figure(figsize=(0.5 * columns + 0.4, 0.5 * len(rows)), layout="constrained")
    for all_axes, row, name in zip(figure.subplots(len(rows), columns, squeeze=False), rows, names, strict=True):
        for axes in all_axes:
            axes.set_axis_off()
        for axes, image in zip(all_axes, row.cpu().clamp(0, 1).permute(0, 2, 3, 1).squeeze(-1).numpy(), strict=False):
            axes.imshow(image, cmap="gray", vmin=0, vmax=1)
        all_axes[0].text(-0.3, 0.5, name, transform=all_axes[0].transAxes, ha="right", va="center")
    return figure
