"""A request to the Reporting API, parsed: its times, windows, functions, filters and groups.

Source: docs.butlr.io, reporting API. Times are milliseconds.

Three things that Butlr documents are refused, and the refusal says so: the measurement `traffic`, `time_constraints`
and CSV. No client here asks for them, and their forms are public in outline only; a client that passes against a guess
would prove nothing.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from operator import eq, ge, gt, le, lt, ne
from statistics import fmean, median
from types import MappingProxyType
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from exporter.simulate.cloud.answers import Refused
from exporter.simulate.cloud.names import refused_report

_UNITS_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}

_LENGTH = re.compile("([1-9][0-9]{0,4})([smhdw])")

FUNCTIONS: Mapping[str, Callable[[Sequence[float]], float]] = MappingProxyType(
    {
        "median": median,
        "mean": fmean,
        "max": max,
        "min": min,
        "sum": sum,
        "first": lambda values: values[0],
        "last": lambda values: values[-1],
    }
)

MEASUREMENTS: Mapping[str, str] = MappingProxyType(
    {
        "zone_occupancy": "zone",
        "room_occupancy": "room",
        "floor_occupancy": "floor",
        "traffic_room_occupancy": "room",
        "traffic_floor_occupancy": "floor",
    }
)
"""The kind of space of each measurement."""

_ID_FILTERS = {"zones": "zone_id", "rooms": "room_id", "spaces": "floor_id", "buildings": "building_id"}
"""The field of a space's metadata that each filter of ids compares."""

_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "gt": gt, "gte": ge, "lt": lt, "lte": le, "eq": eq, "ne": ne,
}  # fmt: skip

_GROUPS = ("time", "zone_id", "room_id", "space_id", "building_id", "measurement", "field")

_NOT_SIMULATED = "is documented by Butlr, but the simulated cloud has no {}"

_FIELDS = {"filter", "window", "group_by", "options", "paginate"}
_FILTERS = {"measurements", "start", "stop", "value", "calibrated", "clients", "tags", *_ID_FILTERS}


class Page(NamedTuple):
    """A part of the flat points."""

    number: int
    """From 1."""
    limit: int


class ReportRequest(NamedTuple):
    """A request to the Reporting API."""

    measurements: Sequence[str]
    start_ms: int
    stop_ms: int
    every_ms: int
    function: Callable[[Sequence[float]], float]
    timezone: ZoneInfo
    has_empty: bool
    """Whether windows without data are filled."""
    fill: float | None
    """The value of such windows; None is that of the window before."""
    ids: Mapping[str, Sequence[str]]
    """Accepted ids by the field of a space's metadata."""
    orgs: Sequence[str] | None
    tags: Sequence[str] | None
    value: Mapping[str, float]
    """Numbers with which the value of a point must compare, by comparison."""
    order: Sequence[str] | None
    """The groups, from the outermost; None for flat points."""
    is_raw: bool
    """Whether groups hold points rather than statistics."""
    page: Page | None

    @property
    def hours(self) -> float:
        """The length of the time that is asked for."""
        return (self.stop_ms - self.start_ms) / _UNITS_MS["h"]

    @property
    def has_zeros(self) -> bool:
        """Whether points of zero people are asked for; without such a filter they are left out."""
        return bool(self.value) and self.accepts(0)

    def accepts(self, value: float) -> bool:
        """Return whether a point may have this value."""
        return all(_COMPARISONS[name](value, number) for name, number in self.value.items())

    def windows(self) -> Iterator[tuple[int, int]]:
        """Return begin and end of each window; the first and last may reach over the time that is asked for.

        Windows are aligned to the clock of the time zone, wherever the request starts.
        """
        offset_ms = _offset_ms(self.start_ms, self.timezone)
        begin_ms = (self.start_ms + offset_ms) // self.every_ms * self.every_ms - offset_ms
        for window_ms in range(begin_ms, self.stop_ms, self.every_ms):
            yield window_ms, window_ms + self.every_ms


