"""The decompositions of docs/four-corners.md on discrete joint distributions, every sum written out."""

import pytest
import torch
from torch import Tensor

X, Z, Y = 5, 4, 3  # number of values of x, z and y


def kl(a: Tensor, b: Tensor) -> Tensor:
    """KL(a || b) over all values."""
    return (a * (a / b).log()).sum()


def entropy(a: Tensor) -> Tensor:
    return -(a * a.log()).sum()


@pytest.fixture
def table():
    """Makes random positive tables that sum to 1 over the last `over` dimensions."""
    g = torch.Generator().manual_seed(0)

    def make(*shape, over=1):
        values = torch.rand(*shape, generator=g, dtype=torch.float64) + 0.1
        return values / values.sum(dim=tuple(range(-over, 0)), keepdim=True)

    return make


@pytest.fixture
def two(table):
    """q(x), q(z | x) (X, Z), p(z), p(x | z) (Z, X), and the joints (X, Z)."""
    qx, qz_x, pz, px_z = table(X), table(X, Z), table(Z), table(Z, X)
    return qx, qz_x, pz, px_z, qx[:, None] * qz_x, (pz[:, None] * px_z).T


@pytest.fixture
def three(table):
    """q(x), q(z | x), q(y | z) (Z, Y), p(y), p(z | y) (Y, Z), p(x | z, y) (Z, Y, X), the joints (X, Z, Y)."""
    qx, qz_x, qy_z, py, pz_y, px_zy = (
        table(X),
        table(X, Z),
        table(Z, Y),
        table(Y),
        table(Y, Z),
        table(Z, Y, X),
    )
    q = qx[:, None, None] * qz_x[:, :, None] * qy_z
    p = torch.einsum("y,yz,zyx->xzy", py, pz_y, px_zy)
    return qx, qz_x, qy_z, py, pz_y, px_zy, q, p


def test_tables_are_distributions(two, three):
    for joint in (*two[-2:], *three[-2:]):
        torch.testing.assert_close(joint.sum(), torch.ones((), dtype=torch.float64))


def test_vae_equation_1_matching_x_and_then_the_posterior(two):
    qx, qz_x, _, _, q, p = two
    px, pz_x = p.sum(dim=1), p / p.sum(dim=1, keepdim=True)
    posterior = sum(qx[i] * kl(qz_x[i], pz_x[i]) for i in range(X))
    torch.testing.assert_close(kl(q, p), kl(qx, px) + posterior)


def test_vae_equation_2_the_negative_elbo_less_the_entropy_of_the_data(two):
    qx, qz_x, pz, px_z, q, p = two
    reconstruction = -sum(q[i, j] * px_z[j, i].log() for i in range(X) for j in range(Z))
    prior = sum(qx[i] * kl(qz_x[i], pz) for i in range(X))
    torch.testing.assert_close(kl(q, p), reconstruction + prior - entropy(qx))


def test_aim_equation_3_matching_x_and_then_the_posterior_of_generated_points(two):
    qx, qz_x, _, _, q, p = two
    px, pz_x = p.sum(dim=1), p / p.sum(dim=1, keepdim=True)
    posterior = sum(px[i] * kl(pz_x[i], qz_x[i]) for i in range(X))
    torch.testing.assert_close(kl(p, q), kl(px, qx) + posterior)


def test_aim_equation_4_generated_points_against_data_then_loss_2_then_loss_3(two):
    qx, qz_x, pz, px_z, q, p = two
    one = sum(pz[j] * kl(px_z[j], qx) for j in range(Z))
    encoder = -sum(p[i, j] * qz_x[i, j].log() for i in range(X) for j in range(Z))
    torch.testing.assert_close(kl(p, q), one + encoder - entropy(pz))


def test_vade_equation_5_the_negative_elbo_less_the_entropy_of_the_data(three):
    """p(x | z, y) = p(x | z), as in VaDE."""
    qx, qz_x, qy_z, py, pz_y, px_zy, q, _ = three
    px_z = px_zy[:, 0]
    p = torch.einsum("y,yz,zx->xzy", py, pz_y, px_z)
    prior = (py[:, None] * pz_y).T  # p(z, y) (Z, Y)
    reconstruction = -sum(qx[i] * qz_x[i, j] * px_z[j, i].log() for i in range(X) for j in range(Z))
    divergence = sum(qx[i] * kl(qz_x[i][:, None] * qy_z, prior) for i in range(X))
    torch.testing.assert_close(kl(q, p), reconstruction + divergence - entropy(qx))


def test_vade_s_gamma_is_the_best_q_of_y_given_z(three):
    """KL(q || p) of x, z, y is that of x, z and E_q(z) KL(q(y | z) || p(y | z)), which is 0 at q = p."""
    _, _, qy_z, py, pz_y, px_zy, q, _ = three
    p = torch.einsum("y,yz,zx->xzy", py, pz_y, px_zy[:, 0])
    qxz, prior = q.sum(dim=2), (py[:, None] * pz_y).T
    gamma = prior / prior.sum(dim=1, keepdim=True)
    clusters = sum(qxz.sum(dim=0)[j] * kl(qy_z[j], gamma[j]) for j in range(Z))
    torch.testing.assert_close(kl(q, p), kl(qxz, p.sum(dim=2)) + clusters)
    torch.testing.assert_close(kl(qxz[:, :, None] * gamma, p), kl(qxz, p.sum(dim=2)))


def test_mpcc_equation_6_its_three_losses(three):
    qx, qz_x, qy_z, py, pz_y, px_zy, q, p = three
    one = sum(py[k] * pz_y[k, j] * kl(px_zy[j, k], qx) for k in range(Y) for j in range(Z))
    values = [(i, j, k) for i in range(X) for j in range(Z) for k in range(Y)]
    two = -sum(p[v] * (qz_x[v[:2]].log() + qy_z[v[1:]].log()) for v in values)
    three_ = -entropy(py) - sum(py[k] * entropy(pz_y[k]) for k in range(Y))
    torch.testing.assert_close(kl(p, q), one + two + three_)


def test_each_corner_is_0_where_the_joints_agree_and_the_directions_differ_elsewhere(two):
    *_, q, p = two
    assert kl(p, p) == 0
    assert abs(kl(q, p) - kl(p, q)) > 1e-3
    assert min(kl(q, p), kl(p, q)) > 0
