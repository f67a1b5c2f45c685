"""Models that behave badly in every way a stranger's model may, for the tests of the runner."""

import os
import signal
import subprocess
import time
from dataclasses import dataclass

import torch

from benchmark.api import Action, ClusteringModel, ModelConfig, Stage, hard_assignment


class _Fake(ClusteringModel):
    """Assigns at random and takes `steps` steps of `pause` seconds, doing something bad at step `when`."""

    @dataclass(frozen=True)
    class Config(ModelConfig):
        steps: int = 20  # steps of training
        pause: float = 0.0  # seconds a step takes
        when: int = 5  # step at which it happens

    def __init__(self, data, config):
        super().__init__(data, config)
        self.register_buffer("step_count", torch.zeros((), dtype=torch.long))
        self.register_buffer("noise", torch.zeros(()))

    def stages(self, x):
        yield Stage("train", self.step, self.config.steps, batch_size=100)
        yield Action("finish", lambda: None)

    def step(self, x):
        time.sleep(self.config.pause)
        self.step_count += 1
        if self.step_count == 10:
            print("in training", flush=True)
        self.noise += torch.rand(()) * x.mean()  # a state that depends on noise, data and their order
        if self.step_count == self.config.when:
            self.misbehave()
        return {"loss": self.loss()}

    def misbehave(self):
        pass

    def loss(self):
        return self.noise.clone()

    def log_assign(self, x):
        labels = (x.flatten(1).sum(dim=1) * 7).long() % self.config.n_clusters
        return hard_assignment(labels, self.config.n_clusters)


class Fine(_Fake):
    """Does nothing bad."""

    name = "fine"


class Raises(_Fake):
    """Raises an exception in the middle of training."""

    name = "raises"

    def misbehave(self):
        raise RuntimeError("this model is broken on purpose")


class Hangs(_Fake):
    """Stops answering, also to SIGTERM."""

    name = "hangs"

    def misbehave(self):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(1)


class Nan(_Fake):
    """Its loss becomes NaN."""

    name = "nan"

    def loss(self):
        return torch.tensor(float("nan")) if self.step_count >= self.config.when else torch.zeros(())


class Memory(_Fake):
    """Asks for more memory than any machine has."""

    name = "memory"

    def misbehave(self):
        torch.empty(2**52)


class Exits(_Fake):
    """Ends its process without a word."""

    name = "exits"

    def misbehave(self):
        os._exit(3)


class Killed(_Fake):
    """Is killed, as by the system's out-of-memory killer."""

    name = "killed"

    def misbehave(self):
        os.kill(os.getpid(), signal.SIGKILL)


class Crashes(_Fake):
    """Dies by a segmentation fault."""

    name = "crashes"

    def misbehave(self):
        os.kill(os.getpid(), signal.SIGSEGV)


class Tensor(_Fake):
    """Its step returns the loss alone."""

    name = "tensor"

    def step(self, x):
        return super().step(x)["loss"]


class Vector(_Fake):
    """Returns a loss per point."""

    name = "vector_loss"

    def loss(self):
        return torch.zeros(3)


class Half(_Fake):
    """Computes everything in bfloat16."""

    name = "half"

    def log_assign(self, x):
        squares = (
            x.flatten(1).sum(dim=1, keepdim=True) - 2.0 * torch.arange(self.config.n_clusters)
        ).square()
        return (-squares).bfloat16().log_softmax(dim=1)

    def embed(self, x):
        return x.flatten(1)[:, :2].bfloat16()

    def sample(self, n, cluster=None):
        return torch.full((n, *self.data.shape), (cluster or 0) / 20, dtype=torch.bfloat16)

    def reconstruct(self, x):
        return x.bfloat16()


class Spawns(_Fake):
    """Starts a process that outlives it, and says which in the log."""

    name = "spawns"

    def misbehave(self):
        process = subprocess.Popen(["sleep", "600"])
        print(f"spawned {process.pid}", flush=True)
