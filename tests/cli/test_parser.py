"""Options, and what wrong ones are told."""

import pytest


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "--dataset", "minst"), "unknown data set 'minst'; did you mean mnist"),
        (("run", "--models", "vada"), "unknown model 'vada'; did you mean vade"),
        (("run", "--models", "vade", "--set", "lrr=1"), "did you mean lr"),
        (("run", "--models", "vade", "--set", "lr=fast"), "vade.lr was given 'fast', expected float"),
        (("run", "--set", "lr=1"), "say which: --set MODEL.lr=1"),
        (("run", "--models", "vade", "--set", "lr"), "expected [MODEL.]KEY=VALUE"),
        (("run", "--seeds", "many"), "'many' was given, expected a whole number"),
        (("run", "--budget", "huge"), "invalid choice: 'huge'"),
        (("run", "--jobs", "0"), "'0' was given, expected a whole number of at least 1"),
        (("run", "--shade", "red"), "unrecognized arguments: --shade red"),
        (("run", "--dataset", "nowhere.npz"), "there is no file or folder nowhere.npz"),
        (("run", "--models", "kmeans", "--clusters", "1"), "expected at least 2"),
        (("run", "--plugin", "nothing.py"), "there is no file nothing.py"),
        (
            ("run", "--models", "mpcc", "--dataset", "modes3"),
            "can be used on 3 skewed modes (mpcc: its networks",
        ),
        (("tables", "--paper", "vade", "--study", "gmvae-k-m"), "ask for one at a time"),
        (("info", "vad"), "did you mean vade"),
        (("tables", "--results", "/nowhere"), "there are no records"),
        (("run", "--fid-n", "3"), "3 was given, expected at least 4"),
        (("fid", "results", "--extractors", ","), "no name was given, expected clf or inception"),
        (("walk",), "invalid choice: 'walk'"),
        ((), "required: command"),
    ],
)
def test_wrong_usage_exits_with_1_and_says_what_to_do(capsys, monkeypatch, arguments, message):
    """In this process where it can be, for speed: the plan is made without a process of its own."""
    from benchmark.cli import parser
    from benchmark.running.plan import plan

    monkeypatch.setattr("benchmark.running.plan.make_plan", plan)
    try:
        code = parser.main(list(arguments))
    except SystemExit as exit_:
        code = exit_.code
    assert code == 1
    assert message in capsys.readouterr().err


def test_help_names_every_command_and_exit_code(cli):
    found = cli("--help")
    for word in ("run", "tables", "list", "info", "doctor", "exit codes"):
        assert word in found.stdout
