"""STL-10 as features of a network that the user has; VaDE took 2,048 numbers from an ImageNet ResNet-50.

No weights come with this suite. Either put a file features.npz (arrays X, (13000, D) float, and y, (13000,),
the 5,000 training images first) into the folder, or let `write_features` make it from the images and any
torch module:

    from benchmark.data import data_folder
    from benchmark.datasets.stl10_features import write_features

    write_features(network, data_folder())  # network: float (B, 3, 96, 96) in [0, 1] -> (B, D)
"""

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmark.errors import UserError

from ._archives import read_members
from ._files import FileDataset, Remote

FEATURES = "features.npz"
IMAGES = Remote(
    "stl10_binary.tar.gz",
    ("http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",),
    "md5:91f7769df0f17e558f3565bffb0c7dfb",  # as torchvision states it
    tuple(f"stl10_binary/{split}_{part}.bin" for split in ("train", "test") for part in ("X", "y")),
)


class Stl10Features(FileDataset):
    """Features of the 13,000 labelled images of STL-10, 10 kinds of animals and vehicles; no split.

    They differ from network to network: the data digest in a record tells which were used. Every value is
    divided by the standard deviation of all values, so that the same settings suit different networks.
    """

    name = "stl10_features"
    title = "STL-10 features"
    source = "Coates, Ng and Lee 2011, An analysis of single-layer networks in unsupervised feature learning"
    licence = "not stated by the authors"
    splits = ("all",)
    shape = (2048,)
    value_range = None
    n_classes = 10
    preprocessing = (
        "features of a network of the user's (VaDE: ResNet-50), divided by the standard deviation of all"
        " values"
    )
    folders: tuple[str, ...] = ("stl10_features", "stl10", "")
    files = (Remote(FEATURES),)
    how_to_get = (
        f"make it from the images ({IMAGES.urls[0]}, downloaded for you) with a network of yours "
        "(write_features in datasets/stl10_features.py)"
    )

    def __init__(self, folder: Path):
        super().__init__(folder)
        if found := self.find(self.files[0]):
            with contextlib.suppress(UserError):  # which `read` raises again, when the data are asked for
                self.shape = _features(found.path)[0].shape[1:]

    def read(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        x, y = _features(self.locate(self.files[0]).path)
        return (x / x.std()).astype(np.float32), y


def _features(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """X and y as they are in a file, checked."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            x, y = arrays["X"], arrays["y"]
    except Exception as error:  # a damaged archive raises whatever its bytes happen to mean
        raise UserError(f"{path} must have arrays X and y of numbers: {error}") from error
    if x.ndim != 2 or x.dtype.kind != "f" or x.size == 0 or not np.isfinite(x).all() or x.min() == x.max():
        raise UserError(
            f"{path}: X is {x.dtype} {x.shape}, expected finite floats (13000, D), not all of them equal"
        )
    return x, y


def read_images(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """(13000, 3, 96, 96) uint8 labelled images and their labels from 0, training part first.

    They are read from the original archive, packed or unpacked, in the data folder, or in stl10/ in it, and
    downloaded (2.6 GB) if they are not there.
    """
    dataset = Stl10Features(folder)
    dataset.files = (IMAGES,)
    dataset.fetch()
    content = read_members(dataset.locate(IMAGES).path, IMAGES.members)
    parts = [np.frombuffer(data, dtype=np.uint8) for data in content.values()]
    # stored by columns
    images = np.concatenate([part.reshape(-1, 3, 96, 96) for part in parts[0::2]]).transpose(0, 1, 3, 2)
    return np.ascontiguousarray(images), np.concatenate(parts[1::2]).astype(np.int64) - 1


@torch.no_grad()
def write_features(network: Callable[[Tensor], Tensor], folder: Path, batch_size: int = 100) -> Path:
    """Write features.npz: what the network gives for every labelled image of STL-10.

    Args:
        network: maps float images (B, 3, 96, 96) in [0, 1] to (B, D); resizing and normalisation are its own.
        In
            evaluation mode, please.
        folder: the data folder.
    """
    images, labels = read_images(folder)
    parts = [
        network(torch.from_numpy(part).float() / 255)
        for part in np.array_split(images, max(1, len(images) // batch_size))
    ]
    features = torch.cat(parts).float().cpu().numpy()
    place = folder / Stl10Features.folders[0]
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place, prefix=".build-") as temporary:
        np.savez(Path(temporary) / FEATURES, X=features, y=labels)
        os.replace(Path(temporary) / FEATURES, place / FEATURES)
    return place / FEATURES
