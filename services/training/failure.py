"""What keeps a model from being trained."""

from __future__ import annotations


class TrainingError(Exception):
    """No model can come of these examples; one sentence that says what to change."""
