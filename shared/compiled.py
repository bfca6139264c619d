"""How loops over arrays are compiled that make no array themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Loop = TypeVar("Loop", bound=Callable[..., Any])
OPTIONS: dict[str, Any] = {"cache": True, "_nrt": False}


def compiled(loop: Loop) -> Loop:
    """Compile a function that makes no array and takes tuples of arrays.

    Where a tuple of arrays is taken apart, numba counts references to each, by instructions that lock memory:
    they took half of the time of windows. Its own pass that leaves them away looks only at functions whose
    arguments are plain. Numba's cache does not see a change of the options here.
    """
    return cast(Loop, numba.njit(**OPTIONS)(loop))
