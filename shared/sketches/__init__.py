"""Mergeable summaries of traffic: histograms over fixed bins and sums, by input partition and second."""

from shared.sketches.categories import CATEGORICAL, bounded, category, parted
from shared.sketches.layout import SCORE_EDGES, Layout, code_edges
from shared.sketches.sketcher import DAY, HOUR, Origin, Sketcher, Traffic

__all__ = [
    "CATEGORICAL",
    "DAY",
    "HOUR",
    "SCORE_EDGES",
    "Layout",
    "Origin",
    "Sketcher",
    "Traffic",
    "bounded",
    "category",
    "code_edges",
    "parted",
]
