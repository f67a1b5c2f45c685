"""The distance against closed forms, scipy's matrix square root, and what must leave it unchanged."""

import mpmath
import numpy as np
import pytest
import scipy.linalg
import torch

from benchmark.evaluation.fid.frechet import Moments, RunningMoments, frechet_distance

rng = np.random.default_rng


def covariance(d, seed):
    a = rng(seed).normal(size=(d, 2 * d))
    return a @ a.T / (2 * d)


def orthogonal(d, seed):
    return np.linalg.qr(rng(seed).normal(size=(d, d)))[0]


def gaussian(mean, cov):
    return Moments(10**6, np.asarray(mean, dtype=float), np.asarray(cov, dtype=float))


def of(values, batch=64):
    running = RunningMoments()
    for part in torch.as_tensor(values).split(batch):
        running.add(part)
    return running.moments()


def test_diagonal_covariances():
    """sum (m - n)^2 + sum (sqrt s - sqrt t)^2."""
    m, n, s, t = rng(0).uniform(0.1, 3, size=(4, 7))
    expected = np.sum((m - n) ** 2) + np.sum((np.sqrt(s) - np.sqrt(t)) ** 2)
    assert frechet_distance(gaussian(m, np.diag(s)), gaussian(n, np.diag(t))) == pytest.approx(
        expected, rel=1e-12
    )


def test_commuting_covariances():
    q, (s, t) = orthogonal(9, 1), rng(2).uniform(0.1, 3, size=(2, 9))
    found = frechet_distance(gaussian(np.zeros(9), q * s @ q.T), gaussian(np.zeros(9), q * t @ q.T))
    assert found == pytest.approx(np.sum((np.sqrt(s) - np.sqrt(t)) ** 2), rel=1e-10)


def test_shifted_and_identical():
    cov, shift = covariance(20, 3), rng(4).normal(size=20)
    assert frechet_distance(gaussian(np.zeros(20), cov), gaussian(shift, cov)) == pytest.approx(
        shift @ shift, rel=1e-10
    )
    assert frechet_distance(gaussian(shift, cov), gaussian(shift, cov)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_against_scipys_square_root(seed):
    d = 40
    a, b = covariance(d, 10 + seed), covariance(d, 20 + seed)
    m, n = rng(seed).normal(size=(2, d))
    expected = np.sum((m - n) ** 2) + np.trace(a + b - 2 * scipy.linalg.sqrtm(a @ b).real)
    assert frechet_distance(gaussian(m, a), gaussian(n, b)) == pytest.approx(expected, rel=1e-10)


def test_against_a_square_root_in_fifty_digits():
    """Nearly singular covariances, where a square root in float64 has few digits left."""
    q = orthogonal(6, 5)
    a, b = q * np.logspace(0, -9, 6) @ q.T, covariance(6, 6)
    with mpmath.workdps(50):
        root = mpmath.sqrtm(mpmath.matrix(a.tolist()) * mpmath.matrix(b.tolist()))
        trace = float(sum(mpmath.re(root[i, i]) for i in range(6)))
    expected = np.trace(a) + np.trace(b) - 2 * trace
    assert frechet_distance(gaussian(np.zeros(6), a), gaussian(np.zeros(6), b)) == pytest.approx(
        expected, rel=1e-8
    )


def test_symmetry_and_rotations():
    a, b = (
        gaussian(rng(7).normal(size=30), covariance(30, 7)),
        gaussian(rng(8).normal(size=30), covariance(30, 8)),
    )
    q = orthogonal(30, 9)
    turned = [gaussian(q @ x.mean, q @ x.cov @ q.T) for x in (a, b)]
    assert frechet_distance(b, a) == pytest.approx(frechet_distance(a, b), rel=1e-10)
    assert frechet_distance(*turned) == pytest.approx(frechet_distance(a, b), rel=1e-10)


def test_too_few_samples_give_a_warning_and_still_the_right_distance():
    x, y = rng(0).normal(size=(2, 5, 8))
    with pytest.warns(RuntimeWarning, match="5 samples of 8 features"):
        found = frechet_distance(of(x), of(y + 1))
    a, b = np.cov(x.T), np.cov(y.T)
    trace = np.sqrt(np.linalg.eigvals(a @ b).astype(complex)).real.sum()
    expected = np.sum((x.mean(0) - y.mean(0) - 1) ** 2) + np.trace(a + b) - 2 * trace
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("batch", [1, 7, 256])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_moments_are_numpys_whatever_the_batch(batch, offset):
    x = rng(1).normal(size=(500, 6)) @ rng(2).normal(size=(6, 6)) + offset
    found = of(x, batch)
    np.testing.assert_allclose(found.mean, x.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.cov, np.cov(x.T), rtol=1e-7)
    assert found.n == 500


def test_moments_of_float32_features_are_summed_in_float64():
    x = (1000 + rng(3).normal(size=(20_000, 4))).astype(np.float32)
    np.testing.assert_allclose(of(x, 100).cov, np.cov(x.astype(np.float64).T), rtol=1e-9)


def test_running_moments_can_be_put_away():
    x = torch.from_numpy(rng(4).normal(size=(50, 3)))
    first = RunningMoments()
    first.add(x[:20])
    again = RunningMoments.restore(first.state(), torch.device("cpu"))
    again.add(x[20:])
    np.testing.assert_allclose(again.moments().cov, np.cov(x.numpy().T), rtol=1e-12)


def test_bad_features():
    with pytest.raises(ValueError, match="at least 2"):
        of(np.zeros((1, 3)))
    with pytest.raises(ValueError, match="at least 2"):
        RunningMoments().moments()
    with pytest.raises(ValueError, match="NaN"):
        of(np.full((5, 3), np.nan))
    with pytest.raises(ValueError, match=r"expected \(B, D\)"):
        RunningMoments().add(torch.zeros(3))
    with pytest.raises(ValueError, match="distance of these moments is nan"):
        frechet_distance(gaussian(np.full(3, np.nan), np.eye(3)), gaussian(np.zeros(3), np.eye(3)))
    with pytest.raises(ValueError, match="3 and of 4 features"):
        frechet_distance(gaussian(np.zeros(3), np.eye(3)), gaussian(np.zeros(4), np.eye(4)))
