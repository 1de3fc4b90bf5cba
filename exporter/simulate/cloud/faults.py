"""The faults of the simulated cloud: some requests fail, and some deliveries are dropped."""

import json
import sys
from collections import Counter
from collections.abc import Container
from datetime import datetime, timedelta, timezone
from enum import StrEnum
from random import Random
from typing import Any

from exporter.simulate.cloud.answers import Answer
from exporter.simulate.cloud.names import REFUSED_TOKEN_STATUS, UNAUTHENTICATED

HOLD_SECONDS = 20.0
"""Time after which a request that is held is answered with 504; many a client waits no longer than half of it."""

PADDING_BYTES = 11 << 20
"""Blanks in an answer that is too large: more than a client should read of a report."""

_DROPPED_SHARE = 0.02
"""Share of deliveries that are dropped."""

_KOLKATA = timezone(timedelta(hours=5, minutes=30))

_LONGEST_RETRY_SECONDS = 3

_PAGE = "<!doctype html><title>{0}</title><h1>{0}</h1>"

_NESTED = ("zones", "rooms", "floors", "buildings")
"""Lists that are missing in a part of the data."""


class Fault(StrEnum):
    """A way in which a request fails; its value names it for people."""

    EXPIRED = "tokens expired early"
    THROTTLED = "429"
    BAD_GATEWAY = "502"
    GATEWAY_TIMEOUT = "504"
    HELD = "held"
    PAGE = "answered with a page"
    HALF = "half of the answer"
    PARTIAL = "part of the data"
    EMPTY = "no data"
    ODD = "odd points"
    TYPES = "wrong types"
    HUGE = "11 MiB"
    DRIPPING = "dripping"


_SHARES = {
    Fault.EXPIRED: 0.03,
    Fault.THROTTLED: 0.03,
    Fault.BAD_GATEWAY: 0.03,
    Fault.GATEWAY_TIMEOUT: 0.02,
    Fault.HELD: 0.01,
    Fault.PAGE: 0.01,
    Fault.HALF: 0.01,
    Fault.PARTIAL: 0.03,
    Fault.EMPTY: 0.05,
    Fault.ODD: 0.03,
    Fault.TYPES: 0.01,
    Fault.HUGE: 0.01,
    Fault.DRIPPING: 0.01,
}
"""Share of the requests that fail so."""

_MOST = {Fault.HUGE: 5, Fault.DRIPPING: 2}
"""Faults that cost this machine or the client much, and the most of them in one run."""

FOR_TOKENS = frozenset(
    {
        Fault.THROTTLED, Fault.BAD_GATEWAY, Fault.GATEWAY_TIMEOUT, Fault.HELD, Fault.PAGE, Fault.TYPES, Fault.HUGE,
        Fault.DRIPPING,
    }
)  # fmt: skip
FOR_REPORTS = FOR_TOKENS | {Fault.EXPIRED, Fault.HALF, Fault.EMPTY, Fault.ODD}
NOT_EXECUTED = frozenset({Fault.HALF, Fault.EMPTY, Fault.TYPES, Fault.HUGE, Fault.DRIPPING})
"""Faults of reports that have no points of the answer, which the oracle therefore must not expect."""
FOR_GRAPHQL = FOR_TOKENS | {Fault.EXPIRED, Fault.HALF, Fault.PARTIAL}


class Faults:
    """Decides by chance which requests fail; and counts them."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.counts: Counter[str] = Counter()

    def draw(self, possible: Container[Fault]) -> Fault | None:
        """Return the fault of a request, or None."""
        drawn = self._random.random()
        for fault, share in _SHARES.items():
            drawn -= share
            if drawn < 0:
                if fault not in possible or self.counts[fault.value] >= _MOST.get(fault, sys.maxsize):
                    return None
                self.counts[fault.value] += 1
                return fault
        return None

    def drops(self) -> bool:
        """Return whether a delivery is dropped."""
        return self._random.random() < _DROPPED_SHARE

    def failure(self, fault: Fault) -> Answer | None:
        """Return the answer to a request that fails before it is executed; None if it fails later."""
        match fault:
            case Fault.EXPIRED:
                return Answer(REFUSED_TOKEN_STATUS, {"message": "Unauthorized"})
            case Fault.THROTTLED:
                seconds = self._random.randint(1, _LONGEST_RETRY_SECONDS)
                return Answer(429, {"message": "Too many requests"}, {"Retry-After": str(seconds)})
            case Fault.BAD_GATEWAY:
                return Answer(502, _PAGE.format("502 Bad Gateway"))
            case Fault.GATEWAY_TIMEOUT | Fault.HELD:
                return Answer(504, {"message": "Endpoint request timed out"})
            case Fault.PAGE:
                return Answer(200, _PAGE.format("Down for maintenance"))
            case _:
                return None

    def unauthenticated(self) -> Answer | None:
        """Return one of the two answers of GraphQL to a refused token; None is the other one, by its status."""
        if self._random.random() < 0.5:
            return None
        error = {"message": "unauthorized", "extensions": {"code": UNAUTHENTICATED}}
        return Answer(200, {"errors": [error], "data": None})


def spoiled(answer: Answer, fault: Fault) -> Answer:
    """Return the answer to a request that was executed, and failed then."""
    if answer.status != 200:
        return answer
    if fault is Fault.HALF:
        text = json.dumps(answer.content)
        return Answer(200, text[: len(text) // 2], {"Content-Type": "application/json"})
    if fault is Fault.TYPES:
        return Answer(200, dict.fromkeys(answer.content, "none"))
    if fault is Fault.HUGE:
        return answer._replace(padding_bytes=PADDING_BYTES)
    if fault is Fault.DRIPPING:
        return answer._replace(drips=True)
    content = json.loads(json.dumps(answer.content))
    if fault is Fault.ODD:
        if isinstance(content["data"], list):
            content["data"] = _with_odd_points(content["data"])
        return Answer(200, content)
    path = _remove_list(content.get("data"))
    if path is None:
        return answer
    return Answer(200, {"errors": [{"message": "internal system error", "path": path}], **content})


def _remove_list(value: Any) -> list[str | int] | None:
    """Set the last nested list below a value to null; return the path to it, or None if there is none."""
    entries = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    for key, each in reversed(entries):
        if (path := _remove_list(each)) is not None:
            return [key, *path]
        if key in _NESTED and isinstance(each, list):
            value[key] = None
            return [key]
    return None


def _with_odd_points(points: list[dict[str, Any]]) -> list[Any]:
    """Return all points, some of them twice, with times of another time zone, among others that are none."""
    nowhere = {name: "nowhere" for name in points[0] if name.endswith("_id")}
    first = points[0]
    return [
        *points[::2],
        *({**point, **{name: _in_kolkata(point[name]) for name in ("time", "start", "stop")}} for point in points),
        {**first, **nowhere},
        {**first, **dict.fromkeys(nowhere, "")},
        {**first, "value": None},
        {**first, "value": "many"},
        {**first, "time": first["time"].removesuffix("Z")},
        {**first, "time": "1970-01-01T00:00:00Z"},
        {},
        None,
    ]


def _in_kolkata(time: str) -> str:
    """Return the same time as a clock in Kolkata shows it."""
    return datetime.fromisoformat(time).astimezone(_KOLKATA).isoformat()
