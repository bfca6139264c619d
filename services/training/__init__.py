"""Data sets, fits, evaluation and model publication."""
