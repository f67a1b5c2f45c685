"""Options that a user has on SLURM, from the command line or a TOML file, and the sbatch parameters that it
becomes.
"""

import dataclasses
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmark.errors import UserError, unknown

OURS = ("array", "job-name", "output", "error", "open-mode", "signal", "dependency", "requeue", "wckey")


@dataclasses.dataclass(frozen=True)
class SlurmOptions:
    """Resources of one job. What is None is left to the cluster's defaults."""

    partition: str | None = None  # queue to submit to
    account: str | None = None  # project to charge
    qos: str | None = None  # quality of service
    # limit of one sitting, in any of SLURM's formats; runs that need more go on in the next
    time: str = "4:00:00"
    gpus: str | None = None  # 1, or with a type: a100:1 (default: 1 on CUDA)
    cpus: int | None = None  # cores (default: the threads of the job's runs)
    memory: str | None = None  # of the job, e.g. 8G
    parallel: int = 64  # jobs of this sweep at a time
    per_gpu: int = 1  # runs of one model that share a job and its GPU
    # times that a job is started again after preemption, the end of its time, or the death of its node
    requeues: int = 5
    setup: tuple[str, ...] = ()  # shell lines before the start, e.g. "module load cuda" (file only)
    # further options of sbatch: sbatch.constraint=a100
    sbatch: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.gpus is not None and not re.fullmatch(r"0|1|\w[\w.-]*:1", self.gpus):
            raise UserError(f"gpus={self.gpus}: expected 1 or TYPE:1 (a run uses one GPU), or 0")
        if self.per_gpu > 1 and self.gpus in (None, "0"):
            raise UserError(
                f"--per-gpu {self.per_gpu}: these jobs have no GPU to share; ask for one with --slurm gpus=1"
            )
        if (
            self.parallel < 1
            or self.per_gpu < 1
            or self.requeues < 0
            or (self.cpus is not None and self.cpus < 1)
        ):
            raise UserError("parallel, per_gpu and cpus must be at least 1, requeues at least 0")
        for name in self.sbatch:
            if name.replace("_", "-") in OURS:
                raise UserError(f"sbatch.{name} can't be set: the suite sets it itself")
        self.minutes  # noqa: B018  (checks `time`)

    @property
    def minutes(self) -> int:
        """`time` in minutes, rounded up. SLURM's formats: M, M:S, H:M:S, D-H, D-H:M, D-H:M:S."""
        match = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", self.time)
        if not match:
            raise UserError(f"time={self.time}: expected minutes, H:MM:SS, or D-HH:MM:SS")
        days, *parts = (int(part) if part else 0 for part in match.groups())
        given = sum(part is not None for part in match.groups()[1:])
        if match[1] is None:  # without days, the last of two numbers is seconds
            parts = {1: [0, parts[0], 0], 2: [0, parts[0], parts[1]], 3: parts}[given]
        hours, minutes, seconds = parts
        total = -(-(days * 86400 + hours * 3600 + minutes * 60 + seconds) // 60)
        if total < 1:
            raise UserError(f"time={self.time}: expected at least one minute")
        return total

    def device(self, asked: str | None) -> str:
        """Device of the runs, where the user did not say: this machine's GPU, or its lack of one, means
        nothing.
        """
        return asked or ("cpu" if self.gpus in (None, "0") else "cuda")

    @classmethod
    def read(
        cls, file: Path | None, pairs: Iterable[str], per_gpu: int | None, device: str | None
    ) -> "SlurmOptions":
        """Options from a TOML file, KEY=VALUE texts, which override it, and --per-gpu."""
        values: dict[str, Any] = _read_file(file) if file else {}
        values["sbatch"] = dict(_converted("sbatch", values.get("sbatch", {})))
        for text in pairs:
            key, equals, value = text.partition("=")
            if not equals:
                raise UserError(f"--slurm {text}: expected KEY=VALUE")
            if key.startswith("sbatch."):
                values["sbatch"][key.removeprefix("sbatch.")] = True if value in ("", "true") else value
            elif key in ("sbatch", "setup"):
                raise UserError(f"--slurm {text}: {key} goes into a file, given with --slurm-file")
            else:
                values[key] = value
        if per_gpu is not None:
            values["per_gpu"] = per_gpu
        if device == "cuda":
            values.setdefault("gpus", "1")
        return cls(**{name: _converted(name, value) for name, value in values.items()})

    def parameters(self, name: str, threads: int, previous: str | None) -> dict[str, Any]:
        """submitit's parameters for an array called `name` that starts after the job `previous`."""
        extra = {"mem": self.memory, "qos": self.qos, **self.sbatch}
        return {
            "job_name": name,
            "partition": self.partition,
            "account": self.account,
            "time": self.minutes,
            "gpus_per_node": None if self.gpus == "0" else self.gpus,
            "cpus_per_task": self.cpus or threads * self.per_gpu,
            "array_parallelism": self.parallel,
            "dependency": f"afterany:{previous}" if previous else None,
            # For checkpoints, before SLURM kills; jobs of a few minutes have not so much to save.
            "signal_delay_s": 90 if self.minutes > 5 else 30,
            "stderr_to_stdout": True,
            "wckey": None,
            "setup": list(self.setup) or None,
            "additional_parameters": {"requeue": True, **{k: v for k, v in extra.items() if v is not None}},
        }

    def srun_arguments(self) -> list[str]:
        """Resources as above, on the command line of srun."""
        named = {"partition": self.partition, "account": self.account, "qos": self.qos, **self.sbatch}
        if self.gpus not in (None, "0"):
            named["gpus-per-node"] = self.gpus
        given = {k.replace("_", "-"): v for k, v in named.items() if v is not None}
        return [f"--{name}" if value is True else f"--{name}={value}" for name, value in given.items()]


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"the SLURM options in {path} can't be read: {error}") from None


def _converted(name: str, value: Any) -> Any:
    """A value as the option's type; numbers may come as text, and text as numbers."""
    types = {field.name: field.type for field in dataclasses.fields(SlurmOptions)}
    if name not in types:
        raise unknown("SLURM option", name, types)
    if name in ("sbatch", "setup"):
        if not isinstance(value, dict if name == "sbatch" else list):
            raise UserError(
                f"{name}: expected"
                f" {'a table of sbatch options' if name == 'sbatch' else 'a list of shell lines'}"
            )
        return value if name == "sbatch" else tuple(value)
    if types[name] in (int, int | None):
        if not str(value).isdecimal():
            raise UserError(f"{name}={value}: expected a whole number")
        return int(value)
    return str(value)
