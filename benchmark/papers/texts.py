"""How published numbers and ours are written."""

from benchmark.papers.published import METRIC_NAMES, Number
from benchmark.tables.table import Value

MEMORY = "†"
UNBOUNDED = ("fid", "kde_log_likelihood", "kde_of_data", "inception_score")


def metric_text(number: Number) -> str:
    """The metric by our name, the split, and the assignment rule of our runs beside it, where there can be
    such and it is not the model's first.
    """
    name = METRIC_NAMES[number.metric] + (" (kind not stated)" if number.metric.startswith("unknown") else "")
    rule = "" if number.rule == "default" or number.model is None else f", rule {number.rule}"
    return name + ("" if number.split == "unknown" else f", {number.split}") + rule


def published_text(number: Number) -> str:
    """With up to four digits, as published."""

    def digits(value: float) -> str:
        whole, _, fraction = f"{value:.4f}".partition(".")
        return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"

    return digits(number.value) + ("" if number.std is None else f" ± {digits(number.std)}")


def value(mean: float, std: float | None, metric: str, after: str = "") -> Value:
    return Value(mean, std, digits=2 if metric in UNBOUNDED else 3, after=after)
