"""The network against the published module, against features computed with another tool, and its resize by
hand.
"""

import numpy as np
import pytest
import torch

from benchmark.evaluation.fid import extractor
from benchmark.evaluation.fid.frechet import RunningMoments, frechet_distance
from benchmark.evaluation.fid.inception import SIDE, Inception, resize
from benchmark.registry import Registry

# mean, standard deviation, first features of the first image, last features of the second: torch-fidelity
# 0.4.0 with the same weights, on the images of `fixed`
ANCHORS = {
    299: (0.202661, 0.411831, (0.22976, 0.01483, 0.04496, 0.27863), (0.01133, 0.30180, 0.02585)),
    32: (0.166579, 0.303697, (0.14211, 0.17347, 0.00000, 0.07750), (0.15767, 0.33384, 0.08765)),
    28: (0.179566, 0.315166, (0.00556, 0.00000, 0.00000, 0.00459), (0.36681, 0.39420, 0.26357)),
}


def fixed(n, side):
    k = np.arange(n * 3 * side * side, dtype=np.uint64)
    return torch.from_numpy(((k * 2654435761) % 2**32 // 2**24).astype(np.uint8).reshape(n, 3, side, side))


@torch.inference_mode()
@pytest.mark.parametrize("side", ANCHORS)
def test_features_of_another_tool(inception, side):
    mean, std, first, last = ANCHORS[side]
    features = inception(fixed(2, side))
    assert features.shape == (2, 2048)
    assert features.mean().item() == pytest.approx(mean, rel=1e-4)
    assert features.std().item() == pytest.approx(std, rel=1e-4)
    np.testing.assert_allclose(features[0, :4], first, atol=1e-5)
    np.testing.assert_allclose(features[1, -3:], last, atol=1e-5)


@torch.inference_mode()
def test_features_of_the_published_module(inception, reference):
    images = fixed(2, SIDE)
    torch.testing.assert_close(inception(images), reference((images.float() - 128) / 128), rtol=0, atol=1e-4)


def test_parameters_of_the_published_module_bit_by_bit(parameters, reference):
    published = reference.state_dict()
    assert len(parameters) == len(published) == 376
    for ours, (name, theirs) in zip(parameters, published.items(), strict=True):
        assert np.array_equal(parameters[ours], theirs.numpy()), (ours, name)


@torch.inference_mode()
def test_grey_images_are_repeated_and_the_batch_does_not_matter(inception):
    grey = fixed(4, 28)[:, :1]
    together = inception(grey)
    torch.testing.assert_close(together[:1], inception(grey[:1].expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(
        together, torch.cat([inception(part) for part in grey.split(3)]), rtol=1e-4, atol=1e-4
    )


@pytest.mark.slow
def test_the_fid_of_mnist_halves(inception, parameters, real_data):
    """4.87929 by torch-fidelity 0.4.0: test images 0 to 2499 against 2500 to 4999."""
    x = torch.from_numpy(Registry().dataset("mnist", real_data).x("test"))
    ex = extractor.Extractor("inception", "", inception, 50, torch.device("cpu"))
    sides = []
    for start in (0, 2500):
        sides.append(RunningMoments())
        for part in x[start : start + 2500].split(500):
            sides[-1].add(ex(part))
    assert frechet_distance(*(side.moments() for side in sides)) == pytest.approx(4.87929, rel=1e-3)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (28, 23), (299, 299), (320, 305)])
def test_resize_is_tensorflows(height, width):
    """Pixel i of the output lies at i * in / 299, between floor and floor + 1 (clamped)."""
    x = torch.from_numpy(
        np.random.default_rng(0).uniform(0, 255, size=(1, 2, height, width)).astype(np.float32)
    )
    found = resize(x)
    assert found.shape == (1, 2, SIDE, SIDE)
    for i, j in [(0, 0), (1, 298), (298, 298), (13, 17), (150, 149), (297, 2)]:
        y, z = np.float32(i) * np.float32(height / SIDE), np.float32(j) * np.float32(width / SIDE)
        top, left = int(y), int(z)
        bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
        dy, dz = y - top, z - left
        p = x[0, 1].numpy().astype(np.float64)
        upper, lower = (
            p[top, left] * (1 - dz) + p[top, right] * dz,
            p[bottom, left] * (1 - dz) + p[bottom, right] * dz,
        )
        assert found[0, 1, i, j].item() == pytest.approx(upper * (1 - dy) + lower * dy, abs=1e-3)


def test_its_94_layers():
    with torch.device("meta"):
        network = Inception()
    shapes = network.parameter_shapes()
    assert len(network.layers()) == 94
    assert len(shapes) == 376
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == 21_802_784
    assert not any(p.requires_grad for p in network.parameters())


def test_batch_norms_are_folded_exactly():
    """A layer with its statistics folded in equals convolution, then (x - mean) / sqrt(var + eps) + beta."""
    rng = np.random.default_rng(0)
    network = Inception()
    shapes = network.parameter_shapes()
    parameters = {
        name: rng.uniform(0.5, 1.5, size=shape).astype(np.float32) for name, shape in shapes.items()
    }
    network.load(parameters)
    x = torch.from_numpy(rng.normal(size=(1, 3, 9, 9)).astype(np.float32))
    p = {
        name.split(".", 1)[1]: torch.from_numpy(v)
        for name, v in parameters.items()
        if name.startswith("Conv2d_1a_3x3.")
    }
    plain = torch.nn.functional.conv2d(x, p["conv.weight"], stride=2)
    expected = torch.nn.functional.batch_norm(
        plain, p["bn.running_mean"], p["bn.running_var"], None, p["bn.bias"], eps=0.001
    )
    torch.testing.assert_close(network.Conv2d_1a_3x3(x), expected.relu(), rtol=1e-4, atol=1e-4)
