"""The contract between the suite and its plugins: what a model and what a data set must be.

A **model** is one file with one class:

    class MyModel(ClusteringModel):
        name = "mymodel"

        @dataclass(frozen=True)
        class Config(ModelConfig):
            latent: int = 10  # J, dimension of the latent

        def __init__(self, data: DataSpec, config: Config): ...
        def stages(self, x):               # what is trained, in order
            yield Stage("train", self.step, steps=1000, batch_size=100)
        def step(self, x): ...             # one minibatch: losses, backward, optimiser step
        def log_assign(self, x): ...       # (B, K) log q(y = k | x)

A **data set** is one file with one class, a `Dataset`. docs/adding-a-model.md and docs/adding-a-dataset.md
walk through both. Models never see labels: these are used for scoring only, after training.
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from benchmark.errors import Unsupported, UserError

__all__ = [
    "Action",
    "ClusteringModel",
    "DataSpec",
    "Dataset",
    "ModelConfig",
    "Stage",
    "as_float",
    "batches_per_epoch",
    "draw_seed",
    "hard_assignment",
    "in_full_precision",
]

OPTIONAL_ABILITIES = ("embed", "sample", "reconstruct")


@dataclass(frozen=True)
class DataSpec:
    """Description of a data set: what a model may know before it sees a point.

    Attributes:
        name: the data set's name, e.g. "mnist".
        shape: of one point: (C, H, W) for an image, (D,) for a vector.
        value_range: (0.0, 1.0) where every value lies there, which samples must respect; None for unbounded
            vectors. Images are always in (0.0, 1.0).
        n: number of training points.
    """

    name: str
    shape: tuple[int, ...]
    value_range: tuple[float, float] | None
    n: int

    @property
    def kind(self) -> str:
        return "image" if len(self.shape) == 3 else "vector"

    @property
    def dim(self) -> int:
        """Number of values of one point."""
        return int(np.prod(self.shape))


@dataclass(frozen=True)
class ModelConfig:
    """Base of every model's `Config`: one documented field per hyper-parameter, defaults as in the paper."""

    n_clusters: int  # K, number of clusters; the data set's number of classes unless set

    def check(self, data: DataSpec) -> None:
        """Raise ValueError if these values do not suit the data; values that suit none belong in
        `__post_init__`.
        """


@dataclass(frozen=True)
class Stage:
    """Many steps on minibatches of the training data.

    Attributes:
        name: shown in the progress bar and the record; curves and seconds are stored under it.
        step: takes a float batch (B, *shape), does its own backward passes and optimiser steps, and returns
            its losses as scalar tensors, the same ones at every step. A step with a second parameter named
            `index` is given the batch's rows of the training points too, (B,) int64. On CUDA it is replayed
            as one CUDA graph (docs/gpu.md): static shapes, no `.item()`, no branch on a tensor's value,
            random numbers drawn on the device from the default generator, and no Python number that changes
            from step to step (make it a buffer, and change it in place).
        steps: number of minibatches, at most.
        batch_size: B; a data set with fewer points is used whole.
        each_epoch: called after every pass over the data, e.g. a learning-rate scheduler's step.
        until: asked every `check_steps` steps, in evaluation mode; true ends the stage. It may compute on all
            points and write buffers, e.g. new targets; what it and `each_epoch` remember is a buffer too.
            Where both are due, `each_epoch` comes first.
        check_steps: 0 for those of a pass over the data.
    """

    name: str
    step: Callable[..., dict[str, Tensor]]
    steps: int
    batch_size: int
    each_epoch: Callable[[], object] | None = None
    until: Callable[[], bool] | None = None
    check_steps: int = 0

    @property
    def takes_index(self) -> bool:
        return "index" in inspect.signature(self.step).parameters


@dataclass(frozen=True)
class Action:
    """Something done once between two stages, e.g. fitting a mixture to the latents of all training
    points. What is repeated after further stages keeps its name.
    """

    name: str
    run: Callable[[], object]


