"""A SLURM cluster of one node on the loopback address, for tests: `python tests/slurm/slurm_cluster.py
FOLDER` runs one.

Everything is its own: folder, munge key and socket, ports, configuration. It needs root and Debian's packages
slurmctld, slurmd, slurm-client and munge, touches no service of the system, and ends with the process that
started it. There is no accounting (slurmdbd), as on many small clusters.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")
MAX_ARRAY_SIZE = 3  # so that a small sweep needs several arrays

CONFIG = """
ClusterName=dgctest
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld_port}
SlurmdPort={slurmd_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SlurmdTimeout=10
KillWait=30
MinJobAge=300
MaxArraySize={max_array_size}
EnforcePartLimits=ALL
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} Sockets=1 CoresPerSocket={cpus} ThreadsPerCore=1 \\
    RealMemory={memory} Gres=gpu:1
PartitionName=main Nodes={host} Default=YES MaxTime=60 State=UP
"""


def why_not() -> str | None:
    """Why no cluster can be started here; None if one can."""
    missing = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    if missing:
        return f"no SLURM here: {', '.join(missing)} not found (Debian: slurmctld slurmd slurm-client munge)"
    if os.geteuid() != 0:
        return "a test cluster must be started by root"
    return None


class Cluster:
    """The running cluster.

    Attributes:
        env: the environment in which sbatch, squeue and the rest find this cluster.
    """

    def __init__(self, folder: Path, cpus: int):
        self.folder = folder
        self.env = {**os.environ, "PATH": _path(), "SLURM_CONF": str(folder / "slurm.conf")}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        host, ports = socket.gethostname().split(".")[0], _free_ports(2)
        for name in ("state", "spool"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        key = folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
        (folder / "slurm.conf").write_text(
            CONFIG.format(
                folder=folder,
                host=host,
                ctld_port=ports[0],
                slurmd_port=ports[1],
                cpus=cpus,
                memory=memory,
                max_array_size=MAX_ARRAY_SIZE,
            )
        )
        (folder / "gres.conf").write_text("Name=gpu File=/dev/null\n")
        (folder / "cgroup.conf").write_text("CgroupAutomount=no\n")

    def start(self) -> None:
        munge = [
            f"--{what}={self.folder}/munge.{what.split('-')[0]}"
            for what in ("socket", "key-file", "pid-file", "seed-file")
        ]
        self.spawn("munged", "--foreground", "--force", "--num-threads=2", *munge)
        _wait_for(lambda: (self.folder / "munge.socket").exists(), "munged")
        self.spawn("slurmctld", "-D", "-c", "-i")
        self.spawn("slurmd", "-D")
        _wait_for(self.idle, "the node", self.log)

    def spawn(self, name: str, *arguments: str) -> None:
        with open(self.folder / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen([name, *arguments], env=self.env, stdout=log, stderr=log)

    def die(self) -> None:
        """The node loses power: slurmd and all that it has started, at once."""
        _kill({self.processes["slurmd"].pid} | _of_jobs(self.folder))
        self.processes["slurmd"].wait()

    def stop(self) -> None:
        if "slurmctld" in self.processes:
            self.run("scancel", "--user=root", "--signal=KILL", check=False)
        _kill(_of_jobs(self.folder))
        for process in reversed(self.processes.values()):
            process.terminate()
        for process in reversed(self.processes.values()):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def run(self, *command: str, check: bool = True) -> str:
        return subprocess.run(
            command, env=self.env, capture_output=True, text=True, check=check, timeout=60
        ).stdout

    def idle(self) -> bool:
        return "idle" in self.run("sinfo", "--noheader", "--format=%T", check=False)

    def log(self) -> str:
        return "\n".join(f"{path.name}: {path.read_text()[-2000:]}" for path in self.folder.glob("*.log"))


@contextlib.contextmanager
def running(folder: Path, cpus: int = 4) -> Iterator[Cluster]:
    cluster = Cluster(folder, cpus)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def _of_jobs(folder: Path) -> set[int]:
    """All processes of this cluster's jobs, and the slurmstepd above each of them, which hides its own
    environment.
    """
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            environ = (path / "environ").read_bytes()
            if f"SLURM_CONF={folder}/".encode() in environ and b"SLURM_JOB_ID=" in environ:
                parent = (path / "stat").read_text().rsplit(")", 1)[1].split()[1]
                found.add(int(path.name))
                if Path(f"/proc/{parent}/comm").read_text().startswith("slurmstepd"):
                    found.add(int(parent))
    return found


def _kill(pids: set[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _path() -> str:
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]


def _wait_for(condition, what: str, log=lambda: "", seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} did not come up within {seconds:g} s\n{log()}")
        time.sleep(0.1)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with running(Path(sys.argv[1]).resolve()) as found:
        print(f"export SLURM_CONF={found.env['SLURM_CONF']}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            found.processes["slurmctld"].wait()
