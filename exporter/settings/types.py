"""The types of values: how each is parsed from text and shown as text.

This module knows neither the settings nor their use.
"""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from pydantic import SecretStr

from exporter.events.model import EVERY_FIELD
from exporter.spelling import NotAChoice

ZERO = timedelta()

_UNITS = {
    "y": timedelta(days=365),
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
_DURATION = re.compile("".join(f"(?:([0-9]+){unit})?" for unit in _UNITS))
_SIZES = {"GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10, "B": 1}
_SIZE = re.compile(f"([0-9]+)({'|'.join(_SIZES)})?")
_HEADER = re.compile("[A-Za-z0-9-]+")
_LIKELY_KEY = re.compile("[0-9a-fA-F-]{16,}|.{41,}")
"""Text in place of a header's name that is probably the key itself."""
_RESERVED = {"connection", "content-encoding", "content-length", "content-type", "expect", "host", "te", "trailer"}
_RESERVED |= {"transfer-encoding", "upgrade"}
"""Headers that HTTP itself uses."""


class Address(NamedTuple):
    """An address to listen on; an empty host means every interface."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return the address as the setting has it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class ValueType(NamedTuple):
    """The type of a setting's value; `parse` raises ValueError with the mistake, and `show` is its inverse."""

    parse: Callable[[str], Any]
    show: Callable[[Any], str]
    placeholder: str
    """The value in `--help`, such as `DURATION`."""
    secret: bool = False
    """Whether the value is a secret, which `show` hides."""
    echoes: bool = True
    """Whether a mistake shows the rejected text; false where people write a secret by mistake."""


def parse_duration(text: str) -> timedelta:
    """Parse a duration as Prometheus writes it, such as `90s`, `1h30m` or `0`. Raises ValueError."""
    match = _DURATION.fullmatch(text)
    if text != "0" and (match is None or not text):
        raise ValueError("must be a duration such as 90s, 10m or 24h")
    try:
        amounts = match.groups() if match else ()
        return sum((int(n) * unit for n, unit in zip(amounts, _UNITS.values(), strict=False) if n), ZERO)
    except (OverflowError, ValueError):
        raise ValueError(f"must be at most {timedelta.max.days}d") from None


def show_duration(duration: timedelta) -> str:
    """Return a duration as Prometheus writes it, such as `1h30m`."""
    rest, text = duration, ""
    for name in ("h", "m", "s", "ms"):
        n, rest = divmod(rest, _UNITS[name])
        text += f"{n}{name}" if n else ""
    return text or "0s"


def parse_size(text: str) -> int:
    """Parse a size such as `512KiB`, `1MiB` or plain bytes; return bytes. Raises ValueError."""
    match = _SIZE.fullmatch(text)
    if match is None or len(match[1]) > 15:
        raise ValueError("must be a size such as 512KiB or 1MiB")
    return int(match[1]) * _SIZES[match[2] or "B"]


def show_size(size: int) -> str:
    """Return a size (bytes) in the largest unit that leaves no fraction, such as `1MiB`."""
    unit = next(unit for unit, factor in _SIZES.items() if size % factor == 0 and (size or factor == 1))
    return f"{size // _SIZES[unit]}{unit}"


def is_quoted(text: str) -> bool:
    """Tell whether a text begins and ends with the same quote."""
    return len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"


def _address(text: str) -> Address:
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not (port.isascii() and port.isdigit()) or int(port[:6]) > 65535 or (":" in host and not bracketed):
        raise ValueError("must be HOST:PORT such as 0.0.0.0:9728, :9728 or [::1]:9728")
    return Address(host[1:-1] if bracketed else host, int(port))


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 15 or int(text) < 1:
        raise ValueError("must be a whole number from 1 to 999999999999999")
    return int(text)


def _labels(text: str) -> tuple[str, ...]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in EVERY_FIELD:
            raise NotAChoice(f"must be some of {', '.join(EVERY_FIELD)}", name, EVERY_FIELD)
        if names.count(name) > 1:
            raise ValueError(f"must have {name} only once")
    return tuple(names)


MEASUREMENT_NAMES = ("zone_occupancy", "room_occupancy", "floor_occupancy")
"""The measurements of the Reporting API that can be polled."""


def _measurements(text: str) -> tuple[str, ...]:
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in MEASUREMENT_NAMES:
            raise NotAChoice(f"must be some of {', '.join(MEASUREMENT_NAMES)}", name, MEASUREMENT_NAMES)
        if names.count(name) > 1:
            raise ValueError(f"must have {name} only once")
    if not names:
        raise ValueError(f"must be at least one of {', '.join(MEASUREMENT_NAMES)}")
    return tuple(names)


def _more_than(limit: Any, value_type: ValueType, message: str) -> ValueType:
    """Return a type that rejects values up to `limit` with the message."""

    def parse(text: str) -> Any:
        value = value_type.parse(text)
        if value <= limit:
            raise ValueError(message)
        return value

    return value_type._replace(parse=parse)


def one_of(*choices: str) -> ValueType:
    """Return a type that accepts one of these words, in any case, and parses it to lower case."""

    def parse(text: str) -> str:
        if text.lower() not in choices:
            raise NotAChoice(f"must be one of {', '.join(choices)}", text, choices)
        return text.lower()

    return ValueType(parse, str, "|".join(choices))


def optional(value_type: ValueType) -> ValueType:
    """Return a type that also accepts `none` and parses it to None."""

    def parse(text: str) -> Any:
        return None if text.lower() == "none" else value_type.parse(text)

    def show(value: Any) -> str:
        return "none" if value is None else value_type.show(value)

    return value_type._replace(parse=parse, show=show)


def _text(text: str) -> str:
    if not text:
        raise ValueError("must not be empty")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must be UTF-8 text") from None
    return text


def _journal(text: str) -> str:
    if text.startswith("redis:"):
        raise ValueError("must be the path of a file, or none; Redis is not supported yet")
    return _text(text)


def _username(text: str) -> str:
    if ":" in text:
        raise ValueError("must not have a colon, which ends the username in HTTP basic authentication")
    return _text(text)


def _url(text: str) -> str:
    mistake = "must be a URL such as https://api.butlr.io, without username, password, ? and #"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(mistake) from None
    is_plain = text.isascii() and text.isprintable() and not set(text) & set(" @?#\\")
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or not is_plain:
        raise ValueError(mistake)
    return text.rstrip("/")


def _header(text: str) -> str:
    # Servers, this one too, drop a header with an underscore, which CGI cannot tell from a dash.
    if _HEADER.fullmatch(text) is None or text.lower() in _RESERVED:
        raise ValueError("must be the name of a header, in letters, digits and dashes, that HTTP itself does not use")
    if _LIKELY_KEY.fullmatch(text):
        raise ValueError("must be the name of a header; this looks like the key itself")
    return text


def _secret(text: str) -> SecretStr:
    return SecretStr(_text(text))


def _secrets(text: str) -> tuple[SecretStr, ...]:
    keys = [key for part in re.split(r"[,\n]", text) if (key := part.strip())]
    # A comment or a PEM line would become a key that everyone knows.
    if any(key.startswith(("#", "-----")) for key in keys):
        raise ValueError("must be keys only, without comments and PEM blocks")
    return tuple(map(_secret, keys)) or (_secret(""),)


ADDRESS = ValueType(_address, str, "HOST:PORT")
DURATION = ValueType(parse_duration, show_duration, "DURATION")
POSITIVE_DURATION = _more_than(ZERO, DURATION, "must be longer than 0")
SIZE = _more_than(0, ValueType(parse_size, show_size, "SIZE"), "must be more than 0")
COUNT = ValueType(_count, str, "N")
FILE = ValueType(_text, str, "FILE", echoes=False)
JOURNAL = ValueType(_journal, str, "FILE", echoes=False)
LABELS = ValueType(_labels, ", ".join, "FIELD,...")
MEASUREMENTS = ValueType(_measurements, ", ".join, "NAME,...")
HEADER = ValueType(_header, str, "NAME", echoes=False)
URL = ValueType(_url, str, "URL", echoes=False)
ID = ValueType(_text, str, "ID", echoes=False)
USERNAME = ValueType(_username, str, "NAME", echoes=False)
SECRET = ValueType(_secret, lambda _: "<secret>", "SECRET", secret=True, echoes=False)
SECRETS = ValueType(_secrets, lambda keys: ", ".join("<secret>" for _ in keys), "SECRET,...", secret=True, echoes=False)
