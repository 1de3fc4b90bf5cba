"""Every setting, declared once: name, default, help and validation.

A setting `stale_after` is the environment variable `BUTLR_EXPORTER_STALE_AFTER` and the flag
`--stale-after` (or `--stale_after`); the flag wins. A leaf: it knows nothing of what the settings are for.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from difflib import get_close_matches
from typing import Any, NamedTuple

from exporter.events import Metadata

PREFIX = "BUTLR_EXPORTER_"

ZERO = timedelta()

RECOMPUTED = timedelta(minutes=5)
"""How long Butlr computes a reading anew (docs.butlr.io, zone occupancy)."""

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


class SettingsError(ValueError):
    """Settings that cannot be taken; `mistakes` has a line for each."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class Address(NamedTuple):
    """Where to listen; an empty host is every interface."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return it as it is written in the setting."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Kind(NamedTuple):
    """How a setting is written: `parse` raises ValueError with what is wrong, `show` is its inverse."""

    parse: Callable[[str], Any]
    show: Callable[[Any], str]
    placeholder: str


def parse_duration(text: str) -> timedelta:
    """Read a duration as Prometheus writes it, such as `90s`, `1h30m` or `0`. Raises ValueError."""
    match = _DURATION.fullmatch(text)
    if text != "0" and (match is None or not text):
        raise ValueError("must be a duration such as 90s, 10m or 24h")
    try:
        amounts = match.groups() if match else ()
        return sum((int(n) * unit for n, unit in zip(amounts, _UNITS.values(), strict=False) if n), ZERO)
    except (OverflowError, ValueError):
        raise ValueError("is too long a duration") from None


def show_duration(duration: timedelta) -> str:
    """Write a duration as Prometheus does, such as `1h30m`."""
    rest, text = duration, ""
    for name in ("h", "m", "s", "ms"):
        n, rest = divmod(rest, _UNITS[name])
        text += f"{n}{name}" if n else ""
    return text or "0s"


def parse_size(text: str) -> int:
    """Read a size such as `512KiB`, `1MiB` or plain bytes; return bytes. Raises ValueError."""
    match = _SIZE.fullmatch(text)
    if match is None or len(match[1]) > 15:
        raise ValueError("must be a size such as 512KiB or 1MiB")
    return int(match[1]) * _SIZES[match[2] or "B"]


def show_size(size: int) -> str:
    """Write a size in bytes in the largest unit that leaves no fraction, such as `1MiB`."""
    unit = next(unit for unit, factor in _SIZES.items() if size % factor == 0 and (size or factor == 1))
    return f"{size // _SIZES[unit]}{unit}"


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
        if name not in Metadata._fields:
            raise ValueError(f"must be some of {', '.join(Metadata._fields)}")
        if names.count(name) > 1:
            raise ValueError(f"must have {name} once")
    return tuple(names if "zone_id" in names else [*names, "zone_id"])


def _more_than(least: Any, kind: Kind, message: str) -> Kind:
    def parse(text: str) -> Any:
        value = kind.parse(text)
        if value <= least:
            raise ValueError(message)
        return value

    return kind._replace(parse=parse)


def _one_of(*choices: str) -> Kind:
    def parse(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return text.lower()

    return Kind(parse, str, "|".join(choices))


def _journal(text: str) -> str | None:
    if text.startswith("redis:"):
        raise ValueError("must be the path of a file, or none; Redis is not supported yet")
    return None if text.lower() == "none" else text


ADDRESS = Kind(_address, str, "HOST:PORT")
DURATION = Kind(parse_duration, show_duration, "DURATION")
POSITIVE_DURATION = _more_than(ZERO, DURATION, "must be longer than 0")
SIZE = _more_than(0, Kind(parse_size, show_size, "SIZE"), "must be more than 0")
COUNT = Kind(_count, str, "N")
JOURNAL = Kind(_journal, lambda path: path or "none", "FILE")
LABELS = Kind(_labels, ", ".join, "FIELD,...")


def _setting(default: str, kind: Kind, description: str) -> Any:
    return field(default=kind.parse(default), metadata={"kind": kind, "default": default, "help": description})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The effective settings; times are `timedelta`s, sizes are bytes."""

    listen: Address = _setting("0.0.0.0:9728", ADDRESS, "address that serves everything; port 0 takes a free one")
    journal: str | None = _setting(
        "none", JOURNAL, "SQLite file that keeps what is known over a restart; none: it is forgotten"
    )
    window: timedelta = _setting(
        "15m", POSITIVE_DURATION, "how long a zone's readings are kept, counted back from its newest"
    )
    stale_after: timedelta = _setting(
        "10m", DURATION, "age of its newest reading at which a zone's count is no longer shown; 0: never"
    )
    forget_after: timedelta = _setting("24h", DURATION, "silence after which a zone is forgotten; 0: never")
    future_tolerance: timedelta = _setting(
        "5m", DURATION, "how far a reading may be ahead of this machine's clock before it is refused"
    )
    max_zones: int = _setting("100000", COUNT, "most zones known at a time; events of further ones are refused")
    max_body: int = _setting("1MiB", SIZE, "largest request body")
    labels: tuple[str, ...] = _setting(
        "site_name, building_name, floor_name, room_name, zone_name, zone_id",
        LABELS,
        "metadata fields that label each zone; zone_id is always one",
    )
    log_level: str = _setting("info", _one_of("debug", "info", "warning", "error"), "least severe level that is logged")
    log_format: str = _setting("logfmt", _one_of("logfmt", "json"), "how a log line is written")

    def show(self) -> dict[str, str]:
        """Return every setting by name, as it would be written."""
        return {setting.name: setting.kind.show(getattr(self, setting.name)) for setting in SETTINGS}


