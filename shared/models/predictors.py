"""The kinds of model: a score for each row that does not depend on the rest of its batch."""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Protocol

import msgspec
import numba
import numpy as np
import numpy.typing as npt
import treelite

Features = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float64]

CERTAIN = 1e-9  # a probability of 0 or 1 has no log odds
NUMERICAL, AT_MOST = 1, 3  # treelite's numbers for a node that compares, and for <=
TREE_FIELDS = ("node_type", "cmp", "split_index", "cleft", "cright", "default_left", "threshold")


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


class Nodes(NamedTuple):
    """The nodes of all trees, one after the other."""

    roots: npt.NDArray[np.int64]
    """Where each tree begins."""
    features: npt.NDArray[np.int32]
    """What a node asks for; -1 at a leaf."""
    lefts: npt.NDArray[np.int32]
    """Where it goes on at the threshold or below."""
    rights: npt.NDArray[np.int32]
    undefined: npt.NDArray[np.int32]
    """Where it goes on without the feature."""
    thresholds: npt.NDArray[np.float64]
    """At a leaf, what it adds."""


class Trees:
    """An ensemble of trees as scikit-learn makes them, kept by treelite.

    Its own predictor takes four times as long for many rows, and twenty times for one.

    Raises
    ------
    ValueError
        If it is of another make: with categories, other comparisons, or another link.
    """

    def __init__(self, model: treelite.Model) -> None:
        header = model.get_header_accessor()
        self.model = model
        self._is_mean = bool(header.get_field("average_tree_output")[0])
        link = header.get_field("postprocessor")
        if (link, self._is_mean) not in (("sigmoid", False), ("identity_multiclass", True)):
            raise ValueError(f"trees with the link {link} are not known")
        self._base = float(header.get_field("base_scores")[-1])
        self._nodes = _nodes([model.get_tree_accessor(number) for number in range(model.num_tree)])

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
        if matrix.shape[1] != self.width:
            raise ValueError(f"the trees take {self.width} features, not {matrix.shape[1]}")
        sums = np.zeros(len(matrix))
        _sum(np.ascontiguousarray(matrix, np.float32), *self._nodes, sums)
        if self._is_mean:
            return sums / len(self._nodes.roots) + self._base
        probability: Scores = 1.0 / (1.0 + np.exp(-(sums + self._base)))
        return probability


def _nodes(trees: Sequence[Any]) -> Nodes:
    fields = {name: [tree.get_field(name) for tree in trees] for name in TREE_FIELDS}
    sizes = [len(each) for each in fields["cleft"]]
    starts = np.cumsum([0, *sizes])[:-1]
    whole = {name: np.concatenate(parts) for name, parts in fields.items()}
    is_leaf = whole["cleft"] < 0
    if (whole["node_type"][~is_leaf] != NUMERICAL).any() or (whole["cmp"][~is_leaf] != AT_MOST).any():
        raise ValueError("trees with categories, or other comparisons than with <=, are not known")
    lefts, rights = (whole[name] + np.repeat(starts, sizes) for name in ("cleft", "cright"))
    return Nodes(
        starts.astype(np.int64),
        np.where(is_leaf, -1, whole["split_index"]).astype(np.int32),
        lefts.astype(np.int32),
        rights.astype(np.int32),
        np.where(whole["default_left"], lefts, rights).astype(np.int32),
        np.where(is_leaf, np.concatenate([_leaves(tree) for tree in trees]), whole["threshold"]),
    )


def _leaves(tree: Any) -> Scores:
    vectors, ends = tree.get_field("leaf_vector"), tree.get_field("leaf_vector_end").astype(np.int64)
    found: Scores = vectors[np.maximum(ends, 1) - 1] if len(vectors) else tree.get_field("leaf_value")
    return found


@numba.njit(cache=True)
def _sum(
    matrix: Features,
    roots: npt.NDArray[np.int64],
    features: npt.NDArray[np.int32],
    lefts: npt.NDArray[np.int32],
    rights: npt.NDArray[np.int32],
    undefined: npt.NDArray[np.int32],
    thresholds: Scores,
    found: Scores,
) -> None:
    # Plain arrays: numba counts references to those of a tuple, at each node.
    for row in range(len(matrix)):
        for root in roots:
            node = root
            while features[node] >= 0:
                value, threshold = matrix[row, features[node]], thresholds[node]
                if value <= threshold:
                    node = np.int64(lefts[node])
                elif value > threshold:
                    node = np.int64(rights[node])
                else:
                    node = np.int64(undefined[node])
            found[row] += thresholds[node]


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
