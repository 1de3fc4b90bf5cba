"""A client that costs less than the measured program: it sends prepared requests as fast as they are answered.

It is a process of its own, which sends the deliveries of a simulated building to a webhook, or pushes of the same zones
to a Pushgateway.
"""

import asyncio
import json
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any, NamedTuple
from zlib import crc32

import uvloop

from bench.processes import HOST
from exporter.events.fast import parse_fast
from exporter.events.ids import ksuid
from exporter.events.measures import Kind, Measure, Payload, known_type
from exporter.events.model import FIELDS, ReadingEvent
from exporter.metrics.text import labelled
from exporter.simulate.world.delivery import Plan
from exporter.simulate.world.stream import deliveries

CONNECTIONS = 8
PATIENCE_SECONDS = 60.0
"""Time without an answer after which a load is given up."""

LABELS = ("site_name", "building_name", "floor_name", "room_name", "zone_name")


class LoadResult(NamedTuple):
    """The results of a load."""

    requests: int
    """Answered requests."""
    seconds: float
    refused: int
    """Answers other than 2xx."""
    p99_seconds: float
    """Time within which 99 % were answered."""

    @property
    def rate(self) -> float:
        """Answered requests a second."""
        return self.requests / self.seconds


def webhooks(zones: int, minutes: int) -> Iterator[bytes]:
    """Return requests with the deliveries of a building in the last minutes, as rough as Butlr's."""
    plan = Plan(zones=zones, intervals=minutes)
    for delivery in deliveries(plan, int(time.time() * 1000) - (plan.length_ms or 0)):
        yield _request("POST /webhook", delivery.body)


def varied(zones: int, minutes: int) -> Iterator[bytes]:
    """Return the requests of `webhooks`, each with a header of its own, as a proxy may add one."""
    for number, request in enumerate(webhooks(zones, minutes)):
        yield request.replace(b"\r\n", b"\r\nX-Request-Id: %032x\r\n" % number, 1)


def pushes(zones: int, minutes: int) -> Iterator[bytes]:
    """Return the same readings as pushes to a Pushgateway: a group for each zone, with its count and the time of it."""
    plan = Plan(zones=zones, intervals=minutes)
    for delivery in deliveries(plan, int(time.time() * 1000) - (plan.length_ms or 0)):
        event = parse_fast(delivery.body)
        if not isinstance(event, ReadingEvent):
            raise ValueError("a delivery of the simulator is not a single event")
        labels = labelled(LABELS, [getattr(event.metadata, name) for name in LABELS])
        text = (
            "# TYPE butlr_zone_occupancy gauge\n"
            f"butlr_zone_occupancy{labels} {event.value}\n"
            "# TYPE butlr_zone_occupancy_timestamp_seconds gauge\n"
            f"butlr_zone_occupancy_timestamp_seconds{labels} {event.timestamp / 1000}\n"
        )
        yield _request(f"PUT /metrics/job/butlr/zone_id/{event.space_id}", text.encode())


def _request(line: str, body: bytes, more: str = "") -> bytes:
    head = f"{line} HTTP/1.1\r\nHost: {HOST}\r\n{more}Content-Type: application/json\r\nContent-Length: {len(body)}"
    return f"{head}\r\n\r\n".encode() + body


KEY = "key"
"""The API key that all events have but those without credentials."""


def _changed(change: Callable[[dict[str, Any]], object]) -> Callable[[int, int], Iterator[bytes]]:
    """Return a function that returns the requests of `webhooks` with their events changed, and with the key."""

    def requests(zones: int, minutes: int) -> Iterator[bytes]:
        for request in webhooks(zones, minutes):
            event = json.loads(request.partition(b"\r\n\r\n")[2])
            change(event)
            yield _request("POST /webhook", json.dumps(event).encode(), f"X-API-Key: {KEY}\r\n")

    return requests


def malformed(zones: int, minutes: int) -> Iterator[bytes]:
    """Return the requests of `webhooks` with the key, and with a body that is truncated."""
    for request in webhooks(zones, minutes):
        yield _request("POST /webhook", request.partition(b"\r\n\r\n")[2][:-1], f"X-API-Key: {KEY}\r\n")


_SENSOR = {
    "hive_id": "hive_2oULLOWeATbeC4Ebfe849hNlFWk",
    "hive_serial": "HV-0042",
    "hive_model": "2.0",
    "hive_version": "2.4.4",
    "mac_address": "00-17-0d-00-00-cc-bb-aa",
    "sensor_mode": "presence",
    "sensor_model": "Heatic 2+",
}

_POINTS = [[0.21, 0.64], [0.83, 0.4]]

_DATA: dict[Payload, Any] = {
    Payload.CROSSINGS: {"in": 1, "out": 0},
    Payload.DETECTIONS: {"local": _POINTS, "world": _POINTS},
}
"""The field `data` of payloads that are no number of people."""

_TYPES = [each.name for measure in Measure for each in measure.declared.types]


