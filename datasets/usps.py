"""USPS: handwritten digits from envelopes, in the libsvm text format."""

import bz2
import io

import numpy as np

from benchmark.errors import UserError

from ._files import FileDataset, Remote

HOME = "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/"


class Usps(FileDataset):
    """Handwritten digits of the US postal service: 7,291 training and 2,007 test images, 16x16 grey."""

    name = "usps"
    title = "USPS"
    source = "Hull 1994, A database for handwritten text recognition research; from the LIBSVM data sets"
    licence = "not stated by the authors"
    shape = (1, 16, 16)
    n_classes = 10
    preprocessing = "values from [-1, 1] to [0, 1]"
    folders = ("usps", "")
    files = (  # SHA-256 as torchvision's prototype data sets stated it
        Remote(
            "usps.bz2",
            (f"{HOME}usps.bz2",),
            "sha256:3771e9dd6ba685185f89867b6e249233dd74652389f263963b3b741e994b034f",
        ),
        Remote(
            "usps.t.bz2",
            (f"{HOME}usps.t.bz2",),
            "sha256:a9c0164e797d60142a50604917f0baa604f326e9a689698763793fa5d12ffc4e",
        ),
    )

    def read(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        path = self.locate(self.files[0 if split == "train" else 1]).path
        try:
            # label 1:value 2:value ... 256:value, all of them written out; labels from 1 for the digit 0
            text = io.BytesIO(bz2.decompress(path.read_bytes()).replace(b":", b" "))
            table = np.loadtxt(text, dtype=np.float64, ndmin=2)
        except (OSError, ValueError) as error:
            raise UserError(f"{path} is not 256 pixels per line in the libsvm format: {error}") from error
        if table.shape[1:] != (513,):
            raise UserError(f"{path} is not 256 pixels per line in the libsvm format")
        if not (table[:, 1::2] == np.arange(1, 257)).all():
            raise UserError(f"{path} has pixels that are not numbered from 1 to 256")
        x = ((table[:, 2::2] + 1) / 2).astype(np.float32)
        return x.reshape(-1, 1, 16, 16), (table[:, 0] - 1).astype(np.int64)
