"""The options of `run`."""

import argparse

from benchmark.cli.run_options import add_run_options


def _parser():
    parser = argparse.ArgumentParser()
    add_run_options(parser)
    return parser


def test_without_options_nothing_is_chosen_that_a_paper_or_study_says_itself():
    options = vars(_parser().parse_args([]))
    says_itself = ("dataset", "protocol", "paper", "study", "seeds", "budget", "device", "jobs", "threads")
    assert {options[name] for name in says_itself} == {None}
    assert not any(options[name] for name in ("models", "clusters", "overrides", "consensus", "snapshots"))
    assert options["executor"] == "local"


def test_help_has_the_options_in_groups():
    text = _parser().format_help()
    titles = ("what is run:", "how it is run:", "where it is run, and what is made again:")
    places = [text.index(title) for title in titles]
    assert places == sorted(places)
    assert places[0] < text.index("  --dataset NAME") < places[1] < text.index("  --threads N") < places[2]
