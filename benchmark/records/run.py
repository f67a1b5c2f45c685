"""One run = data set x model x config x seed: what identifies it, and where it lies."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from benchmark.errors import UserError
from benchmark.files import digest, write_atomically
from benchmark.reading import DEFAULT, Reading

FILE = "run.json"
THREADS = {"cpu": 1, "cuda": 4}  # of a run on each device, unless it was asked for others
STANDARDISATION = "standardisation.npz"  # of the vectors of an own file: mean and scale of every column

Record = dict[str, Any]


@dataclasses.dataclass(frozen=True, eq=False)  # a run is itself, so that it can be a dictionary key
class Run:
    """A planned run; plain data, so that it can be written to a file and handed to another process.

    Attributes:
        key: everything that determines the result except the seed: data set, model, budget, protocol,
            resolved config, device and threads, and the digests and versions of data, model source and
            training loop.
        seed: of all random streams.
        dataset: what the data set was asked for by: its name, or the absolute path of the user's own data.
        plugins: paths of the --plugin files that hold the model or the data set.
        fid: "clf", "inception", or None for what suits the device; not part of the key, since it can be
        measured later.
        fid_n: images a side that FID is measured on.
        overrides: the hyper-parameters in the key's config that are not those of the model's presets.
        spec: the fields of the DataSpec that the model is built from, so that it can be built without the
        data.
        reading: of own data; the key has the digest of what that gives.
        eager: steps are not replayed as CUDA graphs; not part of the key, since results are the same.
        snapshots: states kept during training for its learning curve; not part of the key either.
    """

    key: dict[str, Any]
    seed: int
    dataset: str
    plugins: tuple[str, ...]
    fid: str | None = None
    fid_n: int = 10_000
    overrides: dict[str, Any] = dataclasses.field(default_factory=dict)
    spec: dict[str, Any] = dataclasses.field(default_factory=dict)
    reading: Reading = DEFAULT
    eager: bool = False
    snapshots: int = 0

    @property
    def digest(self) -> str:
        return digest(self.key)[:12]

    @property
    def device(self) -> str:
        """ "cpu" or "cuda"."""
        return str(self.key["device"])

    @property
    def threads(self) -> int:
        """Threads of torch and the numerical libraries: sums over several threads round differently."""
        return int(self.key["threads"])

    @property
    def own(self) -> Path | None:
        """Where the user's own data were, if it is of such."""
        return Path(self.dataset) if Path(self.dataset).is_absolute() else None

    @property
    def title(self) -> str:
        """What tells it from the other runs of a sweep, e.g. "digits vade n_clusters=8 seed 0".

        Of own data, which may have no labels that tell K, always with it.
        """
        k = {"n_clusters": self.key["config"]["n_clusters"]} if self.own else {}
        settings = [f"{name}={value}" for name, value in {**k, **self.overrides}.items()]
        return " ".join([self.key["dataset"], self.key["model"], *settings, "seed", str(self.seed)])

    def folder(self, results: Path) -> Path:
        return results / "runs" / self.key["dataset"] / self.key["model"] / self.digest / f"seed-{self.seed}"

    def record(self, status: str, **more: Any) -> Record:
        asked = {
            "dataset": self.dataset,
            "plugins": [str(Path(plugin).absolute()) for plugin in self.plugins],
            **dataclasses.asdict(self.reading),
        }
        who = {"key": self.key, "digest": self.digest, "seed": self.seed, "overrides": self.overrides}
        return {"status": status, **who, "asked": asked, **more}

    def write(self, folder: Path) -> None:
        """Write it into its folder, for the process that makes it, and for whoever opens it afterwards."""
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / FILE, json.dumps(dataclasses.asdict(self), indent=1))

    @classmethod
    def read(cls, folder: Path) -> "Run":
        """The run in a folder, also of earlier versions.

        Raises:
            UserError: a later version has written it.
        """
        values = json.loads((folder / FILE).read_text(encoding="utf-8"))
        if "standardise" in values:  # before there were other ways of reading
            values["reading"] = {"standardise": values.pop("standardise")}
        reading = values.pop("reading", {})
        fields, parts = dataclasses.fields(cls), dataclasses.fields(Reading)
        if unknown := [
            *(values.keys() - {f.name for f in fields}),
            *(reading.keys() - {f.name for f in parts}),
        ]:
            raise UserError(
                f"{folder / FILE} has {', '.join(sorted(unknown))}, which this version of the suite does not"
                " know; update dgcbench"
            )
        return cls(**{**values, "plugins": tuple(values["plugins"]), "reading": Reading(**reading)})
