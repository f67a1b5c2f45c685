"""Fashion-5: Fashion-MNIST with classes that look alike merged, as in ClusterGAN."""

import numpy as np

from .fashion_mnist import FashionMnist

MERGED = (0, 1, 2, 0, 2, 3, 2, 3, 4, 3)  # by class of Fashion-MNIST


class Fashion5(FashionMnist):
    """Fashion-MNIST in 5 classes: tops and dresses, trousers, pullovers with coats and shirts, shoes,
    bags.
    """

    name = "fashion5"
    title = "Fashion-5"
    points_of = "fashion_mnist"
    n_classes = 5
    class_names = (
        "tops, dresses",
        "trousers",
        "pullovers, coats",
        "shoes",
        "bags",
    )
    preprocessing = "values / 255; classes merged: {0, 3}, {1}, {2, 4, 6}, {5, 7, 9}, {8} (ClusterGAN)"
    digests = {
        "train.x": "1906586d21b9e654cbc747895e4a7abf7af7fc0696f012b0290bc704a4cb57b6",
        "train.y": "710dd7fc79616e88887f04d259b417cb2950a46415226b5a064061520176d41a",
        "test.x": "6b598ab9736f65436dd86faadb9b148dd03f577f9c20813488034937e38f976e",
        "test.y": "1d35f64f77a519aab873333fddbd9313904b60d9efa04b059cbc20ec141ad818",
    }

    def read(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        x, y = super().read(split)
        return x, np.array(MERGED, dtype=np.uint8)[y]
