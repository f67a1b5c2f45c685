"""The baselines against the libraries that they stand on, and against data with a known answer."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.cluster import AgglomerativeClustering, KMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import NMF
from sklearn.metrics import adjusted_rand_score

from benchmark import config
from benchmark.api import DataSpec
from benchmark.models._kmeans_rule import nearest
from benchmark.registry import Registry
from benchmark.running.train import Trainer

DIGITS = torch.from_numpy(load_digits().images[:400, None].astype(np.float32) / 16)


def blobs(n=300, k=3, d=4):
    """Well separated clusters in [0, 1]^d, and their labels."""
    rng = np.random.default_rng(0)
    centres, y = rng.uniform(0.2, 0.8, size=(k, d)), rng.integers(k, size=n)
    return torch.from_numpy((centres[y] + 0.01 * rng.normal(size=(n, d))).astype(np.float32)), y


def fit(name, x, k, seed=0, bounded=True, **overrides):
    model_class = Registry().model(name)
    spec = DataSpec("some", tuple(x.shape[1:]), (0.0, 1.0) if bounded else None, len(x))
    resolved = config.resolve(model_class, spec, k, "paper", {key: str(v) for key, v in overrides.items()})
    model = model_class(spec, resolved)
    Trainer(model, x, seed).run()
    return model.eval(), model.assignments()["default"](x)


@pytest.mark.parametrize("name", ["kmeans", "gmm", "agglomerative"])
def test_separated_clusters_are_found(name):
    x, y = blobs()
    _, log_q = fit(name, x, 3)
    assert adjusted_rand_score(y, log_q.argmax(dim=1)) == 1.0


def test_ae_kmeans_finds_separated_clusters():
    x, y = blobs()
    _, log_q = fit("ae_kmeans", x, 3, hidden="32", latent=2, epochs=150, batch_size=50)
    assert adjusted_rand_score(y, log_q.argmax(dim=1)) > 0.95


def test_kmeans_reaches_the_inertia_of_scikit_learn():
    model, log_q = fit("kmeans", DIGITS, 10)
    points = DIGITS.flatten(1).numpy()
    inertia = ((points - model.centres.numpy()[log_q.argmax(dim=1)]) ** 2).sum()
    assert inertia == pytest.approx(KMeans(10, n_init=10, random_state=1).fit(points).inertia_, rel=0.01)


@pytest.mark.parametrize("name", ["kmeans", "gmm"])
def test_clusters_far_from_the_origin_are_found(name):
    """Near 10,000 the squares of the values have no digits left for distances of 6.4 in single precision."""
    rng = np.random.default_rng(0)
    y = rng.integers(4, size=2000)
    x = 10_000 + 6.4 / np.sqrt(2) * np.eye(4, 10)[y] + rng.normal(size=(2000, 10))
    _, log_q = fit(name, torch.from_numpy(x.astype(np.float32)), 4, bounded=False)
    assert adjusted_rand_score(y, log_q.argmax(dim=1)) > 0.98


def test_the_nearest_centre_is_that_of_double_precision_everywhere():
    for origin in (0.0, 1e4):
        points, centres = origin + torch.randn(300, 10), origin + torch.randn(40, 10)
        expected = torch.cdist(points.double(), centres.double()).argmin(dim=1)
        assert (nearest(points, centres).argmax(dim=1) == expected).all()


def test_gmm_posterior_is_bayes_rule_with_its_own_parameters():
    model, log_q = fit("gmm", DIGITS[:, :, :4, :4].contiguous(), 3)
    points = DIGITS[:, :, :4, :4].flatten(1).double().numpy()
    inverse = model.precisions_cholesky @ model.precisions_cholesky.transpose(1, 2)
    covariances = torch.linalg.inv(inverse).numpy()
    joint = np.stack(
        [
            np.log(w) + multivariate_normal(m, c, allow_singular=True).logpdf(points)
            for w, m, c in zip(model.weights.numpy(), model.means.numpy(), covariances, strict=True)
        ],
        axis=1,
    )
    expected = (
        joint
        - np.log(np.exp(joint - joint.max(1, keepdims=True)).sum(1, keepdims=True))
        - joint.max(1, keepdims=True)
    )
    np.testing.assert_allclose(log_q.exp().numpy(), np.exp(expected), atol=1e-4)


def test_gmm_samples_have_the_moments_of_their_component():
    x, _ = blobs(d=3)
    model, _ = fit("gmm", x, 3)
    torch.manual_seed(0)
    drawn = model.sample(20_000, cluster=1).double()
    covariance = torch.linalg.inv(model.precisions_cholesky[1] @ model.precisions_cholesky[1].T)
    torch.testing.assert_close(drawn.mean(dim=0), model.means[1], atol=1e-3, rtol=0)
    torch.testing.assert_close(drawn.T.cov(), covariance, atol=1e-5, rtol=0)


def test_gmm_on_principal_components_loses_nothing_when_all_are_kept_but_one_is_empty():
    x, y = blobs(d=4)
    flat = torch.cat([x, x[:, :1]], dim=1)  # five values, four dimensions
    model, log_q = fit("gmm", flat, 3, components=4)
    assert model.pca_axes.shape == (4, 5)
    assert adjusted_rand_score(y, log_q.argmax(dim=1)) == 1.0
    assert model.sample(10).shape == (10, 5)


def test_agglomerative_gives_clustered_points_their_own_label_and_others_the_nearest():
    _, log_q = fit("agglomerative", DIGITS, 10)
    expected = AgglomerativeClustering(10, linkage="ward").fit_predict(DIGITS.flatten(1).numpy())
    assert adjusted_rand_score(expected, log_q.argmax(dim=1)) == 1.0
    model, log_q = fit("agglomerative", DIGITS, 10, max_points=100)
    assert len(model.points) == 100
    nearest = torch.cdist(DIGITS.flatten(1), model.points).argmin(dim=1)
    assert (log_q.argmax(dim=1) == model.labels[nearest]).all()


def test_nmf_coefficients_are_those_of_scikit_learn():
    points = DIGITS.flatten(1).numpy()
    model, _ = fit("nmf", DIGITS, 6)
    torch.testing.assert_close(model.components.norm(dim=1), torch.ones(6))
    error = (model.reconstruct(DIGITS).flatten(1) - DIGITS.flatten(1)).square().sum().sqrt().item()
    expected = NMF(6, init="random", max_iter=400, random_state=3).fit(points).reconstruction_err_
    assert error == pytest.approx(expected, rel=0.02)


def test_random_clusters_are_uniform_and_have_nothing_to_do_with_the_points():
    x, y = blobs(n=20_000)
    _, log_q = fit("random", x, 3)
    clusters = log_q.argmax(dim=1)
    assert torch.bincount(clusters).numpy() == pytest.approx(20_000 / 3, abs=4 * np.sqrt(20_000 * 2 / 9))
    assert abs(adjusted_rand_score(y, clusters)) < 0.001
    _, other = fit("random", x, 3, seed=1)
    assert abs(adjusted_rand_score(clusters, other.argmax(dim=1))) < 0.001


def test_the_untrained_encoder_keeps_its_initial_weights_and_k_means_is_fitted_to_its_codes():
    model, log_q = fit("untrained", DIGITS, 10)
    bound = 1 / np.sqrt(64)  # torch's initial weights of a linear layer are uniform within 1 / sqrt(inputs)
    assert model.encoder[0].weight.std().item() == pytest.approx(bound / np.sqrt(3), rel=0.02)
    codes = model.embed(DIGITS).detach()
    inertia = (codes - model.centres[log_q.argmax(dim=1)]).square().sum().item()
    expected = KMeans(10, n_init=10, random_state=1).fit(codes.numpy()).inertia_
    assert inertia == pytest.approx(expected, rel=0.02)