class ClusteringModel(nn.Module, ABC):
    """A generative clustering model (or a baseline), built from a data spec and a config alone.

    Attributes: `data` and `config`, as given to `__init__`, which a subclass calls first:
    super().__init__(data, config).

    Every tensor that a trained model needs is a parameter or a buffer, so that `state_dict` holds all of it;
    one that only training needs, such as a target for every point or what `until` remembers, is a buffer
    with `persistent=False`. Every parameter is trained: one that is fixed has `requires_grad_(False)`.
    Optimisers, learning-rate schedulers and GradScalers are attributes set in `__init__`, of the model or of
    a module in it, alone or in lists, tuples and dictionaries; the Trainer finds all these there for its
    checkpoints.

    Class attributes:
        name: what the user types.
        Config: the model's dataclass of hyper-parameters, a `ModelConfig`.
        presets: {data set name, or "image" or "vector" for others of that kind, or "*" for all others:
        {field: value}}, what differs per data set at the paper's budget.
        hour: the same for the `hour` budget, on top of the preset: about one hour of one CPU core a run on
            data of MNIST's size, with networks as near to the paper's as that allows.
        quick: the same for the `quick` budget, on top of hour: about 100 s on one CPU core for digits, two to
            ten minutes for MNIST.
        smoke: the same for the `smoke` budget, on top of quick: a few seconds, to see that everything runs.
        min_clusters: the smallest K that makes sense.
        on_host: the methods among log_assign, embed, reconstruct and sample that compute on the CPU, e.g.
            with scikit-learn; that all others never wait for the device is what conformance tests check.
    """

    name: ClassVar[str]
    Config: ClassVar[type[ModelConfig]]
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    hour: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    quick: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    smoke: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    min_clusters: ClassVar[int] = 2
    on_host: ClassVar[tuple[str, ...]] = ()

    def __init__(self, data: DataSpec, config: Any):
        super().__init__()
        self.data, self.config = data, config

    @classmethod
    def skip_reason(cls, data: DataSpec) -> str | None:
        """Why this model can't be used on such data, or None if it can. The tables then show a dash."""
        return None

    @abstractmethod
    def stages(self, x: Tensor) -> Iterable[Stage | Action]:
        """Stages and actions of training, in order.

        Args:
            x: all training points as they are stored, (N, *shape), uint8 or float32, on the model's device.
               `as_float` and `map_batches` convert.

        Only describes: it is run through once, before training, and changes and draws nothing. What changes
        the model happens inside a `Stage` or an `Action`, so that a killed run can continue at any of them.
        """

    @abstractmethod
    def log_assign(self, x: Tensor) -> Tensor:
        """(B, K) float32 log q(y = k | x) of a float batch (B, *shape); minus infinity is allowed for hard
        assignments. K is `n_clusters`.
        """

    def assignments(self) -> dict[str, Callable[[Tensor], Tensor]]:
        """The model's assignment rules by name, the neutral protocol's first.

        Each maps all stored points (N, *shape) to (N, K') log-probabilities. A model with one rule,
        `log_assign`, leaves this as it is.
        """
        return {"default": lambda x: self.map_batches(self.log_assign, x)}

    def assign(self, x: Tensor) -> Tensor:
        """(N, K') log-probabilities of all stored points by the first rule."""
        return next(iter(self.assignments().values()))(x)

    @property
    def n_clusters(self) -> int:
        """Number of clusters that the trained model assigns to and samples from: that of the config, unless a
        model finds it itself and overrides this; then it is read from a buffer.
        """
        return int(self.config.n_clusters)

    @property
    def device(self) -> torch.device:
        """Where the model's tensors are."""
        tensors = [*self.parameters(), *self.buffers()]
        return tensors[0].device if tensors else torch.device("cpu")

    def embed(self, x: Tensor) -> Tensor:
        """(B, J) representation of a float batch. Optional."""
        raise Unsupported(f"{self.name} has no embedding")

    def sample(self, n: int, cluster: int | None = None) -> Tensor:
        """(n, *shape) new points in the data's value range, of one cluster or of the whole model.
        Optional.
        """
        raise Unsupported(f"{self.name} cannot sample")

    def reconstruct(self, x: Tensor) -> Tensor:
        """(B, *shape) reconstruction of a float batch, in the data's value range. Optional."""
        raise Unsupported(f"{self.name} cannot reconstruct")

    def diagnose(self, x: Tensor) -> dict[str, Any]:
        """Further label-free measurements of the trained model, for its record: numbers, text, or lists of
        them.

        Args:
            x: all stored training points, as in `stages`.
        """
        return {}

    def draw(self, x: Tensor) -> dict[str, Figure]:
        """Further pictures of the trained model, {name: figure}, written to the run's folder as name.png."""
        return {}

    @classmethod
    def abilities(cls) -> tuple[str, ...]:
        """Which of the optional methods this model has: those that it defines."""
        return tuple(a for a in OPTIONAL_ABILITIES if getattr(cls, a) is not getattr(ClusteringModel, a))

    @torch.no_grad()
    def map_batches(self, function: Callable[[Tensor], Tensor], x: Tensor, batch_size: int = 1000) -> Tensor:
        """`function` of all stored points `x`, computed in float batches without gradients."""
        return torch.cat([function(as_float(part)) for part in x.split(batch_size)])

    def training_state(self) -> dict[str, Any]:
        """State of the optimisers, schedulers and scalers found among the attributes, by attribute name, and
        the buffers that `state_dict` leaves out.
        """
        parts = {name: part.state_dict() for name, part in self._training_parts().items()}
        return parts | self._training_buffers()

    def load_training_state(self, state: Mapping[str, Any]) -> None:
        """Go on with a state of `training_state`.

        Raises:
            UserError: the model had other optimisers, schedulers and scalers then.
        """
        parts, buffers = self._training_parts(), self._training_buffers()
        if differing := sorted({*parts, *buffers} ^ state.keys()):
            raise UserError(
                f"the checkpoint of {self.name} and the model differ in {', '.join(differing)}: optimisers, "
                "schedulers, GradScalers and buffers must be attributes from __init__ on"
            )
        for name, part in parts.items():
            part.load_state_dict(state[name])
        for name, buffer in buffers.items():
            buffer.copy_(state[name])

    def optimizers(self) -> list[torch.optim.Optimizer]:
        return [part for part in self._training_parts().values() if isinstance(part, torch.optim.Optimizer)]

    def _training_buffers(self) -> dict[str, Tensor]:
        kept = self.state_dict().keys()
        return {name: buffer for name, buffer in self.named_buffers() if name not in kept}

    def _training_parts(self) -> dict[str, Any]:
        return {
            name: part
            for prefix, module in self.named_modules()
            for attribute, value in vars(module).items()
            for name, part in _training_parts(f"{prefix}.{attribute}" if prefix else attribute, value)
        }


