"""Matrix products that stay on the calling thread.

NumPy's OpenBLAS splits products of more than 2**18 multiplications over all cores and waits for the slowest. Next to an
engine whose own threads hold those cores, that wait turns 50 microseconds into 20 milliseconds; below the limit it
never splits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LIMIT = 1 << 18  # multiplications, OpenBLAS's GEMM threshold


def inner_products(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """All inner products (n, m) of the rows of `a` (n, D) and `b` (m, D), some columns at a time."""
    products = np.empty((len(a), len(b)), np.float32)
    step = max(1, LIMIT // max(1, a.size))
    for start in range(0, len(b), step):
        np.matmul(a, b[start : start + step].T, out=products[:, start : start + step])
    return products
