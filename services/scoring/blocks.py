"""Features of framed records, cut from their ends without decoding the rest.

Records of features.terminal.v1 end in the features of both entities, whose bytes have one width. The
general decoder costs 0.4 ms a batch, which counts because scoring stands between a payment and its score.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from shared.features import FeatureSet
from shared.wire import WireError, long_bytes, schema_id

SCHEMA = "features.terminal.v1"
HEADER_BYTES = 5


class FeatureBlocks:
    """Reads the features at the ends of records of features.terminal.v1."""

    def __init__(self, features: FeatureSet) -> None:
        self._version = features.version
        self._header = b"\0" + schema_id(SCHEMA).to_bytes(4, "big")
        end = b"\0" + long_bytes(features.version)
        self._frames = [(long_bytes(len(entity.features)), end) for entity in features.entities]
        parts: list[tuple[str, str] | tuple[str, str, int]] = []
        for number, (entity, (count, _)) in enumerate(zip(features.entities, self._frames, strict=True)):
            parts.append((f"count{number}", f"V{len(count)}"))
            parts.append((f"floats{number}", "<f4", len(entity.features)))
            parts.append((f"end{number}", f"V{len(end)}"))
        self._tail = np.dtype(parts)

    def read(self, values: Sequence[bytes]) -> npt.NDArray[np.float32]:
        """Return the features of all entities, shape (n, k).

        Raises
        ------
        WireError
            If a record is of another schema, or its features are of other definitions.
        """
        if any(value[:HEADER_BYTES] != self._header for value in values):
            raise WireError(f"a record is of another schema than {SCHEMA}")
        width = self._tail.itemsize
        content = b"".join([value[-width:] for value in values])
        if len(content) != width * len(values):
            raise WireError(f"a record of {SCHEMA} is cut short")
        tails = np.frombuffer(content, self._tail)
        for number, (count, end) in enumerate(self._frames):
            self._check(tails[f"count{number}"], count)
            self._check(tails[f"end{number}"], end)
        return np.concatenate([tails[f"floats{number}"] for number in range(len(self._frames))], axis=1)

    def _check(self, found: npt.NDArray[np.void], due: bytes) -> None:
        if found.tobytes() != due * len(found):
            raise WireError(
                f"a record has not the features of version {self._version}; "
                "start scoring with the features.toml that made it"
            )
