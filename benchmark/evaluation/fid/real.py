"""The real side of FID: which images of a data set the samples are compared with, and their moments."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.api import Dataset
from benchmark.data.labels import labelled
from benchmark.evaluation.fid.extractor import Extractor, to_uint8
from benchmark.evaluation.fid.frechet import Moments
from benchmark.evaluation.fid.moments import CHUNK, Progress, accumulate, cached_moments

FID_VERSION = 1  # stands in every result: raise it when a definition in this package changes

# Opens a progress bar: (what is counted, how many there are) -> a function that is told how many are done.
OpenBar = Callable[[str, int], Progress]


def quiet(_what: str, _total: int) -> Progress:
    return lambda _: None


class Unavailable(Exception):
    """An extractor can't be used; the text is a short reason for the table: "weights", "labels",
    "vectors".
    """


@dataclass(frozen=True)
class ReferenceImages:
    """The real side of every comparison on one data set.

    Attributes:
        data: digest of the data set.
        split: where the images are from: the last split, or the first where the last holds fewer than are
        asked for.
        images: (N, C, H, W) uint8, on the CPU.
        folder: the data folder, where moments are kept.
    """

    dataset: Dataset
    data: str
    split: str
    images: Tensor
    folder: Path

    def key(self, ex: Extractor) -> dict[str, Any]:
        """Key of the moments of the real images: all that they depend on."""
        return {
            "version": FID_VERSION,
            "data": self.data,
            "split": self.split,
            "n": len(self.images),
            "extractor": ex.name,
            "digest": ex.digest,
        }

    def moments(self, ex: Extractor, open_bar: OpenBar = quiet) -> Moments:
        def compute(partial: Path) -> Moments:
            return of_images(self.images, ex, partial, open_bar("real images", len(self.images)))

        return cached_moments(self.folder / "fid" / "moments", self.key(ex), compute)


def reference_images(dataset: Dataset, data: str, n: int, folder: Path) -> ReferenceImages:
    """N real images, or all there are in the larger split; a subset is drawn with a fixed seed.

    Raises:
        Unavailable: the points are not images.
    """
    if len(dataset.shape) != 3:
        raise Unavailable("vectors")
    split = max(reversed(dataset.splits), key=lambda s: min(n, len(dataset.x(s))))
    return ReferenceImages(dataset, data, split, images_of(dataset, split, n), folder)


def images_of(dataset: Dataset, split: str, n: int) -> Tensor:
    """n images of a split as uint8, drawn with a fixed seed if it holds more."""
    x = dataset.x(split)
    chosen = np.sort(np.random.default_rng(0).permutation(len(x))[:n]) if n < len(x) else slice(None)
    return to_uint8(torch.from_numpy(x[chosen]))


def labelled_images(dataset: Dataset, split: str) -> tuple[Tensor, np.ndarray | None]:
    """Those uint8 images of a split that have a label, and these; all images and None where none has one."""
    x, y = to_uint8(torch.from_numpy(dataset.x(split))), dataset.y(split)
    if y is None or not (known := labelled(y := np.asarray(y))).any():
        return x, None
    return (x, y) if known.all() else (x[torch.from_numpy(known)], y[known])


def of_images(
    images: Tensor, ex: Extractor, partial: Path | None = None, progress: Progress = lambda _: None
) -> Moments:
    """Moments of images that are there."""
    return accumulate(len(images), lambda i: images[i * CHUNK : (i + 1) * CHUNK], ex, partial, progress)
