"""Names for arrays, and the product of many matrices with a vector each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Flags = NDArray[np.bool_]


def times(matrices: Array, vectors: Array) -> Array:
    """One matrix, or one a row, times one vector a row."""
    return (matrices @ vectors[:, :, None])[..., 0]
