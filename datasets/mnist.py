"""MNIST, the original IDX files; as it is, and enlarged to 32x32 as MPCC has it."""

import numpy as np

from ._idx import IdxDataset, idx_files
from ._images import resize


class Mnist(IdxDataset):
    """Handwritten digits: 60,000 training and 10,000 test images, 28x28 grey."""

    name = "mnist"
    title = "MNIST"
    source = "LeCun, Cortes and Burges 1998"
    licence = "CC BY-SA 3.0"
    folders = ("mnist", "MNIST/raw")
    files = idx_files(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    )
    originals = digests = {
        "train.x": "4ca13a7e658bd8425427ad20aeb87c4b5d47a05c478513cd9f4e8d0283410f3e",
        "train.y": "5c67498534333ca04602ccf56eab32d86c822998ee5bc7b553e7cda250737622",
        "test.x": "d5b1065cac1678b5cb56c8084005dd2d37e13a60c98f946f4d7462a284ecdc1a",
        "test.y": "759a6cad8f34f5b42cfcf12e5e813bacd0da9cfe5a8e3da853c6e72f8c375933",
    }


class Mnist32(Mnist):
    """MNIST enlarged from 28x28 to 32x32, bilinearly: what MPCC is trained on."""

    name = "mnist32"
    title = "MNIST 32x32"
    points_of = "mnist"
    shape = (1, 32, 32)
    preprocessing = "values / 255; 28x28 to 32x32, bilinear (MPCC)"
    digests = {
        "train.x": "623de73114da38f431fcd00cf42287e83c286a3b0586e5e767b11b322bfb278d",
        "train.y": "5c67498534333ca04602ccf56eab32d86c822998ee5bc7b553e7cda250737622",
        "test.x": "3470e087220618ffcfbb0d07d380adb0b4876d95b2faf59be9f1de9992f1f95a",
        "test.y": "759a6cad8f34f5b42cfcf12e5e813bacd0da9cfe5a8e3da853c6e72f8c375933",
    }

    def read(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        x, y = super().read(split)
        return resize(x[:, 0], 32)[:, None], y
