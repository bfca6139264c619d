"""Mergeable summaries of traffic: histograms over fixed bins, by input partition and second."""

from shared.sketches.layout import SCORE_EDGES, Layout, code_edges
from shared.sketches.sketcher import Origin, Sketcher, Traffic

__all__ = ["SCORE_EDGES", "Layout", "Origin", "Sketcher", "Traffic", "code_edges"]
