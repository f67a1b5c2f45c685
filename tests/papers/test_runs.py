"""The runs that papers and named studies need."""

import re

import pytest

from benchmark.api import DataSpec
from benchmark.config import resolve
from benchmark.errors import UserError
from benchmark.papers.published import paper
from benchmark.papers.runs import _read, paper_requests, studies, study, study_requests
from benchmark.registry import Registry


def test_the_studies_of_the_papers_are_there():
    assert set(studies()) >= {"clustergan-wrong-k", "gmvae-k-m", "kvaes-likelihood", "mpcc-prior-lr"}
    assert [v["n_clusters"] for v in study("clustergan-wrong-k").variants] == [7, 9, 10, 11, 13]
    assert len(study("gmvae-k-m").variants) == 6


def test_a_grid_becomes_variants_under_the_papers_protocol():
    (request,) = study_requests(study("gmvae-k-m"), {"budget": "quick"}, None, None)
    assert (request.dataset, request.models, request.seeds, request.protocol) == (
        "mnist",
        ("gmvae",),
        5,
        "neutral",
    )
    assert request.variants[1] == {"n_clusters": "10", "mc_samples": "10"}
    assert request.budget == "quick"


def test_data_set_and_seeds_can_be_others():
    assert len(study_requests(study("kvaes-likelihood"), {}, None, None)) == 3
    (request,) = study_requests(study("kvaes-likelihood"), {}, "modes5", 2)
    assert (request.dataset, request.seeds) == ("modes5", 2)


def test_lists_are_written_as_a_user_types_them():
    (request,) = study_requests(study("kvaes-likelihood"), {}, "modes5", None)
    kvaes = Registry().model("kvaes")
    config = resolve(kvaes, DataSpec("modes5", (2,), None, 64_000), 5, "paper", request.variants[2])
    assert (config.n_clusters, config.hidden) == (1, (150, 150))
    assert config.meta_iterations * config.vae_epochs == 1000  # the epochs of the paper's VAE-150


def test_a_paper_needs_each_of_its_settings_once():
    (request,) = paper_requests(paper("gmvae"), {}, "mnist", None)
    assert len(request.variants) == 6
    expected = {
        "mpcc": ("pooled", 5),
        "clustergan": ("held-out", 10),
        "kvaes": ("neutral", 5),
        "gmvae": ("neutral", 5),
        "vade": ("pooled", 5),
        "dec": ("pooled", 10),
        "idec": ("pooled", 5),
        "dcn": ("pooled", 10),
        "vae": ("pooled", 5),
        "aae": ("neutral", 5),
        "n2d": ("pooled", 5),
        "mfcvae": ("neutral", 10),
        "umap_hdbscan": ("pooled", 5),
    }
    on_mnist = {name: paper_requests(paper(name), {}, "mnist", None)[0] for name in expected}
    assert {name: (r.protocol, r.seeds) for name, r in on_mnist.items()} == expected
    assert {"variant": "wgan_normal", "decode": "true"} in on_mnist["clustergan"].variants


def test_data_that_no_paper_has_are_refused_with_those_that_there_are():
    with pytest.raises(UserError, match=r"has no numbers for digits; it has some for .*mnist"):
        paper_requests(paper("vade"), {}, "digits", None)


def test_a_paper_without_a_data_set_is_run_on_all_of_its_own():
    assert {r.dataset for r in paper_requests(paper("mpcc"), {}, None, 1)} == {
        "mnist",
        "fashion_mnist",
        "omniglot",
        "cifar10",
        "cifar20",
    }


OWN = 'model = "vade"\ndatasets = ["digits"]\nseeds = 3\ngrid = { latent = [5, 10] }\n'


def test_a_study_needs_a_model_data_sets_and_seeds(tmp_path):
    (tmp_path / "own.toml").write_text(OWN)
    own = _read(tmp_path / "own.toml")
    assert (own.title, own.metrics, own.tables) == ("own", ("accuracy", "nmi", "ari"), ())
    (request,) = study_requests(own, {}, None, None)
    assert (request.models, request.seeds, request.protocol) == (("vade",), 3, "neutral")
    assert request.variants == ({"latent": "5"}, {"latent": "10"})


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("seeds = 3", "", "the study own.toml has no seeds; it needs model, datasets, seeds"),
        ("grid", "gird", "unknown key of the study own.toml: 'gird'; did you mean grid"),
        ("seeds", 'metrics = ["acuracy"]\nseeds', "unknown metric of the study own.toml: 'acuracy'; did you"),
        ("seeds", 'paper = "vad"\nseeds', "unknown paper 'vad'; did you mean vade"),
        ('["digits"]', '"digits"', "own.toml: datasets is 'digits', expected a list, ['digits']"),
        ('["digits"]', "digits", "the study own.toml is not TOML: Invalid value (at line 2, column 12)"),
    ],
)
def test_a_mistake_in_a_study_is_named(tmp_path, right, wrong, message):
    (tmp_path / "own.toml").write_text(OWN.replace(right, wrong))
    with pytest.raises(UserError, match=re.escape(message)):
        _read(tmp_path / "own.toml")


def test_an_unknown_study_lists_near_names():
    with pytest.raises(UserError, match="did you mean gmvae-k-m"):
        study("gmvae-km")