class Setting(NamedTuple):
    """The declaration of one setting."""

    name: str
    kind: Kind
    default: str
    help: str

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return PREFIX + self.name.upper()

    @property
    def flag(self) -> str:
        """Its flag, as documented."""
        return "--" + self.name.replace("_", "-")


SETTINGS = [Setting(f.name, **f.metadata) for f in fields(Settings)]
"""All settings, in the order of the documentation."""


def load(flags: Mapping[str, str | None], environ: Mapping[str, str]) -> Settings:
    """Work out the settings from flags (by setting name) and environment variables.

    An empty variable is taken as not set. Raises SettingsError with every mistake, not just the first.
    """
    values, mistakes = {}, []
    for setting in SETTINGS:
        source, text = setting.flag, flags.get(setting.name)
        if text is None:
            source, text = setting.variable, environ.get(setting.variable) or None
        if text is None:
            continue
        try:
            values[setting.name] = setting.kind.parse(text.strip())
        except ValueError as error:
            mistakes.append(f"{source} {error}, not {text!r}")
    if mistakes:
        raise SettingsError(mistakes)
    return Settings(**values)


def doubts(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """Return a warning for each thing that is no mistake and hardly meant."""
    found = [f"{name} is not a setting{nearest(name)}" for name in sorted(environ) if _is_no_setting(name)]
    if settings.window < RECOMPUTED:
        found.append(f"window is shorter than the {show_duration(RECOMPUTED)} in which Butlr corrects a reading")
    if settings.stale_after == ZERO < settings.forget_after:
        found.append("with stale_after 0 a zone that does not change is still forgotten; forget_after 0 keeps it")
    if ZERO < settings.forget_after <= settings.stale_after:
        found.append("with forget_after no longer than stale_after a silent zone vanishes without being stale first")
    return found


def nearest(name: str) -> str:
    """Return the end of a sentence on a flag or variable that there is not: what may have been meant, if anything."""
    variable = name.startswith(PREFIX)
    plain = name.removeprefix(PREFIX).strip("-").replace("-", "_").lower()
    matches = [s for s in SETTINGS if get_close_matches(plain, [s.name], cutoff=0.75)]
    return f"; did you mean {matches[0].variable if variable else matches[0].flag}?" if matches else ""


def _is_no_setting(variable: str) -> bool:
    # Kubernetes gives every container variables of the second kind for a service of this name.
    return (
        variable.startswith(PREFIX)
        and re.match("SERVICE_|PORT(_|$)", variable.removeprefix(PREFIX)) is None
        and variable not in [setting.variable for setting in SETTINGS]
    )
