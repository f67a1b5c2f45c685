"""Floor and ceiling, what a FID is to be compared with, for every data set. Labels are read for the
ceiling.
"""

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.evaluation.fid.extractor import Extractor, to_uint8
from benchmark.evaluation.fid.frechet import Moments, frechet_distance
from benchmark.evaluation.fid.moments import CHUNK
from benchmark.evaluation.fid.real import (
    OpenBar,
    ReferenceImages,
    images_of,
    labelled_images,
    of_images,
    quiet,
)
from benchmark.files import best_effort_cache, digest, locked, write_atomically

GAUSSIAN_POINTS = 10_000


def reference_values(
    real: ReferenceImages, ex: Extractor, target: Moments, compute: bool, open_bar: OpenBar = quiet
) -> dict[str, Any] | None:
    """Floor and ceiling of a distance, kept in the data folder once it is known.

    floor: real images against real images: those of the other split, or one half against the other where
    there is one only; with half as many images it has about twice the noise of a model's distance.
    ceiling: a Gaussian per class in the space of pixels (one for all where labels are absent); no bound but
    a reference: a model above it has learnt less than the second moments.

    Returns:
        {"floor": {"value", "n", "what"}, "ceiling": ...}; None if they are not known and `compute` is false.
    """
    path = real.folder / "fid" / "references" / f"{digest(real.key(ex))[:24]}.json"
    with locked(path):
        with contextlib.suppress(OSError, ValueError):  # not there, or damaged: made again
            return json.loads(path.read_text(encoding="utf-8"))
        if not compute:
            return None
        partials = [path.with_suffix(f".{name}.npz") for name in ("floor", "ceiling")]
        found = {
            "floor": _floor(real, ex, target, partials[0], open_bar),
            "ceiling": _ceiling(real, ex, target, partials[1], open_bar),
        }
        with best_effort_cache(path):
            write_atomically(path, json.dumps(found))
            for partial in partials:
                partial.unlink(missing_ok=True)
        return found


def _floor(
    real: ReferenceImages, ex: Extractor, target: Moments, partial: Path, open_bar: OpenBar
) -> dict[str, Any]:
    others = [split for split in real.dataset.splits if split != real.split]
    if others:
        images, what = images_of(real.dataset, others[0], len(real.images)), f"{others[0]} images"
    else:
        order = torch.from_numpy(np.random.default_rng(0).permutation(len(real.images)))
        half = len(order) // 2
        images, what = real.images[order[:half]], "one half of the images against the other"
        target = of_images(real.images[order[half : 2 * half]], ex)
    value = frechet_distance(of_images(images, ex, partial, open_bar(what, len(images))), target)
    return {"value": value, "n": len(images), "what": what}


def _ceiling(
    real: ReferenceImages, ex: Extractor, target: Moments, partial: Path, open_bar: OpenBar
) -> dict[str, Any]:
    split = real.dataset.splits[0]
    x, y = labelled_images(real.dataset, split)
    what = "one Gaussian in pixel space" if y is None else "a Gaussian per class in pixel space"
    images = gaussian_images(x, np.zeros(len(x)) if y is None else y, len(real.images))
    value = frechet_distance(of_images(images, ex, partial, open_bar(what, len(images))), target)
    return {"value": value, "n": len(images), "what": what}


def gaussian_images(x: Tensor, y: np.ndarray, n: int) -> Tensor:
    """n uint8 images from a Gaussian with mean and full covariance of each class of uint8 images x, clipped
    to their range.

    The covariance is that of at most GAUSSIAN_POINTS images of a class.
    """
    generator = np.random.default_rng(0)
    classes, members = np.unique(y, return_inverse=True)
    counts = generator.multinomial(n, np.bincount(members) / len(members))
    parts = []
    for k, count in zip(range(len(classes)), counts, strict=True):
        chosen = np.flatnonzero(members == k)[:GAUSSIAN_POINTS]
        points = x[torch.from_numpy(chosen)].flatten(1).numpy() / np.float32(255)
        mean = points.mean(axis=0)
        # (points - mean)^T e / sqrt(n - 1) has the points' covariance when e is standard normal
        for first in range(0, count, CHUNK):
            noise = generator.standard_normal((min(CHUNK, count - first), len(points)), dtype=np.float32)
            parts.append(mean + noise / np.sqrt(np.float32(max(1, len(points) - 1))) @ (points - mean))
    images = np.concatenate(parts).clip(0, 1)[generator.permutation(n)]
    return to_uint8(torch.from_numpy(images).view(n, *x.shape[1:]))
