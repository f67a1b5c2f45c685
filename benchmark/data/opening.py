"""A data set opened once: its points as a protocol divides them, what a model may know of them, and their
digest.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.api import Dataset, DataSpec
from benchmark.data.folder import data_folder, data_spec, dataset_digest
from benchmark.data.ranges import check_values
from benchmark.data.splits import divide
from benchmark.reading import DEFAULT, Reading

if TYPE_CHECKING:
    from benchmark.registry import Registry


@dataclass(frozen=True)
class Opened:
    """A data set that is here.

    Attributes:
        dataset: as its source divides it; FID is of these splits whatever the protocol.
        divided: as the protocol divides it; models are fitted on its first split.
        spec: what a model is told.
        digest: SHA-256 of all arrays.
    """

    dataset: Dataset
    divided: Dataset
    spec: DataSpec
    digest: str


def open_dataset(
    registry: "Registry", asked: str, protocol: str = "neutral", reading: Reading = DEFAULT
) -> Opened:
    """Find a data set, fetch it if it is not here, and read it.

    Args:
        asked: a name, or the path of the user's own data.
        reading: of own data.
    """
    dataset = registry.dataset(asked, data_folder(), reading)
    dataset.fetch()
    check_values(dataset)  # before its splits are put together
    divided = divide(dataset, protocol)
    return Opened(dataset, divided, data_spec(divided), dataset_digest(dataset))
