"""Memory that goes back to the system when a scrape is done with it.

glibc gives each thread a heap of its own and, the larger the pieces that were freed, keeps the more of them. Here
threads take turns, and each scrape needs megabytes for a moment only.

Source: mallopt(3).
"""

import ctypes

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8

LARGE = 64 << 10
"""Bytes. Of the end of the heap, so many are kept when they are free; what is as large is mapped by itself, and never
kept."""


def tune_malloc() -> bool:
    """Let one heap be for all threads that start from now on, and shrink. False where there is no glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    options = ((_M_ARENA_MAX, 1), (_M_TRIM_THRESHOLD, LARGE), (_M_MMAP_THRESHOLD, LARGE))
    return mallopt is not None and all(mallopt(*option) for option in options)
