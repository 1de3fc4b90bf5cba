"""KSUIDs, the ids that Butlr gives to everything: a time and a random part in 27 base-62 digits."""

from exporter.events import KSUID_EPOCH

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PAIRS = [a + b for a in _DIGITS for b in _DIGITS]


def ksuid(seconds: int, random: int) -> str:
    """Return the KSUID of a Unix second and 128 random bits (github.com/segmentio/ksuid)."""
    number = (seconds - KSUID_EPOCH << 128) | random
    pairs = []
    for _ in range(14):
        number, pair = divmod(number, 3844)
        pairs.append(_PAIRS[pair])
    return "".join(reversed(pairs))[1:]
