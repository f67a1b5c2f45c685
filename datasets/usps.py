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
    files = (  # MD5 as torchvision states it
        Remote("usps.bz2", (f"{HOME}usps.bz2",), "md5:ec16c51db3855ca6c91edd34d0e9b197"),
        Remote("usps.t.bz2", (f"{HOME}usps.t.bz2",), "md5:8ea070ee2aca1ac39742fdd1ef5ed118"),
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
