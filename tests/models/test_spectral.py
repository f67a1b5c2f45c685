"""Spectral clustering: what k-means can't find, and Nystroem's method against the whole kernel."""

import numpy as np
import pytest
import torch
from sklearn.datasets import make_circles
from sklearn.metrics import adjusted_rand_score

from benchmark import config
from benchmark.api import DataSpec
from benchmark.errors import UserError
from benchmark.models.spectral import Spectral
from benchmark.running.train import Trainer


def fit(x, k, **overrides):
    spec = DataSpec("some", tuple(x.shape[1:]), None, len(x))
    values = {name: str(value) for name, value in overrides.items()}
    model = Spectral(spec, config.resolve(Spectral, spec, k, "paper", values))
    Trainer(model, x, 0).run()
    return model.eval()


def test_two_circles_one_in_the_other_are_found_and_new_points_follow_the_nearest():
    points, y = make_circles(400, factor=0.4, noise=0.03, random_state=0)
    x = torch.from_numpy(points.astype(np.float32))
    model = fit(x[:300], 2)
    assert adjusted_rand_score(y[:300], model.assign(x[:300]).argmax(dim=1)) == 1.0
    assert adjusted_rand_score(y[300:], model.assign(x[300:]).argmax(dim=1)) == 1.0


def test_with_every_point_a_landmark_nystroem_s_eigenvectors_are_those_of_the_kernel():
    torch.manual_seed(0)
    x = torch.cat([torch.randn(25, 3), torch.randn(25, 3) + 4])
    model = fit(x, 2, exact_points=10, landmarks=50)
    squares = torch.cdist(x.double(), x.double()).square()
    upper = squares[torch.ones(50, 50).triu(1) > 0]
    torch.testing.assert_close(model.gamma, 1 / upper.median())
    w = (-model.gamma * squares).exp()
    root = w.sum(dim=1).rsqrt()
    _, vectors = torch.linalg.eigh(root[:, None] * w * root)
    expected = torch.nn.functional.normalize(vectors[:, -2:], dim=1)
    found = model.eigenvectors(x)
    torch.testing.assert_close(found.abs(), expected.abs(), atol=1e-5, rtol=0)  # signs are arbitrary
    assert adjusted_rand_score([0] * 25 + [1] * 25, model.assign(x).argmax(dim=1)) == 1.0


def test_a_graph_has_fewer_clusters_than_points():
    x = torch.randn(5, 3)
    with pytest.raises(UserError, match="the number of clusters is 5, expected less than the 5 points"):
        fit(x, 5)
    assert fit(x, 4).assign(x).shape == (5, 4)
