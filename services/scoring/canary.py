"""The canary acts for a share of the customers; for the others it scores beside the champion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from services.scoring.scores import Block
from shared import wire
from shared.stream import partitions

Chosen = npt.NDArray[np.bool_]

PARTS = 10_000  # a share is told in hundredths of a per cent


def is_chosen(customers: Sequence[bytes], version: str, share: float) -> Chosen:
    """Return for which customers a canary acts: always the same, others for another version.

    Examples
    --------
    >>> is_chosen([b"ana", b"bo", b"cy"], "v2", 0.5).tolist()
    [True, False, True]
    """
    salt = f"{version}/".encode()
    return np.asarray(partitions([salt + customer for customer in customers], PARTS) < round(share * PARTS))


def mixed(chosen: Chosen, champion: Block, canary: Block) -> wire.Joined:
    """Return the rows of ``canary`` where it acts, else those of ``champion``; their widths may differ."""
    pairs = zip(chosen.tolist(), champion, canary, strict=True)
    return wire.join([(one if is_canary else other).tobytes() for is_canary, other, one in pairs])
