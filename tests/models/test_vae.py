"""VAE: its objective against the likelihood of a model whose posterior is known, and its two rules."""

import math

import torch
from sklearn.metrics import adjusted_rand_score
from torch.distributions import Bernoulli, MultivariateNormal, Normal, kl_divergence

from benchmark import config
from benchmark.api import DataSpec
from benchmark.models.vae import VAE
from benchmark.running.train import Trainer

IMAGES = DataSpec("some", (1, 4, 4), (0.0, 1.0), 500)
VECTORS = DataSpec("some", (5,), None, 300)


def make(spec=IMAGES, k=3, budget="smoke", **overrides):
    torch.manual_seed(0)
    values = {name: str(value) for name, value in overrides.items()}
    return VAE(spec, config.resolve(VAE, spec, k, budget, values))


def test_the_terms_are_those_of_textbook_distributions():
    model, x = make(latent=3).double(), torch.rand(7, 1, 4, 4, dtype=torch.float64)
    torch.manual_seed(1)
    reconstruction, kl = model.nelbo(x)
    m, l = model.encoder(x.flatten(1)).chunk(2, dim=1)
    torch.manual_seed(1)
    posterior = Normal(m, (0.5 * l).exp())
    z = posterior.loc + posterior.scale * torch.randn_like(m)
    expected = -Bernoulli(logits=model.decoder(z), validate_args=False).log_prob(x.flatten(1)).sum(dim=1)
    torch.testing.assert_close(reconstruction, expected)
    torch.testing.assert_close(kl, kl_divergence(posterior, Normal(0.0, 1.0)).sum(dim=1))


def test_a_step_goes_down_the_mean_of_both_terms():
    model, x = make(latent=3).double(), torch.rand(7, 1, 4, 4, dtype=torch.float64)
    torch.manual_seed(1)
    expected = torch.autograd.grad(sum(model.nelbo(x)).mean(), list(model.parameters()))
    torch.manual_seed(1)
    losses = model.step(x)
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)
    torch.testing.assert_close(losses["nelbo"], losses["reconstruction"] + losses["kl"])


def test_with_the_exact_posterior_the_negative_elbo_is_the_negative_log_likelihood():
    """Linear networks: p(x | z) = N(W z + b, I), so p(x) = N(b, W W^T + I), and the posterior is Gaussian.

    W has orthogonal columns, which makes it one with independent dimensions.
    """
    model = make(VECTORS, hidden="", latent=2).double()
    (decoder,), (encoder,) = model.decoder, model.encoder
    g = torch.Generator().manual_seed(0)
    normal = lambda *shape: torch.randn(*shape, generator=g, dtype=torch.float64)  # noqa: E731
    w, b = torch.linalg.qr(normal(5, 2))[0] * torch.tensor([0.5, 2.0]), normal(5)
    variance = 1 / (1 + w.square().sum(dim=0))  # of q(z | x)
    with torch.no_grad():
        decoder.weight.copy_(w)
        decoder.bias.copy_(b)
        encoder.weight.copy_(torch.cat([variance[:, None] * w.T, torch.zeros(2, 5)]))
        encoder.bias.copy_(torch.cat([-variance * (w.T @ b), variance.log()]))
    x = normal(3, 5)
    nelbo = sum(model.nelbo(x.repeat(20_000, 1))).view(20_000, 3).mean(dim=0)
    likelihood = MultivariateNormal(b, w @ w.T + torch.eye(5)).log_prob(x) + 2.5 * math.log(2 * math.pi)
    torch.testing.assert_close(nelbo, -likelihood, atol=0.05, rtol=0)


def test_both_rules_find_separated_clusters_and_the_first_is_kmeans():
    g = torch.Generator().manual_seed(0)
    y = torch.randint(3, (300,), generator=g)
    x = 8 * torch.eye(3, 5)[y] + torch.randn(300, 5, generator=g)
    model = make(VECTORS, budget="quick", hidden=16, latent=2, epochs=20, min_steps=300, em_restarts=1)
    Trainer(model, x, 0).run()
    rules = model.eval().assignments()
    assert next(iter(rules)) == "kmeans"
    for rule in rules.values():
        assert adjusted_rand_score(y, rule(x).argmax(dim=1)) > 0.95
