"""Pendigits: handwritten digits as pen trajectories (UCI)."""

import numpy as np

from benchmark.errors import UserError

from ._files import FileDataset, Remote

HOME = "https://archive.ics.uci.edu/ml/machine-learning-databases/pendigits/"


class Pendigits(FileDataset):
    """Handwritten digits as 8 pen positions: 7,494 training and 3,498 test points of 16 numbers, other
    writers in the test.
    """

    name = "pendigits"
    title = "Pendigits"
    source = "UCI Machine Learning Repository, Alpaydin and Alimoglu 1996"
    licence = "CC BY 4.0"
    shape = (16,)
    n_classes = 10
    preprocessing = "coordinates / 100 (ClusterGAN)"
    folders = ("pendigits",)
    files = (
        Remote(
            "pendigits.tra",
            (f"{HOME}pendigits.tra",),
            "sha256:e2b9eb9f0d0467e2b64a4816a3420edf2b8043447576f4b84337aba44a9f97d3",
        ),
        Remote(
            "pendigits.tes",
            (f"{HOME}pendigits.tes",),
            "sha256:8bd03229c5c5291fefe43e45465dd948d2645bf23328b9d993e0b777666b2015",
        ),
    )
    digests = {
        "train.x": "f70c227a522432584f3a9536bf60524b7bd006ec683a22f6ad0d70145a736dc9",
        "train.y": "5d772367de29656fbb6daad33e0a45211b08702da8de87cd39d43bcae028413a",
        "test.x": "68f0ff2fe60743e539d2dd6225a0b5497489fc18a7164b450803705b41d98032",
        "test.y": "2db941d05ce71afd892bc4f47b1d69df5c8bd0608e139a2ae93cd796f43932ad",
    }

    def read(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        path = self.locate(self.files[0 if split == "train" else 1]).path
        try:
            table = np.loadtxt(path, delimiter=",", dtype=np.int64, ndmin=2)
        except ValueError as error:
            raise UserError(f"{path} is not a table of integers: {error}") from error
        if table.shape[1:] != (17,):
            raise UserError(f"{path} has {table.shape[1]} columns, expected 16 coordinates and the class")
        return (table[:, :16] / 100).astype(np.float32), table[:, 16].astype(np.uint8)
