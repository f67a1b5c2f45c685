"""The paper budget of VaDE, GMVAE, kVAEs and ClusterGAN on the papers' data sets, against the numbers of the
papers and of the released code; MPCC's are in test_mpcc_losses.py.
"""

import pytest

from benchmark import config
from benchmark.api import DataSpec
from benchmark.models import clustergan, gmvae, kvaes, vade

GREY, COLOUR, UNIT = (1, 28, 28), (3, 32, 32), (0.0, 1.0)


def preset(model, name, shape, value_range=UNIT):
    return config.resolve(model, DataSpec(name, shape, value_range, 50_000), 10, "paper", {})


def values(c, names):
    return tuple(getattr(c, name) for name in names.split())


@pytest.mark.parametrize(
    ("name", "shape", "value_range", "expected"),
    [
        ("mnist", GREY, UNIT, (3000, 0.9, 10, 2e-4, 1.0)),
        ("har", (561,), None, (120, 0.9, 10, 0.0, 0.1)),
        ("reuters10k", (2000,), None, (15, 0.5, 5, 0.0, 0.5)),
    ],
)
def test_vade(name, shape, value_range, expected):
    c = preset(vade.VaDE, name, shape, value_range)
    assert values(c, "epochs lr_factor lr_epochs lr_floor variance") == expected
    assert values(c, "latent hidden batch_size lr adam_eps") == (10, (500, 500, 2000), 100, 2e-3, 1e-4)
    # what the smaller budgets add is off
    assert values(c, "mixtures em_choice em_points whiten kl_warmup") == (1, "likelihood", 0, False, 0.0)
    assert values(c, "min_pretrain_steps min_steps") == (0, 0)


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("mnist", GREY, ("conv", 50, 100)),
        ("svhn", COLOUR, ("conv", 128, 500)),
        ("svhn_extra", COLOUR, ("conv", 128, 500)),
    ],
)
def test_gmvae(name, shape, expected):
    c = preset(gmvae.GMVAE, name, shape)
    assert values(c, "network batch_size epochs") == expected
    assert values(c, "x_dim w_dim prior_hidden mc_samples") == (200, 150, 500, 1)
    assert values(c, "lr min_information") == (1e-4, 0.5)
    assert values(c, "reconstruction_weight annealing min_values min_steps") == (1.0, 0.0, 0, 0)
    assert c.hidden == (1000, 1000)  # of network=fc


def test_gmvae_in_the_plane():
    """But for the weight of its reconstruction, which is 2 in the released code."""
    c = preset(gmvae.GMVAE, "some", (2,), None)
    assert values(c, "network x_dim w_dim hidden batch_size epochs") == ("fc", 2, 2, (100, 100), 200, 500)
    assert values(c, "lr min_information annealing min_steps") == (1e-4, 0.5, 0.0, 0)


@pytest.mark.parametrize(
    ("name", "discriminator_epochs"), [("modes3", 2), ("modes5", 2), ("modes9", 5), ("mnist", 0)]
)
def test_kvaes(name, discriminator_epochs):
    """0 epochs of the discriminators are a single batch; MNIST's batch size and other epochs are ours."""
    plane = name != "mnist"
    c = preset(kvaes.KVAEs, name, (2,) if plane else GREY, None if plane else UNIT)
    assert values(c, "discriminator_epochs reset_discriminators") == (discriminator_epochs, plane)
    assert values(c, "lr beta1 pretrain_on min_share") == (5e-3, 0.5, "all", 0)
    assert values(c, "start density") == ("competition", "discriminator")
    assert values(c, "min_pretrain_steps min_vae_steps") == (1, 1)
    if plane:
        assert values(c, "latent hidden filters discriminator_filters") == (5, (50, 50), (), ())
        assert values(c, "batch_size pretrain_epochs meta_iterations vae_epochs") == (32, 100, 100, 10)
    else:
        filters = ((8, 16, 32, 64), (64, 128, 256))
        assert values(c, "latent filters discriminator_filters meta_iterations") == (8, *filters, 10)


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("mnist", GREY, (30, 10.0, (1024,), True, 500_000)),
        ("fashion_mnist", GREY, (40, 0.0, (1024,), True, 500_000)),
        ("fashion5", GREY, (40, 0.0, (1024,), True, 500_000)),
        ("pendigits", (16,), (5, 10.0, (256, 256), True, 500_000)),
        ("tenx73k", (720,), (30, 10.0, (256, 256), False, 100_000)),
    ],
)
def test_clustergan(name, shape, expected):
    c = preset(clustergan.ClusterGAN, name, shape)
    assert values(c, "latent beta_n hidden batch_norm steps") == expected
    assert values(c, "variant loss critic_norm channels") == ("clustergan", "wgan-gp", "none", (64, 128))
    # sigma is the variant's, in test_clustergan.py
    assert values(c, "sigma beta_c penalty epochs_at_most") == (None, 10.0, 10.0, None)
    assert values(c, "critic_steps batch_size lr critic_lr beta2") == (5, 64, 1e-4, 1e-4, 0.9)
    decoding = values(c, "decode_steps decode_loss decode_penalty decode_lr decode_box")
    assert decoding == (5000, "released", 10.0, 0.01, 0.6)
