"""CIFAR-20: CIFAR-100 with its 20 coarse labels."""

from ._cifar import CifarDataset, cifar_files


class Cifar20(CifarDataset):
    """CIFAR-100 in its 20 super-classes: 50,000 training and 10,000 test photographs, 32x32 in colour."""

    name = "cifar20"
    title = "CIFAR-20"
    n_classes = 20
    class_names = (
        "aquatic mammals",
        "fish",
        "flowers",
        "food containers",
        "fruit, vegetables",
        "electrical devices",
        "furniture",
        "insects",
        "large carnivores",
        "man-made outdoor",
        "natural outdoor",
        "omnivores, herbivores",
        "medium mammals",
        "invertebrates",
        "people",
        "reptiles",
        "small mammals",
        "trees",
        "vehicles 1",
        "vehicles 2",
    )
    preprocessing = "values / 255; the 20 coarse labels of CIFAR-100"
    folders = ("cifar20", "cifar100", "cifar-100", "")
    files = cifar_files(
        100,
        ("cifar-100-binary/train.bin", "cifar-100-binary/test.bin"),
        ("cifar-100-python/train", "cifar-100-python/test"),
        "md5:03b5dce01913d631647c71ecec9e9cb8",  # stated on the author's page
    )
    labels, label = ("coarse_labels", "fine_labels"), 0
    sha1 = (  # as published in MXNet's data sets
        "e207cd2e05b73b1393c74c7f5e7bea451d63e08e",
        "8fb6623e830365ff53cf14adec797474f5478006",
    )
