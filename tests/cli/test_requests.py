"""Options of `run` as requests."""

import argparse

import pytest

from benchmark.cli.parser import _parser
from benchmark.cli.requests import requests, require_seeds
from benchmark.errors import UserError


def _options(*words: str) -> argparse.Namespace:
    return _parser().parse_args(["run", *words])


def test_one_data_set_and_its_settings():
    (request,) = requests(_options("--models", "vade", "--set", "latent=5", "--clusters", "7"), None)
    assert (request.dataset, request.models, request.protocol) == ("digits", ("vade",), "neutral")
    assert (request.overrides, request.clusters, request.seeds) == ({"vade": {"latent": "5"}}, 7, 3)


def test_a_range_of_clusters_is_variants_with_more_seeds():
    (request,) = requests(_options("--clusters", "5:7"), None)
    assert request.variants == ({"n_clusters": 5}, {"n_clusters": 6}, {"n_clusters": 7})
    assert (request.clusters, request.seeds) == (None, 5)


def test_a_paper_says_itself_what_is_run():
    asked = requests(_options("--paper", "vade", "--budget", "quick"), None)
    assert {(request.budget, request.protocol) for request in asked} == {("quick", "pooled")}
    with pytest.raises(UserError, match="leave --models and --protocol out"):
        requests(_options("--paper", "vade", "--models", "mpcc", "--protocol", "pooled"), None)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--clusters", "5:9", "--seeds", "2"), "needs three at least; --seeds 2 was given"),
        (("--consensus", "--seeds", "1"), "two at least; --seeds 1 was given"),
        (("--consensus", "--paper", "vade"), "not with --paper or --study"),
    ],
)
def test_what_needs_several_seeds(words, message):
    require_seeds(_options())
    with pytest.raises(UserError, match=message):
        require_seeds(_options(*words))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--set", "latent=5"), "several models, so say which: --set MODEL.latent=5"),
        (("--models", "vade", "--set", "latent"), r"expected \[MODEL.\]KEY=VALUE"),
    ],
)
def test_settings_that_are_not_clear(words, message):
    with pytest.raises(UserError, match=message):
        requests(_options(*words), None)
