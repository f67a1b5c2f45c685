"""Fashion-MNIST, the original IDX files; as it is, and enlarged to 32x32 as MPCC has it."""

import numpy as np

from ._idx import IdxDataset, idx_files
from ._images import resize


class FashionMnist(IdxDataset):
    """Clothing: 60,000 training and 10,000 test images, 28x28 grey, in the format of MNIST."""

    name = "fashion_mnist"
    title = "Fashion-MNIST"
    source = "Xiao, Rasul and Vollgraf 2017"
    licence = "MIT"
    class_names: tuple[str, ...] = (
        "T-shirt",
        "trouser",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "ankle boot",
    )
    folders = ("fashion_mnist", "fashion-mnist", "FashionMNIST/raw")
    files = idx_files(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    )
    originals = digests = {
        "train.x": "1906586d21b9e654cbc747895e4a7abf7af7fc0696f012b0290bc704a4cb57b6",
        "train.y": "eb8e09c0625beaa3fadd2676ed1d33827c2139a854260eb4d6e0f171b768a311",
        "test.x": "6b598ab9736f65436dd86faadb9b148dd03f577f9c20813488034937e38f976e",
        "test.y": "dd0133ced96a31972a2efe752d7ce29b9f64aae6f5dbcb5e74b398e8aa15c864",
    }


class FashionMnist32(FashionMnist):
    """Fashion-MNIST enlarged from 28x28 to 32x32, bilinearly: what MPCC is trained on."""

    name = "fashion_mnist32"
    title = "Fashion-MNIST 32x32"
    points_of = "fashion_mnist"
    shape = (1, 32, 32)
    preprocessing = "values / 255; 28x28 to 32x32, bilinear (MPCC)"
    digests = {
        "train.x": "ab73c03db6d44e78ab40bb6f6d24a107d48e015a75a881db29f9f7eb202f2d94",
        "train.y": "eb8e09c0625beaa3fadd2676ed1d33827c2139a854260eb4d6e0f171b768a311",
        "test.x": "c2aa7bb4715af3e82404d72f1127c4d54f371c3d2d53eb1e084746085ffd0cd4",
        "test.y": "dd0133ced96a31972a2efe752d7ce29b9f64aae6f5dbcb5e74b398e8aa15c864",
    }

    def read(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        x, y = super().read(split)
        return resize(x[:, 0], 32)[:, None], y
