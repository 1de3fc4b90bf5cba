"""Memory that goes back to the system when a scrape is done with it.

glibc gives each thread a heap of its own and, the larger the pieces that were freed, keeps the more of them. Here
threads take turns, and each scrape needs megabytes for a moment only.

Source: mallopt(3).
"""

import ctypes

_M_TRIM_THRESHOLD = -1
_M_ARENA_MAX = -8

_TRIM_THRESHOLD = 128 << 10
"""Free bytes at the end of the heap that are kept: what glibc begins with, but then for good."""


def return_what_is_free() -> bool:
    """Let one heap be for all threads that start from now on, and shrink. False where there is no glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all((mallopt(_M_ARENA_MAX, 1), mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD)))
