"""How the user's own data are to be read: what the command line may say of them. Imports no torch."""

import dataclasses
from collections.abc import Mapping
from typing import Any

COLOURS = ("grey", "rgb")


@dataclasses.dataclass(frozen=True)
class Reading:
    """What is asked of own data besides where they are; None leaves it to the data.

    Attributes:
        standardise: vectors, column by column, see `benchmark.data.own_file.Standardisation`.
        size: images of a folder become size x size pixels.
        colour: of the images of a folder, one of `COLOURS`.
        labels: "folders" where the sub-folders of a folder are the labels, or the column of a table.
        names: the column of a table that names its points.
    """

    standardise: bool = True
    size: int | None = None
    colour: str | None = None
    labels: str | None = None
    names: str | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Reading":
        """That of parsed options or of a record, which have other things besides."""
        return cls(**{f.name: values[f.name] for f in dataclasses.fields(cls) if f.name in values})

    def given(self) -> dict[str, Any]:
        """{option of the command line: its value} of what is asked for, but for `--no-standardise`."""
        values = dataclasses.asdict(self)
        return {f"--{name}": v for name, v in values.items() if name != "standardise" and v is not None}

    def words(self) -> list[str]:
        """The same as words of a command."""
        found = [word for option, value in self.given().items() for word in (option, str(value))]
        return found + ([] if self.standardise else ["--no-standardise"])


DEFAULT = Reading()
