"""The features that a batch carries, as one matrix."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shared.features import FeatureSet
from shared.stream import Batch
from shared.wire import WireError


class FeatureBlocks:
    """Reads the features of all entities from records of features.terminal.v1."""

    def __init__(self, features: FeatureSet) -> None:
        self._version = features.version
        self._width = len(features.names)
        self._blocks = [f"{entity.name}_features" for entity in features.entities]
        self._versions = [f"{block}_version" for block in self._blocks]

    def read(self, batch: Batch) -> npt.NDArray[np.float32]:
        """Return the features, shape (n, k).

        Raises
        ------
        WireError
            If a record is cut short, or its features are of other definitions.
        """
        found = batch.fields([*self._blocks, *self._versions])
        matrix = np.concatenate([found.floats(block) for block in self._blocks], axis=1)
        is_other = any((found.numbers(each) != self._version).any() for each in self._versions)
        if is_other or matrix.shape[1] != self._width:
            raise WireError(
                f"a record has not the features of version {self._version}; "
                "start scoring with the features.toml that made it"
            )
        return matrix
