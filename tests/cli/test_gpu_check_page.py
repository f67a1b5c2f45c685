"""The page of measurements made by hand."""

from dataclasses import replace

from benchmark.cli.gpu_check_page import (
    Check,
    Done,
    number,
    page,
    pairs,
    projection_rows,
    steps_rows,
    together_rows,
)
from benchmark.running.timing import FORMS, Timing

FIRST = Timing("pretrain", 100, 60_000, "eager", 0.006, 0.2, 100.0, 900.0)
FIT = Timing("fit", 0, 2, "eager", 15.0)
SECOND = Timing("train", 100, 1_800_000, "eager", 0.004, 0.3, 110.0, 900.0)
GRAPHS = [replace(FIRST, mode="graph", seconds=0.001, busy=0.9), replace(SECOND, mode="graph", seconds=0.001)]


def check(*done):
    return Check("cuda", FORMS["cuda"], {"gpu": "H100", "packages": {"torch": "2"}}, 480.0, list(done))


def alone(*timings, failure=""):
    return Done("m alone", "alone", "m", 30.0, failure, timings)


def together(*seconds, failure=""):
    timings = [replace(GRAPHS[1], seconds=s, device_mb=1000.0 + i) for i, s in enumerate(seconds)]
    return Done("m together", "together", "m", 20.0, failure, timings)


def test_a_stage_has_its_time_in_both_modes_and_the_ratio():
    first, second = steps_rows(check(alone(FIRST, FIT, SECOND, *GRAPHS)))
    assert (first["eager, ms"], first["graph, ms"], first["times as fast"]) == ("6", "1", "6")
    assert (first["busy, eager"], first["busy, graph"], second["times as fast"]) == ("20%", "90%", "4")


def test_a_stage_that_was_not_captured_has_the_reason_and_no_time_of_a_graph():
    (row,) = steps_rows(check(alone(FIRST, replace(FIRST, mode="eager: it waits"))))
    assert (row["graph, ms"], row["no graph because"]) == ("–", "it waits")


def test_the_hours_of_a_run_are_steps_and_actions():
    (row,) = projection_rows(check(alone(FIRST, FIT, SECOND, *GRAPHS), together(0.0015, 0.0018)))
    actions = 2 * 15.0 * 60_000 / 5000  # measured on 5,000 images
    assert row["steps"] == "1,860,000"
    assert row["eager, h"] == number((60_000 * 0.006 + 1_800_000 * 0.004 + actions) / 3600)
    assert row["as a run goes, h"] == number((1_860_000 * 0.001 + actions) / 3600)
    assert row["5 seeds at once, h"] == number((1_860_000 * 0.001 * 1.8 + actions) / 3600)
    assert row["of it actions, h"] == "0.1"


def test_nothing_is_projected_from_half_of_a_measurement():
    (row,) = projection_rows(check(alone(FIRST, FIT, failure="it broke"), together(0.001)))
    assert {row[name] for name in row if name.endswith(", h")} == {"–"}
    (row,) = projection_rows(check(alone(FIRST, FIT, SECOND, GRAPHS[0], failure="it broke")))
    assert (row["as a run goes, h"], row["5 seeds at once, h"]) == ("–", "–")
    assert row["eager, h"] != "–"


def test_seeds_side_by_side_are_compared_with_one_alone_unless_some_failed():
    ends = alone(FIRST, FIT, SECOND, *GRAPHS)
    (row,) = together_rows(check(ends, together(0.0015, 0.0018)))
    assert (row["alone, ms"], row["each, ms"], row["times as long"], row["MiB"]) == (
        "1",
        "1.8",
        "1.8",
        "1001",
    )
    (row,) = together_rows(check(ends, together(0.0015, failure="out of memory")))
    assert (row["seeds"], row["times as long"]) == ("1", "–")
    assert together_rows(check(ends, together(failure="out of memory"))) == []


def test_the_page_is_whole_at_every_moment_and_says_what_the_images_are():
    for done in ([], [alone(failure="it broke")], [alone(FIRST, FIT, SECOND, *GRAPHS), together(0.002)]):
        text = page(check(*done))
        assert "Random images of MNIST's shape, not MNIST" in text
        assert "| gpu " in text
        assert text.count("\n## ") == 4
    assert pairs([FIRST, FIT, GRAPHS[0]]) == [(FIRST, GRAPHS[0])]


def test_the_log_of_a_part_is_shown_where_it_failed():
    failed = Done("m alone", "alone", "m", 3.0, "it broke", log=["line 1", "it broke"])
    tests = Done("tests", "tests", "", 9.0, log=["a PASSED", "== 1 passed =="])
    text = page(check(tests, failed))
    assert "```\nline 1\nit broke\n```" in text
    assert "a PASSED" not in text
    assert "1 passed" in tests.line()