class Dataset(ABC):
    """A data set: where it comes from, how it is read, and how it must look.

    Class attributes:
        name, title: what the user types, and what a table's heading says.
        source, licence: where it is from, and under which terms.
        splits: "train" first, which models are trained on, and "test" or "validation"; a data set without a
            split has the single part "all", which is trained on and evaluated.
        shape: of one point, (C, H, W) or (D,).
        value_range: (0.0, 1.0) for images, and for vectors in it; None for all other vectors.
        n_classes: number of classes, None where labels are absent.
        class_names: of classes 0, 1, ..., where they have names; go into every record.
        preprocessing: what was done to the values of the files, and who does it so; goes into every record.
        points_of: name of the data set whose points these are too, with other labels, in another size or
            number: a ranking counts the two once. None for data of their own.
        digests: {"train.x": SHA-256, ...} of what `x` and `y` return (`array_digest`), where they are known
        beforehand.
    """

    name: str
    title: str
    source: str = ""
    licence: str = ""
    splits: tuple[str, ...] = ("train", "test")
    shape: tuple[int, ...]
    value_range: tuple[float, float] | None = (0.0, 1.0)
    n_classes: int | None
    class_names: Sequence[str] = ()
    preprocessing: str = "none"
    points_of: str | None = None
    digests: Mapping[str, str] = {}

    def __init__(self, folder: Path):
        self.folder = folder  # the user's data folder, DGCBENCH_DATA

    def missing(self) -> str | None:
        """None when everything is on this machine; otherwise what is missing and how to get it."""
        return None

    def fetch(self) -> None:
        """Download what is missing, verified, into the data folder."""

    @abstractmethod
    def x(self, split: str) -> np.ndarray:
        """Points of a split, (N, *shape): uint8 (scaled to [0, 1] when used) or float32."""

    @abstractmethod
    def y(self, split: str) -> np.ndarray | None:
        """Labels of a split, (N,), or None where there are none. Never shown to a model."""

    def names(self, split: str) -> Sequence[str] | None:
        """Names of a split's points, e.g. of their files, which come back in a run's assignments; None where
        they have none.
        """
        return None

    def known_digests(self) -> str:
        """Means by which `data verify` recognises the right files."""
        return "SHA-256 of the arrays" if self.digests else "none needed"

    def caveat(self) -> str | None:
        """Remark that a reader of results on these very files must know, e.g. that a copy is not exact; goes
        into every record.
        """
        return None


def _training_parts(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """(name, part) of all that has a state of training in `value`, which may be a collection."""
    if isinstance(value, (torch.optim.Optimizer, LRScheduler, torch.amp.GradScaler)):
        yield name, value
    elif isinstance(value, (list, tuple, dict)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _training_parts(f"{name}.{key}", item)


def in_full_precision(output: Tensor) -> Tensor:
    """What a model computed in half precision, in float32; numpy knows no bfloat16."""
    return output.float() if output.dtype in (torch.bfloat16, torch.float16) else output


def as_float(x: Tensor) -> Tensor:
    """Stored points as the models see them: uint8 images scaled to [0, 1], float32 unchanged."""
    return x.float() / 255 if x.dtype == torch.uint8 else x


def batches_per_epoch(x: Tensor, batch_size: int) -> int:
    """Minibatches in one pass over `x`; the remainder is dropped, so that every batch has the same shape."""
    return max(1, len(x) // batch_size)


def hard_assignment(labels: Tensor, n_clusters: int) -> Tensor:
    """(B, K) log-probabilities of a hard clustering (B,): 0 at the label, minus infinity elsewhere."""
    return nn.functional.one_hot(labels, n_clusters).float().log()


def draw_seed() -> int:
    """A seed for a library with its own random state (scikit-learn), drawn from torch's generator."""
    return int(torch.randint(2**31 - 1, ()))
