"""Hyper-parameters: one frozen dataclass per model, resolved from defaults, presets, budget and the user's
overrides.
"""

import dataclasses
import inspect
import math
import re
import types
import typing
from collections.abc import Mapping
from typing import Any

from benchmark.api import ClusteringModel, DataSpec, ModelConfig
from benchmark.errors import UserError, unknown
from benchmark.protocols import BUDGETS


def resolve(
    model: type[ClusteringModel],
    data: DataSpec,
    n_classes: int | None,
    budget: str,
    overrides: Mapping[str, Any],
) -> ModelConfig:
    """The config of one run: the class's defaults, its preset for the data set, its smaller budgets one on
    top of the other down to the one asked for, the overrides.

    Args:
        overrides: {field: value}, or its text as typed by the user; converted by the field's type.
    """
    values = _preset(model, data, n_classes, budget)
    hints = typing.get_type_hints(model.Config)
    for field, value in overrides.items():
        if field not in hints:
            raise unknown(f"hyper-parameter of {model.name}", field, hints)
        values[field] = _convert(value, hints[field], f"{model.name}.{field}")
    if "n_clusters" not in values:
        raise UserError(
            f"{data.name} has no labels, so the number of clusters must be given: --clusters K (CLUSTERS=K)"
        )
    if values["n_clusters"] < model.min_clusters:
        raise UserError(
            f"the number of clusters is {values['n_clusters']}, expected at least {model.min_clusters}"
        )
    if values["n_clusters"] > data.n:
        raise UserError(
            f"{data.name} has {data.n} points, fewer than the {values['n_clusters']} clusters asked for"
        )
    try:
        config = model.Config(**values)
        _check_ranges(config)
        config.check(data)
    except ValueError as error:  # raised by a config's own checks
        raise UserError(f"{model.name}: {error}") from error
    return config


def layers(model: type[ClusteringModel]) -> dict[str, Mapping[str, Mapping[str, Any]]]:
    """{budget: its settings}, each on top of those before it."""
    return dict(zip(BUDGETS, (model.presets, model.hour, model.quick, model.smoke), strict=True))


def _preset(
    model: type[ClusteringModel], data: DataSpec, n_classes: int | None, budget: str
) -> dict[str, Any]:
    """What is not the class's default, unchecked: a preset may suit the data only with an override."""
    if budget not in BUDGETS:
        raise unknown("budget", budget, BUDGETS)
    values: dict[str, Any] = {} if n_classes is None else {"n_clusters": n_classes}
    for table in list(layers(model).values())[: BUDGETS.index(budget) + 1]:
        values |= next((table[name] for name in (data.name, data.kind, "*") if name in table), {})
    return values


def _check_ranges(config: ModelConfig) -> None:
    """Check what holds for every model by the meaning of a name; the rest is checked by its own config."""
    for name, value in vars(config).items():
        if (name == "lr" or name.endswith("_lr")) and not value > 0:
            raise ValueError(f"{name} is {value}, expected a positive number")
        if name.split("_")[-1] in ("epochs", "steps", "iterations") and not value >= 0:
            raise ValueError(f"{name} is {value}, expected at least 0")


def overridden(
    model: type[ClusteringModel], data: DataSpec, n_classes: int | None, budget: str, config: ModelConfig
) -> dict[str, Any]:
    """The hyper-parameters of a config that are not those of the model's presets for data set and budget."""
    k = n_classes if n_classes is not None else config.n_clusters
    defaults = {
        field.name: field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        for field in dataclasses.fields(config)
    }
    preset = _as_json({**defaults, **_preset(model, data, k, budget)})
    return {name: value for name, value in as_dict(config).items() if value != preset[name]}


def as_dict(config: ModelConfig) -> dict[str, Any]:
    """The config as JSON types, tuples as lists; `from_dict` is its inverse."""
    return _as_json(dataclasses.asdict(config))


def _as_json(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


def from_dict(model: type[ClusteringModel], values: Mapping[str, Any]) -> ModelConfig:
    found: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return model.Config(**found)


def describe(config: type[ModelConfig]) -> list[tuple[str, str, str, str]]:
    """(name, type, default, meaning) of every hyper-parameter; the meaning is the comment on the field's
    line, or on the line above it.
    """
    comments: dict[str, str] = {}
    for cls in reversed(config.__mro__[:-1]):
        above = ""
        for line in inspect.getsource(cls).splitlines():
            if match := re.match(r"\s*(\w+)\s*:[^#]*?(?:#\s*(.*))?$", line):
                comments[match[1]] = match[2] or above
            above = line.strip().removeprefix("# ") if line.strip().startswith("# ") else ""
    rows = []
    hints = typing.get_type_hints(config)
    for field in dataclasses.fields(config):
        default = "number of classes" if field.default is dataclasses.MISSING else str(field.default)
        rows.append((field.name, _type_name(hints[field.name]), default, comments.get(field.name, "")))
    return rows


def _convert(value: Any, kind: Any, name: str) -> Any:
    """A value from Python goes the way of what is typed, so that the same checks hold for both."""
    try:
        return _parse(_as_text(value), kind)
    except (ValueError, KeyError):
        raise UserError(f"{name} was given {value!r}, expected {_type_name(kind)}") from None


def _as_text(value: Any) -> str:
    return ",".join(map(_as_text, value)) if isinstance(value, (list, tuple)) else str(value)


def _parse(text: str, kind: Any) -> Any:
    """`text` as a value of the field's type: int, float, bool, str, Literal, tuple[T, ...], or one of these
    or None.
    """
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return None if text.lower() == "none" else _parse(text, args[0])
    if origin is tuple:
        return tuple(_parse(part, args[0]) for part in text.split(",") if part)
    if origin is typing.Literal:
        return {str(arg): arg for arg in args}[text]
    if kind is bool:
        return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
    value = kind(text)
    if kind is float and not math.isfinite(value):
        raise ValueError
    return value


def _type_name(kind: Any) -> str:
    if typing.get_origin(kind) is typing.Literal:
        return " | ".join(map(str, typing.get_args(kind)))
    return kind.__name__ if isinstance(kind, type) and not typing.get_origin(kind) else str(kind)
