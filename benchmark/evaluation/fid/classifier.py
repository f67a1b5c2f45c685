"""The extractor of FID-clf: a small convolutional classifier of one data set's images, trained on its labels.

Its penultimate layer is where the features are taken: 64 numbers that tell this data set's classes apart, so
that their moments need few samples, where ImageNet's features of small grey digits say little. Weights for
some data sets come with the suite (folder classifiers/, made by `python -m benchmark fid-classifier`); others
are trained when first needed.
"""

import contextlib
import json
import zipfile
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.errors import UserError
from benchmark.evaluation.fid.extractor import Extractor
from benchmark.evaluation.fid.moments import Progress
from benchmark.evaluation.fid.weights import Parameters, parameter_digest
from benchmark.files import write_arrays

# Raise it when network or training change; trained weights of older versions are then made again.
CLASSIFIER_VERSION = 2
FEATURES = 64
WIDTHS = (16, 32, 64)
BATCH_SIZE = 128
MAX_STEPS, EPOCHS = 2000, 30  # whichever is fewer
LEARNING_RATE = 5e-3  # the maximum of a one-cycle schedule
EXTRACTOR_BATCH = 250
SHIPPED = Path(__file__).parent / "classifiers"


class Classifier(nn.Module):
    """Three times convolution, batch norm, ReLU and 2x2 maximum; a hidden layer; the classes. uint8 images
    in, features out.
    """

    def __init__(self, shape: tuple[int, ...], n_classes: int):
        super().__init__()
        channels, height, width = shape
        layers: list[nn.Module] = []
        for inputs, outputs in zip((channels, *WIDTHS[:-1]), WIDTHS, strict=True):
            layers += [
                nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(),
            ]
            layers += [nn.MaxPool2d(2, ceil_mode=True)]
        self.trunk = nn.Sequential(*layers, nn.Flatten())
        self.hidden = nn.Linear(WIDTHS[-1] * ceil(height / 8) * ceil(width / 8), FEATURES)
        self.head = nn.Linear(FEATURES, n_classes)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # three times faster on a CPU

    def forward(self, images: Tensor) -> Tensor:
        """(B, 64) penultimate features."""
        return F.relu(self.hidden(self.trunk((images.float() - 128) / 128)))

    def logits(self, images: Tensor) -> Tensor:
        return self.head(self(images))


@dataclass(frozen=True)
class Trained:
    """Weights of a classifier, and what is to be known of them.

    Attributes:
        info: "data" (digest of the data set), "version", "shape", "classes", "accuracy" on "held_out" points,
        "digest".
    """

    parameters: Parameters
    info: dict[str, Any]

    def extractor(self, device: torch.device) -> Extractor:
        network = Classifier(tuple(self.info["shape"]), self.info["classes"])
        network.load_state_dict(
            {name: torch.from_numpy(values) for name, values in self.parameters.items()}, strict=False
        )
        network.requires_grad_(False).eval().to(device)
        return Extractor("clf", self.info["digest"], network, EXTRACTOR_BATCH, device)

    def save(self, path: Path) -> None:
        write_arrays(path, {**self.parameters, "info": np.array(json.dumps(self.info))})


def train(
    x: Tensor,
    y: np.ndarray,
    x_test: Tensor,
    y_test: np.ndarray,
    data: str,
    progress: Progress = lambda _: None,
) -> Trained:
    """Train a classifier, with a fixed seed, and measure its accuracy on points that it was not trained on.

    Args:
        x, x_test: uint8 images (N, C, H, W) on the device to train on.
        y, y_test: labels, integers or strings.
        data: digest of the data set that they are from.
        progress: told the steps done, of `steps_for(len(x))`.
    """
    classes = np.unique(np.concatenate([y, y_test]))
    targets, targets_test = (
        torch.from_numpy(np.searchsorted(classes, labels)).to(x.device) for labels in (y, y_test)
    )
    with torch.random.fork_rng(devices=[x.device] if x.is_cuda else []):
        torch.manual_seed(0)
        network = Classifier(tuple(x.shape[1:]), len(classes)).to(x.device)
        _fit(network, x, targets, progress)
    network.eval()
    with torch.inference_mode():
        parts = zip(x_test.split(EXTRACTOR_BATCH), targets_test.split(EXTRACTOR_BATCH), strict=True)
        right = sum(int((network.logits(a).argmax(dim=1) == b).sum()) for a, b in parts)
    parameters = {name: t.cpu().numpy() for name, t in network.state_dict().items() if t.is_floating_point()}
    info = {
        "data": data,
        "version": CLASSIFIER_VERSION,
        "shape": list(x.shape[1:]),
        "classes": len(classes),
        "accuracy": right / len(x_test),
        "held_out": len(x_test),
        "digest": parameter_digest(parameters),
    }
    return Trained(parameters, info)


def _fit(network: Classifier, x: Tensor, y: Tensor, progress: Progress) -> None:
    size, steps = min(BATCH_SIZE, len(x)), steps_for(len(x))
    optimizer = torch.optim.Adam(network.parameters(), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    network.train()
    for step in range(steps):
        i = step % (len(x) // size)
        if i == 0:
            order = torch.randperm(len(x)).to(x.device)
        chosen = order[i * size : (i + 1) * size]
        loss = F.cross_entropy(network.logits(x[chosen]), y[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        progress(step + 1)


def steps_for(n: int) -> int:
    """Steps of the training on n images."""
    return min(MAX_STEPS, EPOCHS * (n // min(BATCH_SIZE, n)))


def hold_out(n: int) -> tuple[np.ndarray, np.ndarray]:
    """(training, held-out) points of a data set without a split: every sixth of a fixed permutation is held
    out.
    """
    order = np.random.default_rng(0).permutation(n)
    held_out = np.arange(n) % 6 == 0
    return np.sort(order[~held_out]), np.sort(order[held_out])


def read(path: Path) -> Trained:
    """
    Raises:
        UserError: there is no such file, or it is damaged, or not one of ours.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            parameters = {name: file[name] for name in file.files if name != "info"}
            info = json.loads(str(file["info"]))
        if parameter_digest(parameters) != info["digest"]:
            raise ValueError("its values do not have the digest that it states")
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} can't be read as a classifier of FID-clf ({error})") from error
    return Trained(parameters, info)


def find(folder: Path, dataset: str, data: str) -> Trained | None:
    """The classifier that was trained on exactly these data: one that comes with the suite, or one made on
    this machine.

    A damaged file counts as none, so that it is made again.
    """
    for path in (SHIPPED / f"{dataset}.npz", trained_locally_path(folder, data)):
        with contextlib.suppress(UserError):
            trained = read(path)
            if trained.info["data"] == data and trained.info["version"] == CLASSIFIER_VERSION:
                return trained
    return None


def trained_locally_path(folder: Path, data: str) -> Path:
    """Where, below the data folder, a classifier trained on this machine is kept."""
    return folder / "fid" / "classifiers" / f"{data[:24]}-{CLASSIFIER_VERSION}.npz"
