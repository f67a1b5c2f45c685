"""Figures: numbers in, a matplotlib Figure out, in one style. Imports no torch."""

from benchmark.plots.clusters import cluster_map, cluster_means, cluster_numbers, confusion
from benchmark.plots.images import cluster_sheet, contact_sheet, image_sheet
from benchmark.plots.ranking import critical_difference_diagram
from benchmark.plots.style import MARK, METADATA, save
from benchmark.plots.training import cost, curves, learning

__all__ = [
    "MARK",
    "METADATA",
    "cluster_map",
    "cluster_means",
    "cluster_numbers",
    "cluster_sheet",
    "confusion",
    "contact_sheet",
    "cost",
    "critical_difference_diagram",
    "curves",
    "image_sheet",
    "learning",
    "save",
]
