"""Names for arrays, and what is done with them so often that its overhead counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Flags = NDArray[np.bool_]


def times(matrices: Array, vectors: Array) -> Array:
    """One matrix, or one a row, times one vector a row."""
    return (matrices @ vectors[:, :, None])[..., 0]


def diagonals(matrices: Array) -> Array:
    """The diagonals of matrices (…, P, P), to read and to write, (…, P)."""
    view = matrices.diagonal(axis1=-2, axis2=-1)
    view.flags.writeable = True
    return view


def any_of(flags: Flags) -> bool:
    """Whether any flag is set; for small arrays in half the time of ``any``, or less."""
    return bool(np.count_nonzero(flags))


def all_of(flags: Flags) -> bool:
    """Whether all flags are set; for small arrays in two thirds of the time of ``all``, or less."""
    return bool(np.count_nonzero(flags) == flags.size)
