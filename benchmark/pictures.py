"""Pictures of one run, drawn into its folder as PNG and PDF: losses, samples and reconstructions of image models."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from benchmark.api import ClusteringModel, as_float
from benchmark.seeding import start

SAMPLES_PER_CLUSTER = 10
STYLE: Any = {"font.size": 8, "axes.spines.top": False, "axes.spines.right": False, "savefig.dpi": 120}
RECONSTRUCTIONS = 10
# Without versions and dates, so that equal runs give equal files.
NO_VERSION: Any = {"png": {"Software": None}, "pdf": {"Creator": None, "Producer": None, "CreationDate": None}}


def draw_run(folder: Path, model: ClusteringModel, x: Tensor, curves: list[dict[str, Any]], seed: int) -> None:
    """curves; samples (one row per cluster) and reconstructions where the model can; the model's own pictures."""
    start(seed, "eval")
    with mpl.rc_context(STYLE), torch.no_grad():
        if curves:
            draw_curves(folder / "curves", curves)
        if "sample" in model.abilities() and model.data.kind == "image":
            k = model.config.n_clusters
            rows = [model.sample(SAMPLES_PER_CLUSTER, cluster=i) for i in range(k)]
            save(image_sheet(rows, [f"{i}" for i in range(k)]), folder / "samples")
        if "reconstruct" in model.abilities() and model.data.kind == "image":
            points = as_float(x[torch.linspace(0, len(x) - 1, 2 * RECONSTRUCTIONS).long()])
            pairs = [points, model.reconstruct(points)]
            halves = [rows[i : i + RECONSTRUCTIONS] for i in (0, RECONSTRUCTIONS) for rows in pairs]
            save(image_sheet(halves, ["data", "model"] * 2), folder / "reconstructions")
        for name, figure in model.draw(x).items():
            save(figure, folder / name)


def save(figure: Figure, path: Path) -> None:
    """Write path.png and path.pdf."""
    for ending, metadata in NO_VERSION.items():
        figure.savefig(path.with_name(f"{path.name}.{ending}"), metadata=metadata)


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
    save(figure, path)


def image_sheet(rows: Sequence[Tensor], names: Sequence[str]) -> Figure:
    """Images (C, H, W) in [0, 1], one row per tensor (n, C, H, W), each row with its name.

    One picture of all of them: an axes for each would take minutes for a hundred rows.
    """
    columns = max(len(row) for row in rows)
    _, height, width = rows[0].shape[1:]
    gap = -(-max(height, width) // 6)  # pixels between images
    sheet = np.ones((len(rows) * (height + gap) - gap, columns * (width + gap) - gap, 3))
    for i, row in enumerate(rows):
        for j, image in enumerate(row.cpu().clamp(0, 1).permute(0, 2, 3, 1).numpy()):
            top, left = i * (height + gap), j * (width + gap)
            sheet[top : top + height, left : left + width] = image
    figure = Figure(figsize=(0.5 * columns + 0.4, 0.5 * len(rows)), layout="constrained")
    axes = figure.subplots()
    axes.imshow(sheet, interpolation="nearest")
    axes.set(xticks=[], frame_on=False)
    axes.set_yticks([i * (height + gap) + (height - 1) / 2 for i in range(len(rows))], names)
    axes.tick_params(length=0)
    return figure
