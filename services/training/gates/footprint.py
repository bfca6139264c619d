"""By how many bytes loading a model makes a process grow: run as a process of its own.

The package comes on stdin, the number goes to stdout.
"""

from __future__ import annotations

import resource
import sys

import numpy as np

from shared.models.loading import predictor_of
from shared.models.package import unpack

KILOBYTE = 1024


def main() -> None:
    """Load the package's model, score a row, and print the growth of the peak."""
    package = sys.stdin.buffer.read()
    before = _peak_bytes()
    manifest, model = unpack(package)
    predictor_of(manifest, model)(np.zeros((1, len(manifest.features)), np.float32))
    print(max(_peak_bytes() - before, 0))


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * KILOBYTE


if __name__ == "__main__":
    main()
