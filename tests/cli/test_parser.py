"""Options, and what wrong ones are told."""

import errno

import pytest

from benchmark.errors import UserError, explained


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "--dataset", "minst"), "unknown data set 'minst'; did you mean mnist"),
        (("run", "--dataset", "my_images"), "nor is there a file or folder of that name"),
        (("run", "--models", "vada"), "unknown model 'vada'; did you mean vade"),
        (("run", "--models", "vade", "--set", "lrr=1"), "did you mean lr"),
        (("run", "--models", "vade", "--set", "lr=fast"), "vade.lr was given 'fast', expected float"),
        (("run", "--set", "lr=1"), "say which: --set MODEL.lr=1"),
        (
            ("run", "--models", "all", "--set", "epochs=3"),
            "several models, so say which: --set MODEL.epochs=3",
        ),
        (("run", "--models", "vade", "--set", "lr"), "expected [MODEL.]KEY=VALUE"),
        (("run", "--seeds", "many"), "'many' was given, expected a whole number"),
        (("run", "--budget", "huge"), "invalid choice: 'huge'"),
        (("run", "--jobs", "0"), "'0' was given, expected a whole number of at least 1"),
        (("run", "--seed", "1"), "unknown argument '--seed'; did you mean --seeds"),
        (("run", "digits"), "unknown argument 'digits'; known: --budget, "),
        (("run", "--dataset", "nowhere.npz"), "there is no file or folder nowhere.npz"),
        (("run", "--models", "kmeans", "--clusters", "1"), "expected at least 2"),
        (("run", "--clusters", "20:5"), "'20:5' was given, expected K, or several numbers from 2 on: FIRST"),
        (("run", "--clusters", "1:5"), "'1:5' was given, expected K, or several numbers from 2 on"),
        (("run", "--clusters", "5:9:0"), "'5:9:0' was given"),
        (("run", "--clusters", "5:9:1:1"), "'5:9:1:1' was given"),
        (("run", "--clusters", "4,,6"), "'4,,6' was given"),
        (("run", "--clusters", "5:9", "--seeds", "2"), "needs three at least; --seeds 2 was given"),
        (
            ("run", "--clusters", "5:99", "--models", "kmeans", "--dataset", "FEW"),
            "9 points, fewer than the 10 clusters",
        ),
        (("run", "--consensus", "--seeds", "1"), "a consensus is of several seeds, two at least; --seeds 1"),
        (("run", "--consensus", "--study", "gmvae-k-m"), "--consensus goes with runs that"),
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
def test_wrong_usage_exits_with_1_and_says_what_to_do(capsys, monkeypatch, tmp_path, arguments, message):
    """In this process where it can be, for speed: the plan is made without a process of its own."""
    from benchmark.cli import parser
    from benchmark.running.plan import plan

    monkeypatch.setattr("benchmark.running.plan.make_plan", plan)
    few = tmp_path / "few.csv"
    few.write_text("1,2\n" * 9)
    try:
        code = parser.main([str(few) if word == "FEW" else word for word in arguments])
    except SystemExit as exit_:
        code = exit_.code
    assert code == 1
    assert message in capsys.readouterr().err


def test_a_file_that_a_strangers_code_does_not_find_is_said_with_the_line_and_a_full_disk_is_left_to_main(
    tmp_path,
):
    with (
        pytest.raises(UserError, match=r"the data: FileNotFoundError: .*, line"),
        explained("the data"),
    ):
        (tmp_path / "absent.npy").read_bytes()
    with pytest.raises(OSError, match="full"), explained("the data"):
        raise OSError(errno.ENOSPC, "full")


def test_a_command_stopped_by_hand_says_so_and_exits_with_130(monkeypatch, capsys):
    from benchmark.cli import parser, show

    def stopped(options):
        raise KeyboardInterrupt

    monkeypatch.setattr(show, "print_list", stopped)
    assert parser.main(["list"]) == 130
    assert capsys.readouterr().err == "stopped\n"


def test_help_names_every_command_and_exit_code(cli):
    found = cli("--help")
    for word in ("run", "tables", "list", "info", "doctor", "exit codes"):
        assert word in found.stdout


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("8", (8,)), ("5:8", (5, 6, 7, 8)), ("5:11:3", (5, 8, 11)), ("9,4,9", (4, 9)), ("1", (1,))],
)
def test_a_number_of_clusters_or_several(text, numbers):
    from benchmark.cli.parser import _parser

    assert _parser().parse_args(["run", "--clusters", text]).clusters == numbers
