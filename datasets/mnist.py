"""MNIST, the original IDX files."""

from ._idx import IdxDataset


class Mnist(IdxDataset):
    """Handwritten digits: 60,000 training and 10,000 test images, 28x28 grey."""

    name = "mnist"
    title = "MNIST"
    source = "LeCun, Cortes and Burges 1998"
    licence = "CC BY-SA 3.0"
    folders = ("mnist", "MNIST/raw")
    mirrors = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    )
    digests = {
        "train.x": "aaea6b05347b8b6ad5b4f46859d80c25d349f29e9666f605ee81de7828633f70",
        "train.y": "5c67498534333ca04602ccf56eab32d86c822998ee5bc7b553e7cda250737622",
        "test.x": "2464f9fb40406d7393a5c95688822105de9683b3f12b280adac05f19592ccad9",
        "test.y": "759a6cad8f34f5b42cfcf12e5e813bacd0da9cfe5a8e3da853c6e72f8c375933",
    }
