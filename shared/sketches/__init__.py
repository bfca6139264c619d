"""Mergeable summaries of traffic: histograms over fixed bins and sums, by input partition and second."""

from shared.sketches.layout import SCORE_EDGES, Layout, code_edges
from shared.sketches.sketcher import DAY, Origin, Sketcher, Traffic

__all__ = ["DAY", "SCORE_EDGES", "Layout", "Origin", "Sketcher", "Traffic", "code_edges"]
