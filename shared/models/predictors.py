"""The kinds of model: a score for each row that does not depend on the rest of its batch."""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt
import treelite
import treelite.gtil

Features = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float64]

CERTAIN = 1e-9  # a probability of 0 or 1 has no log odds


class Predictor(Protocol):
    """Probability of fraud for rows of features, before the prior is corrected."""

    def __call__(self, matrix: Features) -> Scores:
        """Return one probability a row, shape (n,); undefined features are NaN."""
        ...


def corrected(probability: Scores, genuine_rate: float) -> Scores:
    """Return probabilities learnt from a sample that kept only a share of the genuine, as of the whole.

    Examples
    --------
    One fraud to one genuine payment in a sample of one in ten: one to ten in truth.

    >>> corrected(np.array([0.5]), 0.1).round(4).tolist()
    [0.0909]
    """
    kept = genuine_rate * probability
    return kept / (kept + 1.0 - probability)


@dataclass(frozen=True, slots=True)
class Trees:
    """An ensemble of trees, predicted by treelite's GTIL in one thread."""

    model: treelite.Model

    @classmethod
    def from_bytes(cls, content: bytes) -> Trees:
        """Return the ensemble of serialised bytes that were verified."""
        return cls(treelite.Model.deserialize_bytes(content))

    def to_bytes(self) -> bytes:
        """Return the ensemble serialised."""
        content: bytes = self.model.serialize_bytes()
        return content

    @property
    def width(self) -> int:
        """Number of features."""
        width: int = self.model.num_feature
        return width

    def __call__(self, matrix: Features) -> Scores:
        """Return the probability of the last class."""
        found = treelite.gtil.predict(self.model, matrix, nthread=1)
        scores: Scores = found.reshape(len(matrix), -1)[:, -1].astype(np.float64)
        return scores


@dataclass(frozen=True, slots=True)
class Linear:
    """A logistic regression on standardised features; ``fills`` stand where a feature is undefined."""

    weights: npt.NDArray[np.float64]
    bias: npt.NDArray[np.float64]
    fills: npt.NDArray[np.float64]
    means: npt.NDArray[np.float64]
    deviations: npt.NDArray[np.float64]

    @classmethod
    def from_bytes(cls, content: bytes) -> Linear:
        """Return the regression of an npz archive; nothing in it is executed."""
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return cls(**{each.name: archive[each.name].astype(np.float64) for each in fields(cls)})

    def to_bytes(self) -> bytes:
        """Return the regression as an npz archive."""
        content = io.BytesIO()
        np.savez(content, **{each.name: getattr(self, each.name) for each in fields(self)})
        return content.getvalue()

    @property
    def width(self) -> int:
        """Number of features."""
        return len(self.weights)

    def __call__(self, matrix: Features) -> Scores:
        """Return the probability by the logistic function."""
        filled = np.where(np.isnan(matrix), self.fills, matrix.astype(np.float64))
        standard = (filled - self.means) / self.deviations
        margin = (standard * self.weights).sum(axis=1) + self.bias  # a product by matrix depends on the batch
        probability: Scores = 1.0 / (1.0 + np.exp(-margin))
        return probability


@dataclass(frozen=True, slots=True)
class Blend:
    """Several models, fitted to the same sample, whose log odds are averaged."""

    parts: Sequence[Trees | Linear]

    def to_bytes(self) -> bytes:
        """Return kind and bytes of each part, as MessagePack."""
        return msgspec.msgpack.encode(
            [("trees" if isinstance(part, Trees) else "linear", part.to_bytes()) for part in self.parts]
        )

    def __call__(self, matrix: Features) -> Scores:
        """Return the probability by the mean of the parts' log odds."""
        found = [np.clip(part(matrix), CERTAIN, 1.0 - CERTAIN) for part in self.parts]
        odds = sum(np.log(each / (1.0 - each)) for each in found) / len(found)
        probability: Scores = 1.0 / (1.0 + np.exp(-odds))
        return probability


@dataclass(frozen=True, slots=True)
class River:
    """Any River classifier, asked row by row; an undefined feature is left out of its row."""

    model: Any
    names: Sequence[str]

    @classmethod
    def from_bytes(cls, content: bytes, names: Sequence[str]) -> River:
        """Return the classifier of a pickle: only for bytes signed by a trusted key."""
        return cls(pickle.loads(content), names)

    def to_bytes(self) -> bytes:
        """Return the classifier as a pickle."""
        return pickle.dumps(self.model, protocol=pickle.HIGHEST_PROTOCOL)

    def __call__(self, matrix: Features) -> Scores:
        """Return what ``predict_proba_one`` gives for True; NaN where it knows no class."""
        return np.array([self._one(row) for row in matrix.tolist()], np.float64)

    def _one(self, row: list[float]) -> float:
        defined = {name: value for name, value in zip(self.names, row, strict=True) if value == value}
        by_class = self.model.predict_proba_one(defined)
        return float(by_class.get(True, 0.0)) if by_class else float("nan")