def _retyped(types: Sequence[str]) -> Callable[[int, int], Iterator[bytes]]:
    """Return a function that returns the requests of `webhooks`, with a space of one of these types for each zone."""

    def requests(zones: int, minutes: int) -> Iterator[bytes]:
        began_ms, random = int(time.time() * 1000), Random(1)
        for number, request in enumerate(webhooks(zones, minutes)):
            event = json.loads(request.partition(b"\r\n\r\n")[2])
            zone = event["metadata"]["zone_id"]
            _retype(event, types[crc32(zone.encode()) % len(types)], zone)
            if event["type"] == "DETECTIONS":  # a thousand a second, none of which is computed again
                event["timestamp"] = began_ms + number
                event["id"] = f"event_{ksuid(event['timestamp'] // 1000, random.getrandbits(128))}"
            yield _request("POST /webhook", json.dumps(event).encode())

    return requests


def _retype(event: dict[str, Any], event_type: str, space_id: str) -> None:
    """Change an event of a zone to one of this type, of a space with this id."""
    known = known_type(event_type)
    assert known is not None  # noqa: S101 - it is declared
    kind, payload = known.measure.kind, known.measure.declared.payload
    names = {name: value for name, value in event["metadata"].items() if name in FIELDS[kind]}
    event["metadata"] = names | (_SENSOR if kind is Kind.SENSOR else {}) | {kind.id_field: space_id}
    event["type"], people = event_type, event.pop("data")
    if payload is not Payload.MOTION:
        event["data"] = _DATA.get(payload, people)


DAY_MS = 86_400_000

REFUSED = {
    "overflow": _changed(lambda event: event["metadata"].update(zone_id=event["id"])),
    "future": _changed(lambda event: event.update(timestamp=event["timestamp"] + DAY_MS)),
    "invalid": _changed(lambda event: event.update(data="many")),
    "late": _changed(lambda event: event.update(timestamp=event["timestamp"] - DAY_MS)),
    "unsupported": _changed(lambda event: event.update(type="WEATHER")),
    "malformed": malformed,
    "unauthorized": webhooks,
}
"""Loads of events without effect, by the reason for it: the outcome, or the rejection of the request."""

KINDS = {
    "webhooks": webhooks,
    "varied": varied,
    "mixed": _retyped(_TYPES),
    "detections": _retyped(["DETECTIONS"]),
    "pushes": pushes,
    "accepted": _changed(lambda _: None),
    **REFUSED,
}


class _Connection(asyncio.Protocol):
    """One connection, with a request at a time."""

    def __init__(self, load: "_Load") -> None:
        self._load = load
        self._unread = b""
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._send_next()

    def _send_next(self) -> None:
        request = next(self._load.requests, None)
        if request is None:
            self._transport.close()
        else:
            self._began = time.perf_counter()
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        unread = self._unread + data
        end = unread.find(b"\r\n\r\n")
        at = unread.lower().find(b"content-length:")
        if end < 0 or at < 0 or len(unread) < end + 4 + int(unread[at + 15 : unread.index(b"\r", at)]):
            self._unread = unread
            return
        self._unread = b""
        self._load.latencies_seconds.append(time.perf_counter() - self._began)
        self._load.refused += unread[9:10] != b"2"
        self._send_next()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._load.open_connections -= 1
        if self._load.open_connections == 0:
            self._load.done.set_result(None)


class _Load:
    """The requests that all connections share, and the results so far."""

    def __init__(self, requests: Iterator[bytes], connections: int) -> None:
        self.requests = requests
        self.latencies_seconds: list[float] = []
        self.refused = 0
        self.open_connections = connections
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()


async def _send_all(port: int, requests: Iterator[bytes], connections: int) -> LoadResult:
    load = _Load(requests, connections)
    began = time.perf_counter()
    for _ in range(connections):
        await asyncio.get_running_loop().create_connection(lambda: _Connection(load), HOST, port)
    answered = -1
    while not load.done.done() and answered < len(load.latencies_seconds):
        answered = len(load.latencies_seconds)
        await asyncio.wait([load.done], timeout=PATIENCE_SECONDS)
    latencies = sorted(load.latencies_seconds)
    p99_seconds = latencies[len(latencies) * 99 // 100]
    return LoadResult(len(latencies), time.perf_counter() - began, load.refused, p99_seconds)


def send(
    port: int,
    kind: str,
    zones: int,
    minutes: int,
    maximum: int = 1 << 40,
    begin: Callable[[], object] = lambda: None,
) -> LoadResult:
    """Send a load from a process of its own, after a call of `begin` once the load is prepared.

    Raises RuntimeError unless all of it is answered: with 2xx, if its kind is one that is not refused.
    """
    # Another Python would import everything again.
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()

    def run() -> None:
        ours.close()  # so that the load ends if the benchmark does
        requests = list(KINDS[kind](zones, minutes))[:maximum]
        theirs.send(len(requests))
        theirs.recv()
        theirs.send(uvloop.run(_send_all(port, iter(requests), CONNECTIONS)))

    load = context.Process(target=run)
    load.start()
    theirs.close()
    try:
        prepared = ours.recv()
        begin()
        ours.send(None)
        result: LoadResult = ours.recv()
    except EOFError as error:
        raise RuntimeError("the load ended too early") from error
    finally:
        load.kill()
        load.join()
        ours.close()
    if result.requests < prepared:
        raise RuntimeError(f"{result.requests} of {prepared} requests were answered")
    if result.refused and kind not in REFUSED:
        raise RuntimeError(f"{result.refused} of {result.requests} requests were refused")
    return result
