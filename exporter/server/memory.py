"""Tunes malloc, so that the memory of a scrape goes back to the system.

glibc gives each thread a malloc arena of its own, and after large pieces were freed it keeps even more for later. In
this process one thread runs at a time, and a scrape needs megabytes for a moment only.

Source: mallopt(3).
"""

import ctypes

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8

LARGE = 64 << 10
"""Bytes of free memory that an arena may keep at its end. A piece of this size or more is mapped by itself, and
unmapped when it is freed."""


def tune_malloc() -> bool:
    """Let all threads that start from now on share one arena, which shrinks. Return False without glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    options = ((_M_ARENA_MAX, 1), (_M_TRIM_THRESHOLD, LARGE), (_M_MMAP_THRESHOLD, LARGE))
    return mallopt is not None and all(mallopt(*option) for option in options)
