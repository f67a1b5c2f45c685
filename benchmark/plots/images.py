"""Sheets of images."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from benchmark.plots.style import STYLE

CONTACTS = 20  # images per class in a contact sheet


def image_sheet(rows: Sequence[Any], names: Sequence[str]) -> Figure:
    """Images in [0, 1], one row per array or tensor (n, C, H, W), each row with its name.

    One picture of all of them: an axes for each would take minutes for a hundred rows.
    """
    columns = max(len(row) for row in rows)
    _, height, width = rows[0].shape[1:]
    gap = _gap(rows[0].shape[1:])
    sheet = np.ones((len(rows) * (height + gap) - gap, columns * (width + gap) - gap, 3))
    for i, row in enumerate(rows):
        for j, image in enumerate(_as_array(row).clip(0, 1).transpose(0, 2, 3, 1)):
            top, left = i * (height + gap), j * (width + gap)
            sheet[top : top + height, left : left + width] = image
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(0.5 * columns + 0.4, 0.5 * len(rows)), layout="constrained")
        axes = figure.subplots()
        axes.imshow(sheet, interpolation="nearest")
        axes.set(xticks=[], frame_on=False)
        axes.set_yticks([i * (height + gap) + (height - 1) / 2 for i in range(len(rows))], names)
        axes.tick_params(length=0)
    return figure


def cluster_sheet(blocks: Mapping[str, Sequence[np.ndarray]], names: Sequence[str]) -> Figure:
    """Images in [0, 1], one row per cluster with its name, in blocks of columns with a title each.

    Args:
        blocks: {title: (n, C, H, W) images of every cluster}; n may differ, and be 0.
    """
    shape = next(iter(blocks.values()))[0].shape[1:]
    widths = [max(1, *map(len, rows)) for rows in blocks.values()]

    def padded(images: np.ndarray, width: int) -> np.ndarray:
        return np.concatenate([images, np.ones((width - len(images), *shape), dtype=np.float32)])

    # One white column behind every block but the last, whose surplus is cut off.
    rows = [
        np.concatenate([padded(part, width + 1) for part, width in zip(parts, widths, strict=True)])[:-1]
        for parts in zip(*blocks.values(), strict=True)
    ]
    figure = image_sheet(rows, names)
    (axes,) = figure.axes
    starts = np.cumsum([0, *(width + 1 for width in widths[:-1])])
    pixels = (axes.get_xlim()[1] + 0.5 + _gap(shape)) / len(rows[0])  # from one image to the next
    centres = [(a + w / 2) * pixels - (_gap(shape) + 1) / 2 for a, w in zip(starts, widths, strict=True)]
    axes.set_xticks(centres, list(blocks))
    axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False)
    return figure


def contact_sheet(title: str, x: np.ndarray, y: np.ndarray | None) -> Figure:
    """Images (N, C, H, W): the first of every class, one row per class. Vectors (N, D): the mean of every
    class.
    """
    classes = np.zeros(len(x), dtype=int) if y is None else y
    rows = [x[classes == k] for k in np.unique(classes)]
    if x.ndim == 2:
        means = np.stack([row.mean(axis=0) for row in rows])
        figure = Figure(figsize=(8, 0.3 * len(rows) + 1.2), layout="constrained")
        axes = figure.subplots()
        figure.colorbar(axes.imshow(means, aspect="auto", interpolation="none"))
        axes.set(title=f"{title}: mean of every class", xlabel="feature", ylabel="class")
        return figure
    c, h, w = x.shape[1:]
    sheet = np.zeros((len(rows), CONTACTS, c, h, w), dtype=x.dtype)
    for line, row in zip(sheet, rows, strict=True):
        line[: min(CONTACTS, len(row))] = row[:CONTACTS]
    image = sheet.transpose(0, 3, 1, 4, 2).reshape(len(rows) * h, CONTACTS * w, c)
    figure = Figure(figsize=(0.4 * CONTACTS, 0.4 * len(rows) * h / w))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.imshow(image.squeeze(-1) if c == 1 else image, cmap="gray", interpolation="none", aspect="auto")
    return figure


def _gap(shape: Sequence[int]) -> int:
    """Pixels between images (C, H, W)."""
    return -(-max(shape[1:]) // 6)


def _as_array(images: Any) -> np.ndarray:
    """An array of images that may be a tensor on a GPU; torch itself is not imported for that."""
    return np.asarray(images.detach().cpu() if hasattr(images, "detach") else images)
