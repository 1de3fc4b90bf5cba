"""KSUIDs, the form of Butlr's ids: a time and a random part in 27 base-62 digits."""

from functools import lru_cache

KSUID_EPOCH = 1_400_000_000
"""Second 0 of a KSUID's clock, in Unix seconds (github.com/segmentio/ksuid)."""

_KSUID_LENGTH = 27
_KSUID_RANDOM_BITS = 128
_KSUID_TIME_LIMIT = 1 << 32
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BASE62 = {digit: n for n, digit in enumerate(_DIGITS)}
_PAIRS = [a + b for a in _DIGITS for b in _DIGITS]
_LEADING = 6
"""Leading digits that mostly suffice to know the second; the ids of a second begin with about eight of them, so that
they are worth a cache."""


def generation(event_id: str) -> int | None:
    """Return the Unix second inside an event id such as `event_2oUBiSXgx48RtbZKXHm5ekpAzFe`.

    None unless the part after the last `_` is a KSUID: 27 base-62 digits that make 160 bits, of which
    the first 32 are the seconds since KSUID_EPOCH.
    """
    ksuid = event_id[event_id.rfind("_") + 1 :]
    if len(ksuid) != _KSUID_LENGTH or not (ksuid.isascii() and ksuid.isalnum()):
        return None
    seconds = _leading_seconds(ksuid[:_LEADING])
    if seconds is None:
        seconds = _seconds(ksuid)
    return KSUID_EPOCH + seconds if seconds is not None and seconds < _KSUID_TIME_LIMIT else None


def _seconds(digits: str) -> int | None:
    """Return the first 32 bits that all KSUIDs with these leading digits have; None if they differ in them."""
    number = 0
    for digit in digits:
        number = number * 62 + _BASE62[digit]
    following = 62 ** (_KSUID_LENGTH - len(digits))
    seconds = number * following >> _KSUID_RANDOM_BITS
    return seconds if (number + 1) * following - 1 >> _KSUID_RANDOM_BITS == seconds else None


_leading_seconds = lru_cache(1 << 13)(_seconds)


def ksuid(seconds: int, random: int) -> str:
    """Return the KSUID of a Unix second and 128 random bits (github.com/segmentio/ksuid)."""
    number = (seconds - KSUID_EPOCH << _KSUID_RANDOM_BITS) | random
    pairs = []
    for _ in range((_KSUID_LENGTH + 1) // 2):
        number, pair = divmod(number, len(_PAIRS))
        pairs.append(_PAIRS[pair])
    return "".join(reversed(pairs))[1:]
