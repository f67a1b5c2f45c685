"""Encoders and the convolutional decoder of GMVAE in the sizes of its released code (branches version2 and
svhn).

The fully connected decoder is a plain `mlp`: it has no batch normalisation, as released.
"""

import itertools

from torch import nn

from benchmark.api import DataSpec

# Convolutions of the encoder by image size, (filters, kernel, stride, padding); the last one leaves 1x1
# pixels.
CONVOLUTIONS = {
    28: ((16, 6, 1, 0), (32, 6, 1, 0), (64, 4, 2, 1), (500, 9, 1, 0)),  # MNIST
    32: ((64, 4, 2, 1), (128, 4, 2, 1), (256, 4, 2, 1), (500, 4, 1, 0)),  # SVHN
}


def fc_encoder(sizes: tuple[int, ...]) -> nn.Sequential:
    """Linear, batch normalisation, ReLU for each width after the first."""
    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in itertools.pairwise(sizes):
        layers += [nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU()]
    return nn.Sequential(*layers)


def conv_encoder(data: DataSpec) -> tuple[nn.Sequential, int]:
    """Convolutions down to one pixel, batch normalisation and ReLU after each; and the number of features."""
    layers: list[nn.Module] = []
    channels = data.shape[0]
    for filters, kernel, stride, padding in CONVOLUTIONS[data.shape[1]]:
        layers += [nn.Conv2d(channels, filters, kernel, stride, padding), nn.BatchNorm2d(filters), nn.ReLU()]
        channels = filters
    return nn.Sequential(*layers, nn.Flatten()), channels


def conv_decoder(x_dim: int, data: DataSpec) -> nn.Sequential:
    """The encoder's mirror image, from x to flattened logits."""
    table = CONVOLUTIONS[data.shape[1]]
    features = table[-1][0]
    layers: list[nn.Module] = [
        nn.Linear(x_dim, features),
        nn.BatchNorm1d(features),
        nn.ReLU(),
        nn.Unflatten(1, (features, 1, 1)),
    ]
    outputs = [data.shape[0], *(filters for filters, *_ in table[:-1])]
    for (filters, kernel, stride, padding), output in zip(table[::-1], outputs[::-1], strict=True):
        layers += [
            nn.ConvTranspose2d(filters, output, kernel, stride, padding),
            nn.BatchNorm2d(output),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers[:-2], nn.Flatten())
