"""CIFAR-10."""

from ._cifar import CifarDataset, cifar_files


class Cifar10(CifarDataset):
    """Photographs of 10 kinds of animals and vehicles: 50,000 training and 10,000 test images, 32x32 in
    colour.
    """

    name = "cifar10"
    title = "CIFAR-10"
    n_classes = 10
    class_names = (
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    )
    folders = ("cifar10", "cifar-10", "")
    files = cifar_files(
        10,
        (
            *(f"cifar-10-batches-bin/data_batch_{i}.bin" for i in range(1, 6)),
            "cifar-10-batches-bin/test_batch.bin",
        ),
        (*(f"cifar-10-batches-py/data_batch_{i}" for i in range(1, 6)), "cifar-10-batches-py/test_batch"),
        "md5:c32a1d4ab5d03f1284b67883e8d87530",  # stated on the author's page
    )
    labels, label = ("labels",), 0
    sha1 = (  # as published in MXNet's data sets
        "aadd24acce27caa71bf4b10992e9e7b2d74c2540",
        "c0ba65cce70568cd57b4e03e9ac8d2a5367c1795",
        "1dd00a74ab1d17a6e7d73e185b69dbf31242f295",
        "aab85764eb3584312d3c7f65fd2fd016e36a258e",
        "26e2849e66a845b7f1e4614ae70f4889ae604628",
        "67eb016db431130d61cd03c7ad570b013799c88c",
    )
    inexact = {
        "cbea4389ae3e377c0090406f1f786efe5ded9c7e": (
            "CIFAR-10: 20 of the 10,000 test images are JPEG copies, off by about "
            "5 grey levels; all others, and all labels, are exact"
        ),
    }
