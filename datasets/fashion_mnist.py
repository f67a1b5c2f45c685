"""Fashion-MNIST, the original IDX files."""

from ._idx import IdxDataset


class FashionMnist(IdxDataset):
    """Clothing: 60,000 training and 10,000 test images, 28x28 grey, in the format of MNIST."""

    name = "fashion_mnist"
    title = "Fashion-MNIST"
    source = "Xiao, Rasul and Vollgraf 2017"
    licence = "MIT"
    folders = ("fashion_mnist", "fashion-mnist", "FashionMNIST/raw")
    mirrors = (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    )
    digests = {
        "train.x": "91e0635dd76ad1f9e56a6ecdcd1633dfbc548336091de8614a7d84ab568a66a5",
        "train.y": "eb8e09c0625beaa3fadd2676ed1d33827c2139a854260eb4d6e0f171b768a311",
        "test.x": "01a86bccdcb5b6f42a06ca416619677ab342ad7142bd140af501f7c4aac22783",
        "test.y": "dd0133ced96a31972a2efe752d7ce29b9f64aae6f5dbcb5e74b398e8aa15c864",
    }
