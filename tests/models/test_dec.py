"""DEC: its similarity, target and loss against loops in float64 and their closed gradient; its stop."""

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs

from benchmark import config
from benchmark.api import DataSpec
from benchmark.errors import UserError
from benchmark.models import dec
from benchmark.running.train import Trainer
from benchmark.seeding import start

N, K, J = 40, 3, 2
SPEC = DataSpec("some", (4,), None, N)
RNG = np.random.default_rng(0)
Z, MU = RNG.normal(size=(N, J)), RNG.normal(size=(K, J))


def make(seed=0, **overrides):
    start(seed, "init")
    small = {"cluster_steps": 30, "target_steps": 5, "batch_size": 20}
    return dec.DEC(SPEC, config.resolve(dec.DEC, SPEC, K, "smoke", small | overrides))


def blobs():
    return torch.from_numpy(make_blobs(N, 4, centers=K, random_state=3)[0]).float()


def q_by_loops():
    """Equation 1, alpha = 1."""
    q = np.empty((N, K))
    for i in range(N):
        for j in range(K):
            q[i, j] = 1 / (1 + sum((Z[i, d] - MU[j, d]) ** 2 for d in range(J)))
        q[i] /= q[i].sum()
    return q


def p_by_loops(q):
    """Equation 3."""
    p = np.empty((N, K))
    for i in range(N):
        for j in range(K):
            p[i, j] = q[i, j] ** 2 / sum(q[m, j] for m in range(N))
        p[i] /= p[i].sum()
    return p


def test_similarity_target_and_divergence_equal_the_equations_term_by_term():
    q = q_by_loops()
    p = p_by_loops(q)
    log_q = dec.log_student_t(torch.from_numpy(Z), torch.from_numpy(MU))
    np.testing.assert_allclose(log_q.exp().numpy(), q, rtol=1e-12)
    target = dec.target_distribution(log_q.exp())
    np.testing.assert_allclose(target.numpy(), p, rtol=1e-12)
    kl = [sum(p[i, j] * np.log(p[i, j] / q[i, j]) for j in range(K)) for i in range(N)]
    np.testing.assert_allclose(dec.kl_divergence(target, log_q).numpy(), kl, rtol=1e-9)


def test_the_divergence_of_equals_and_of_certain_targets():
    log_q = torch.log(torch.tensor([[0.2, 0.8], [0.5, 0.5]], dtype=torch.float64))
    torch.testing.assert_close(dec.kl_divergence(log_q.exp(), log_q), torch.zeros(2, dtype=torch.float64))
    certain = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(dec.kl_divergence(certain, log_q), -log_q[[0, 1], [1, 0]])


def test_gradients_equal_those_of_the_paper():
    """Equations 4 and 5: dL/dz_i = 2 sum_j (p - q)(z_i - mu_j) / (1 + d^2), dL/dmu_j minus that over i."""
    z, mu = torch.from_numpy(Z).requires_grad_(), torch.from_numpy(MU).requires_grad_()
    log_q = dec.log_student_t(z, mu)
    p = dec.target_distribution(log_q.exp()).detach()
    dec.kl_divergence(p, log_q).sum().backward()
    differences = Z[:, None] - MU
    weights = (p.numpy() - q_by_loops()) / (1 + (differences**2).sum(axis=2))
    parts = 2 * weights[:, :, None] * differences
    np.testing.assert_allclose(z.grad.numpy(), parts.sum(axis=1), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(mu.grad.numpy(), -parts.sum(axis=0), rtol=1e-9, atol=1e-12)


def test_a_step_lowers_the_divergence_of_the_points_in_its_rows_from_their_targets():
    model, x = make(cluster_lr=0.1), blobs()
    model.fit_kmeans(x)
    model.has_settled(x)
    rows = torch.tensor([7, 3, 21, 30])
    expected = dec.kl_divergence(model.target[rows], model.log_assign(x[rows])).mean()
    first = model.cluster_step(x[rows], rows)["kl"]
    torch.testing.assert_close(first, expected)
    for _ in range(20):
        last = model.cluster_step(x[rows], rows)["kl"]
    assert last < first


def test_the_target_is_refreshed_between_steps_and_clustering_ends_when_labels_stay(monkeypatch):
    looks = []
    model, x = make(cluster_steps=1000, epochs=20, tolerance=0.03), blobs()
    settled = model.has_settled
    monkeypatch.setattr(model, "has_settled", lambda x: looks.append(model.changed.item()) or settled(x))
    trainer = Trainer(model, x, 0)
    trainer.run()
    steps = trainer.curves[-1]["step"] - trainer.plan[0].steps
    assert steps < 1000
    assert steps == 5 * (len(looks) - 1)  # one look before the first step
    assert model.changed < 0.03
    assert all(changed >= 0.03 for changed in looks[1:])
    torch.testing.assert_close(model.target, dec.target_distribution(model.log_assign(x).exp()).detach())


def test_a_fixed_scale_leaves_the_autoencoder_as_it_was():
    model, x = make(scale=4.0), blobs()
    before = model.reconstruct(x)
    model.fit_kmeans(x)
    torch.testing.assert_close(model.reconstruct(x), before, rtol=1e-4, atol=1e-5)
    squares = dec.squared_distances(model.embed(x), model.centres).amin(dim=1)
    assert squares.mean().item() == pytest.approx(4.0, rel=1e-4)


def test_clustering_trains_encoder_and_centres_and_leaves_the_decoder():
    model, x = make(), blobs()
    model.fit_kmeans(x)
    model.has_settled(x)
    model.cluster_step(x, torch.arange(N))
    touched = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None}
    assert touched == {"encoder", "centres"}


@pytest.mark.parametrize("override", [{"target_steps": 0}, {"tolerance": 1.5}, {"scale": -1.0}])
def test_values_out_of_range(override):
    with pytest.raises(UserError, match=next(iter(override))):
        make(**override)
