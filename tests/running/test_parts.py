"""Parts under a budget of time: nothing outlives its share, and nothing that fails stops the rest."""

import time

import pytest

from benchmark.running.parts import Part, make_parts


def shell(script, kind="alone", weight=1.0, copies=1):
    return Part(kind, "", weight, lambda folder: [["sh", "-c", script, "-", str(folder)]] * copies)


def test_each_part_is_given_back_with_what_it_wrote_and_a_failure_stops_no_other():
    parts = [
        shell("echo 1; echo oh >&2; exit 3"),
        shell("echo 2"),
        Part("alone", "", 1, lambda _: [["true"]]),
    ]
    found = [ended[0] for _, _, _, ended in make_parts(parts, 60)]
    assert [(e.code, e.output) for e in found] == [(3, "1\n"), (0, "2\n"), (0, "")]
    assert found[0].reason(1) == "oh"


def test_a_part_is_ended_at_its_share_with_everything_that_it_started(tmp_path):
    mark = tmp_path / "mark"
    script = f"(sleep 2; touch {mark}) & echo begun; sleep 30"
    began = time.monotonic()
    ((_, limit, seconds, (ended,)),) = make_parts([shell(script)], 0.8)
    assert limit == pytest.approx(0.8, abs=0.01)
    assert seconds < 1.5
    assert (ended.code, ended.output) == (None, "begun\n")
    assert ended.reason(0.8) == "ended after the 1 s that it had"
    time.sleep(max(0.0, began + 2.5 - time.monotonic()))
    assert not mark.exists()


def test_shares_go_by_weight_and_time_that_is_left_goes_to_the_later():
    parts = [shell("true", weight=3), shell("true"), shell("true")]
    limits = [limit for _, limit, _, _ in make_parts(parts, 100)]
    assert limits[0] == pytest.approx(60, abs=0.1)
    assert limits[1] == pytest.approx(50, abs=1)
    assert limits[2] == pytest.approx(100, abs=3)


def test_processes_of_a_part_begin_together_and_one_that_died_is_not_waited_for():
    # each touches its file of readiness a second after the other, or dies
    script = 'sleep 0.$(($$ % 5)); touch "$1/ready-$$"; until [ -e "$1/go" ]; do sleep 0.02; done; ls "$1"'
    dead = ["sh", "-c", "exit 1"]
    part = Part("together", "", 1, lambda folder: [dead, *[["sh", "-c", script, "-", str(folder)]] * 2])
    ((_, _, _, ended),) = make_parts([part], 30)
    assert [e.code for e in ended] == [1, 0, 0]
    assert all(e.output.count("ready-") == 2 for e in ended[1:])


def test_the_reason_of_a_silent_end_is_its_exit_code():
    ((_, _, _, (ended,)),) = make_parts([shell("exit 7")], 10)
    assert ended.reason(10) == "exit code 7, without a word"
