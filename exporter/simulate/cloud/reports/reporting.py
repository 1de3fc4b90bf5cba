"""The Reporting API: points of windows of readings. Times are milliseconds.

Source: docs.butlr.io, reporting API, and recordings in Butlr's own client. An answer has one of three forms:

- without groups, `data` is a list of points in no order; their `time` is the end of the window, their `start` and
  `stop` are those of the request;
- with groups, `data` is a map by the first group, of maps by the next; at the end are statistics over all windows;
- with `raw`, lists of points are there instead; their `time` and `start` are the begin of the window.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from random import Random
from statistics import fmean, median, pstdev
from typing import Any, NamedTuple

from exporter.simulate.cloud.answers import Answer, json_object
from exporter.simulate.cloud.assets import Assets
from exporter.simulate.cloud.names import (
    MAX_MINUTE_HOURS,
    MAX_SPACE_HOURS,
    MAX_SPACES_AT_ONCE,
    lag_ms,
    page_info,
)
from exporter.simulate.cloud.reports.readings import Readings
from exporter.simulate.cloud.reports.request import MEASUREMENTS, ReportRequest, parse_request

_MINUTE_MS = 60_000

_UNUSED = ("tag_id", "hive_id", "hive_serial", "sensor_id", "mac_address")
"""Fields of a point that no occupancy has."""


class Point(NamedTuple):
    """The value of one window of one space."""

    measurement: str
    space_id: str
    begin_ms: int
    end_ms: int
    value: float


OnAnswer = Callable[[ReportRequest, Sequence[tuple[str, str]], Sequence[Point]], None]
"""Called with a request, the pairs of measurement and space that it asks for, and the points of the answer."""


class Reporting:
    """Answers requests about readings."""

    def __init__(
        self,
        assets: Assets,
        readings: Readings,
        now_ms: Callable[[], float],
        random: Random,
        on_answer: OnAnswer = lambda *_: None,
    ) -> None:
        """Take the spaces, their readings, a clock, and the source of all chance.

        `on_answer` is called for each answer that is not empty for asking too much.
        """
        self._assets = assets
        self._readings = readings
        self._now_ms = now_ms
        self._random = random
        self._on_answer = on_answer

    def answer(self, body: bytes) -> Answer:
        """Return the answer to a request. Raises Refused."""
        now_ms = self._now_ms()
        request = parse_request(json_object(body), now_ms)
        spaces = [(name, space) for name in request.measurements for space in self._spaces(request, MEASUREMENTS[name])]
        if _is_too_much(request, len(spaces)):
            return Answer(200, {"data": {}, "page_info": page_info(None, 1, 0)})
        points = [point for name, space in spaces for point in self._points(request, name, space, now_ms)]
        number = len(points)
        if request.order is None:
            self._random.shuffle(points)
        if request.page is not None:
            first = (request.page.number - 1) * request.page.limit
            points = points[first : first + request.page.limit]
        if request.order is None:
            data: Any = [self._shown(request, point, is_flat=True) for point in points] or {}
        else:
            data = self._grouped(request, points, request.order) if points else {}
        self._on_answer(request, spaces, points)
        page, limit = request.page or (None, 1)
        return Answer(200, {"data": data, "page_info": page_info(page, limit, number)})

    def _spaces(self, request: ReportRequest, kind: str) -> Iterator[str]:
        """Return the ids of the spaces of one kind that a request asks for."""
        for space_id, place in self._assets.places.items():
            if (
                place.kind == kind
                and all(place.metadata.get(field) in ids for field, ids in request.ids.items())
                and (request.orgs is None or self._assets.org_id in request.orgs)
                and (request.tags is None or not place.tags.isdisjoint(request.tags))
            ):
                yield space_id

    def _points(self, request: ReportRequest, measurement: str, space_id: str, now_ms: float) -> Iterator[Point]:
        reported_ms = now_ms - lag_ms(self._readings.interval_ms)
        previous = 0.0
        for begin_ms, end_ms in request.windows():
            first_ms, last_ms = max(begin_ms, request.start_ms), min(end_ms, request.stop_ms)
            values = []
            if end_ms <= reported_ms:
                values = [value for _, value in self._readings.values(space_id, first_ms, last_ms, now_ms)]
            if values:
                previous = float(request.function(values))
            elif not request.has_empty:
                continue
            value = previous if values or request.fill is None else request.fill
            if (value or request.has_zeros) and request.accepts(value):
                yield Point(measurement, space_id, begin_ms, end_ms, value)

    def _grouped(self, request: ReportRequest, points: Sequence[Point], order: Sequence[str]) -> Any:
        """Return a map by the first group, of maps by the next, with points or statistics in the last."""
        if not order:
            if request.is_raw:
                return [self._shown(request, point, is_flat=False) for point in points]
            return _statistics([point.value for point in points])
        groups: dict[str, list[Point]] = {}
        for point in points:
            shown = self._shown(request, point, is_flat=False)
            groups.setdefault(shown[order[0]], []).append(point)
        return {name: self._grouped(request, group, order[1:]) for name, group in sorted(groups.items())}

    def _shown(self, request: ReportRequest, point: Point, *, is_flat: bool) -> dict[str, Any]:
        """Return a point as an answer has it."""
        metadata = self._assets.places[point.space_id].metadata
        times = (
            {"time": point.end_ms, "start": request.start_ms, "stop": request.stop_ms}
            if is_flat
            else {"time": point.begin_ms, "start": point.begin_ms, "stop": point.end_ms}
        )
        is_traffic = point.measurement.startswith("traffic_")
        own_ids = {f"{kind}_custom_id": metadata.get(f"{kind}_custom_id") for kind in ("floor", "room", "zone")}
        return {
            "field": "aggregator_occupancy" if is_traffic else point.measurement,
            "measurement": "aggregator_headcount" if is_traffic else point.measurement,
            **{name: shown_time(time_ms) for name, time_ms in times.items()},
            "value": point.value,
            "preprocessed": not is_flat,
            "timezone_offset": "",
            **dict.fromkeys(_UNUSED, ""),
            "building_id": metadata["building_id"],
            "building_name": metadata["building_name"],
            "space_id": metadata["floor_id"],
            "space_name": metadata["floor_name"],
            **{name: metadata.get(name, "") for name in ("room_id", "room_name", "zone_id", "zone_name")},
            **{name: custom_id for name, custom_id in own_ids.items() if custom_id},
        }


def shown_time(time_ms: float) -> str:
    """Return a time as RFC 3339 has it, in UTC and whole seconds."""
    return datetime.fromtimestamp(time_ms // 1000, UTC).isoformat().replace("+00:00", "Z")


def _is_too_much(request: ReportRequest, spaces: int) -> bool:
    """Return whether a request is over the limit of Butlr's time, and so answered with nothing."""
    return (
        spaces > MAX_SPACES_AT_ONCE
        or spaces * request.hours > MAX_SPACE_HOURS
        or (request.every_ms <= _MINUTE_MS and request.hours > MAX_MINUTE_HOURS)
    )


def _statistics(values: Sequence[float]) -> Mapping[str, float]:
    return {
        "sum": sum(values),
        "min": min(values),
        "max": max(values),
        "count": len(values),
        "mean": fmean(values),
        "median": median(values),
        "stddev": pstdev(values),
        "first": values[0],
        "last": values[-1],
    }
