"""Work on rows, shared among all cores by plain threads."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np


def in_bands(kernel: Callable[..., None], count: int, *arguments: Any) -> None:
    """``kernel(start, stop, *arguments)`` over 0..count in bands on all cores.

    Plain threads around a kernel without the GIL: safe from any thread, unlike numba's own pool, and each band writes
    its own rows, so the bytes do not depend on the number of threads.
    """
    cores = len(os.sched_getaffinity(0))
    edges = np.linspace(0, count, 4 * cores + 1).astype(int).tolist()
    with ThreadPoolExecutor(max_workers=cores) as pool:
        bands = [pool.submit(kernel, low, high, *arguments) for low, high in pairwise(edges)]
        for band in bands:
            band.result()
