"""The decorator of this package's numba kernels."""

from numba import njit

# Without numba's reference counting: kernels here only read and write arrays that their caller holds, and counting
# references to a scene's few dozen arrays at every ray, from all threads at once, would take most of the time.
kernel = njit(cache=True, nogil=True, _nrt=False)
