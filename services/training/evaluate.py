"""Evaluation of scores on payments whose labels are all known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from services.training.examples import Examples
from services.training.metrics import metrics
from services.training.split import DAY, matured_until


def matured(examples: Examples, days: int) -> Examples:
    """Return the payments of the newest days whose labels are all known."""
    end = matured_until(examples)
    return examples.within(end - days * DAY, end)


def served(examples: Examples) -> list[dict[str, object]]:
    """Return the metrics of the scores as served, one row a model version; none where none had scored."""
    versions = examples.rows["model_version"].drop_nulls().unique().sort().to_list()
    rows = []
    for version in versions:
        of_version = examples.where(examples.rows["model_version"].eq_missing(version).to_numpy())
        rows.append(evaluated(of_version, of_version.rows["score"].to_numpy(), f"served by {version}"))
    return rows


def evaluated(examples: Examples, scores: npt.NDArray[np.float64], name: str) -> dict[str, object]:
    """Return the metrics of scores of examples, one a row."""
    return {"scores": name, **metrics(examples.rows, scores)}
