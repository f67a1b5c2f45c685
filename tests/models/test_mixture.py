"""Mixtures of codes: the choice between fits, and their posteriors, against closed forms and scikit-learn."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from benchmark.models import _mixture
from benchmark.models._budget import training_epochs, training_steps
from benchmark.models._mixture import fit_mixture, information


def groups(k=4, n=400, origin=0.0):
    """Points (n, 3) in k round groups 8 standard deviations apart, and their groups."""
    rng = np.random.default_rng(0)
    y = rng.integers(k, size=n)
    return torch.from_numpy(origin + 8 * np.stack([y, y % 2, y % 3], axis=1) + rng.normal(size=(n, 3))), y


def test_information_of_known_posteriors():
    """log K for equal certain clusters, 0 for equal posteriors, and sum p log p / (p p) in between."""
    assert information(torch.eye(5)).item() == pytest.approx(math.log(5))
    assert information(torch.tensor([[0.3, 0.7]]).expand(9, 2)).item() == pytest.approx(0, abs=1e-6)
    q = torch.tensor([[0.9, 0.1], [0.2, 0.8]], dtype=torch.float64)
    p = q.mean(dim=0)
    assert information(q).item() == pytest.approx((q / 2 * (q / p).log()).sum().item())


@pytest.mark.parametrize("origin", [0.0, 1e4])
@pytest.mark.parametrize("choice", ["likelihood", "information"])
def test_separated_groups_are_found_wherever_they_lie(origin, choice):
    x, y = groups(origin=origin)
    torch.manual_seed(0)
    mixture = fit_mixture(x.float(), 4, 3, choice)
    assert adjusted_rand_score(y, mixture.log_joint(x.float()).argmax(dim=1)) == 1.0


def test_posteriors_equal_those_of_scikit_learn():
    x, _ = groups()
    torch.manual_seed(0)
    mixture = fit_mixture(x, 3, 1, "likelihood")
    reference = GaussianMixture(3)
    reference.weights_, reference.means_ = mixture.weights.numpy(), mixture.means.numpy()
    inverse = np.linalg.inv(mixture.covariances.numpy())
    reference.precisions_cholesky_ = np.linalg.cholesky(inverse)
    np.testing.assert_allclose(
        mixture.log_joint(x).softmax(dim=1).numpy(), reference.predict_proba(x.numpy()), atol=1e-9
    )


def test_the_fit_with_the_highest_score_is_kept(monkeypatch):
    """Every fit is watched; what comes back is the best of them by the score that was asked for."""
    fits = []

    class Watched(GaussianMixture):
        def fit(self, values):
            super().fit(values)
            q = torch.from_numpy(self.predict_proba(values))
            fits.append(
                {
                    "likelihood": self.lower_bound_,
                    "information": information(q).item(),
                    "weights": self.weights_,
                }
            )
            return self

    monkeypatch.setattr(_mixture, "GaussianMixture", Watched)
    x = torch.rand(300, 2, generator=torch.Generator().manual_seed(0))
    for choice in ("likelihood", "information"):
        fits.clear()
        torch.manual_seed(0)
        found = fit_mixture(x, 5, 8, choice)
        scores = [fit[choice] for fit in fits]
        assert len(set(scores)) > 1
        np.testing.assert_array_equal(found.weights.numpy(), fits[int(np.argmax(scores))]["weights"])


def test_the_least_number_of_steps_and_the_epochs_that_it_makes():
    assert training_steps(600, 100, 10, 0) == 60
    assert training_steps(600, 100, 10, 300) == 300
    assert training_steps(60_000, 100, 10, 300) == 6000
    assert training_epochs(600, 100, 10, 300) == 50
    assert training_epochs(60_000, 100, 10, 300) == 10
    assert training_steps(50, 100, 10, 0) == 10  # a batch of all points
