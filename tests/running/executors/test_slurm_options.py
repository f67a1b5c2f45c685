import pytest

from benchmark.errors import UserError
from benchmark.running.executors.slurm_options import SlurmOptions


def options(*pairs, file=None, per_gpu=None, device=None):
    return SlurmOptions.read(file, pairs, per_gpu, device)


@pytest.mark.parametrize(
    ("time", "minutes"),
    [
        ("90", 90),
        ("1:30", 2),
        ("4:00:00", 240),
        ("1-0", 1440),
        ("1-02:30", 1590),
        ("2-00:00:01", 2881),
        ("0:30", 1),
    ],
)
def test_times_in_all_of_slurms_formats(time, minutes):
    assert options(f"time={time}").minutes == minutes


def test_a_file_and_the_command_line_which_overrides_it(tmp_path):
    file = tmp_path / "cluster.toml"
    file.write_text(
        'partition = "gpu"\ntime = 60\nsetup = ["module load cuda"]\n[sbatch]\nconstraint = "a100"\n'
    )
    found = options("partition=big", "sbatch.exclusive=true", file=file, per_gpu=3, device="cuda")
    assert (found.partition, found.minutes, found.gpus, found.per_gpu) == ("big", 60, "1", 3)
    assert found.sbatch == {"constraint": "a100", "exclusive": True}
    parameters = found.parameters("dgc-x", threads=4, previous="7")
    assert parameters["cpus_per_task"] == 12
    assert parameters["dependency"] == "afterany:7"
    assert parameters["additional_parameters"] == {"requeue": True, "constraint": "a100", "exclusive": True}
    assert found.srun_arguments() == [
        "--partition=big",
        "--constraint=a100",
        "--exclusive",
        "--gpus-per-node=1",
    ]


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("partion=gpu", "did you mean partition"),
        ("partition", "expected KEY=VALUE"),
        ("time=soon", "expected minutes"),
        ("time=0", "at least one minute"),
        ("gpus=2", "a run uses one GPU"),
        ("cpus=many", "expected a whole number"),
        ("sbatch.array=1-3", "the suite sets it itself"),
        ("setup=x", "goes into a file"),
        ("requeues=-1", "expected a whole number"),
        ("parallel=0", "at least 1"),
    ],
)
def test_bad_options(pair, message):
    with pytest.raises(UserError, match=message):
        options(pair)


def test_options_of_sbatch_in_a_file_are_a_table(tmp_path):
    (tmp_path / "cluster.toml").write_text('sbatch = "constraint=a100"')
    with pytest.raises(UserError, match="sbatch: expected a table of sbatch options"):
        options(file=tmp_path / "cluster.toml")


def test_cells_can_share_only_a_gpu_that_there_is():
    with pytest.raises(UserError, match="no GPU to share"):
        options(per_gpu=2)