def parse_request(request: Mapping[str, Any], now_ms: float) -> ReportRequest:
    """Return the request that a JSON object makes. Raises Refused."""
    asked, window = _object(request, "filter"), _object(request, "window")
    group_by, paginate, options = (_object(request, name) for name in ("group_by", "paginate", "options"))
    _check_names(request, _FIELDS, "field")
    if "time_constraints" in asked:
        raise _refusal(f"filter.time_constraints {_NOT_SIMULATED.format('such constraints')}")
    _check_names(asked, _FILTERS, "filter")
    measurements = _texts(asked.get("measurements"), "filter.measurements")
    if not measurements:
        raise _refusal("filter.measurements is required")
    for name in measurements:
        if name == "traffic":
            raise _refusal(f"filter.measurements: traffic {_NOT_SIMULATED.format('history of crossings')}")
        if name not in MEASUREMENTS:
            raise _refusal(f"filter.measurements: {name} is unknown")
    if "calibrated" in asked and not all(name.startswith("traffic_") for name in measurements):
        raise _refusal("filter.calibrated is for traffic_room_occupancy and traffic_floor_occupancy only")
    if options.get("format", "json") != "json":
        raise _refusal(f"options.format: {options['format']} {_NOT_SIMULATED.format('other format than json')}")
    start_ms, stop_ms = _time_ms(asked.get("start"), now_ms), _time_ms(asked.get("stop"), now_ms, int(now_ms))
    if start_ms >= stop_ms:
        raise _refusal("filter.start must be before filter.stop")
    function = window.get("function")
    if not isinstance(function, str) or function not in FUNCTIONS:
        raise _refusal(f"window.function must be one of {', '.join(FUNCTIONS)}")
    order = None if not group_by else _texts(group_by.get("order"), "group_by.order") or ["time"]
    _check_names(dict.fromkeys(order or ()), set(_GROUPS), "group")
    fill = _object(window, "fill")
    return ReportRequest(
        measurements,
        start_ms,
        stop_ms,
        _length_ms(window.get("every"), "window.every"),
        FUNCTIONS[function],
        _zone(window.get("timezone")),
        bool(window.get("create_empty")),
        None if fill.get("use_previous") else float(fill.get("value") or 0),
        {field: _ids(asked[name], name) for name, field in _ID_FILTERS.items() if name in asked},
        _ids(asked["clients"], "clients") if "clients" in asked else None,
        _ids(asked["tags"], "tags") if "tags" in asked else None,
        _comparisons(_object(asked, "value")),
        order,
        bool(group_by.get("raw")),
        Page(_count(paginate.get("page", 1), "page"), _count(paginate.get("limit"), "limit")) if paginate else None,
    )


def _refusal(message: str) -> Refused:
    return Refused(refused_report(message))


def _object(request: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = request.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise _refusal(f"{name} must be an object")
    return found


def _texts(value: object, name: str) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise _refusal(f"{name} must be a list of texts")
    return value


def _ids(value: object, name: str) -> list[str]:
    if not isinstance(value, dict) or set(value) != {"eq"}:
        raise _refusal(f'filter.{name} must be {{"eq": [...]}}')
    return _texts(value["eq"], f"filter.{name}")


def _check_names(given: Mapping[str, Any], known: set[str], what: str) -> None:
    for name in given:
        if name not in known:
            raise _refusal(f"the {what} {name} is unknown to the simulated cloud")


def _comparisons(given: Mapping[str, Any]) -> dict[str, float]:
    for name, number in given.items():
        if name not in _COMPARISONS or isinstance(number, bool) or not isinstance(number, int | float):
            raise _refusal("filter.value must compare with a number")
    return dict(given)


def _count(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _refusal(f"paginate.{name} must be a whole number from 1 on")
    return value


def _length_ms(text: object, name: str) -> int:
    match = _LENGTH.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise _refusal(f"{name} must be a length such as 1m or 1h")
    return int(match[1]) * _UNITS_MS[match[2]]


def _time_ms(text: object, now_ms: float, default_ms: int | None = None) -> int:
    """Return a time, absolute or before now."""
    if text is None and default_ms is not None:
        return default_ms
    if isinstance(text, str) and text.startswith("-"):
        return int(now_ms) - _length_ms(text[1:], "filter.start")
    try:
        time = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise _refusal("filter.start and filter.stop must be times such as 2026-11-25T08:00:00Z")
    return int(time.timestamp() * 1000)


def _zone(name: object) -> ZoneInfo:
    try:
        return ZoneInfo(name if isinstance(name, str) else "UTC")
    except (KeyError, ValueError, OSError):
        raise _refusal("window.timezone must be an IANA time zone") from None


def _offset_ms(time_ms: int, zone: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(time_ms / 1000, zone).utcoffset() or timedelta()
    return int(offset.total_seconds() * 1000)
