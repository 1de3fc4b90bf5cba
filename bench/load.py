"""A client that costs less than what it measures: requests made before, over some connections, as fast as answered.

It is a process of its own: `python -m bench.load PORT KIND` sends a simulated building to a webhook, or as pushes of
the same zones to a Pushgateway, and prints what became of it as JSON.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

import uvloop

from bench.processes import HOST
from exporter.events.fast import parse_fast
from exporter.metrics.text import labelled
from exporter.simulate.world.delivery import Plan, deliveries

CONNECTIONS = 8
PATIENCE = 60.0  # seconds without an answer

LABELS = ("site_name", "building_name", "floor_name", "room_name", "zone_name")


class Answered(NamedTuple):
    """What became of a load."""

    requests: int
    seconds: float
    refused: int
    """Answers other than 2xx."""
    p99: float
    """Seconds within which 99 of 100 were answered."""

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


def webhooks(zones: int, minutes: int) -> Iterator[bytes]:
    """Return requests with the deliveries of a building in its last minutes, as rough as Butlr's."""
    plan = Plan(zones=zones, intervals=minutes)
    for delivery in deliveries(plan, int(time.time() * 1000) - (plan.length_ms or 0)):
        yield _request("POST /webhook", delivery.body)


def varied(zones: int, minutes: int) -> Iterator[bytes]:
    """Return the same, each with a header that no other has, as a proxy may add one."""
    for number, request in enumerate(webhooks(zones, minutes)):
        yield request.replace(b"\r\n", b"\r\nX-Request-Id: %032x\r\n" % number, 1)


def pushes(zones: int, minutes: int) -> Iterator[bytes]:
    """Return requests that push the same to a Pushgateway: a group for each zone, its count and the time of that."""
    plan = Plan(zones=zones, intervals=minutes)
    for delivery in deliveries(plan, int(time.time() * 1000) - (plan.length_ms or 0)):
        event = parse_fast(delivery.body)
        if event is None:
            raise ValueError("a delivery of the simulator is not a single event")
        labels = labelled(LABELS, [getattr(event.metadata, name) for name in LABELS])
        text = (
            "# TYPE butlr_zone_occupancy gauge\n"
            f"butlr_zone_occupancy{labels} {event.value}\n"
            "# TYPE butlr_zone_occupancy_timestamp_seconds gauge\n"
            f"butlr_zone_occupancy_timestamp_seconds{labels} {event.timestamp / 1000}\n"
        )
        yield _request(f"PUT /metrics/job/butlr/zone_id/{event.space_id}", text.encode())


def _request(line: str, body: bytes) -> bytes:
    head = f"{line} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


KINDS = {"webhooks": webhooks, "varied": varied, "pushes": pushes}


class _Line(asyncio.Protocol):
    """One connection: a request at a time."""

    def __init__(self, load: "_Load") -> None:
        self._load = load
        self._come = b""
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._next()

    def _next(self) -> None:
        request = next(self._load.requests, None)
        if request is None:
            self._transport.close()
        else:
            self._began = time.perf_counter()
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        come = self._come + data
        end = come.find(b"\r\n\r\n")
        at = come.lower().find(b"content-length:")
        if end < 0 or at < 0 or len(come) < end + 4 + int(come[at + 15 : come.index(b"\r", at)]):
            self._come = come
            return
        self._come = b""
        self._load.times.append(time.perf_counter() - self._began)
        self._load.refused += come[9:10] != b"2"
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._load.open -= 1
        if self._load.open == 0:
            self._load.done.set_result(None)


class _Load:
    def __init__(self, requests: Iterator[bytes], connections: int) -> None:
        self.requests = requests
        self.times: list[float] = []
        self.refused = 0
        self.open = connections
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()


async def _send(port: int, requests: Iterator[bytes], connections: int) -> Answered:
    load = _Load(requests, connections)
    began = time.perf_counter()
    for _ in range(connections):
        await asyncio.get_running_loop().create_connection(lambda: _Line(load), HOST, port)
    answered = -1
    while not load.done.done() and answered < len(load.times):
        answered = len(load.times)
        await asyncio.wait([load.done], timeout=PATIENCE)
    times = sorted(load.times)
    return Answered(len(times), time.perf_counter() - began, load.refused, times[len(times) * 99 // 100])


def send(port: int, kind: str, zones: int, minutes: int, most: int = 1 << 40) -> Answered:
    """Send a load from a process of its own. Raises RuntimeError if not all of it was answered with 2xx."""
    command = [sys.executable, "-m", "bench.load", str(port), kind, str(zones), str(minutes), str(most)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if told.returncode:
        raise RuntimeError(f"the load ended with: {told.stderr.strip().splitlines()[-1]}")
    answered = Answered(*json.loads(told.stdout))
    if answered.refused:
        raise RuntimeError(f"{answered.refused} of {answered.requests} requests were refused")
    return answered


def main() -> None:
    """Send, and print what became of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("zones", type=int)
    parser.add_argument("minutes", type=int)
    parser.add_argument("most", type=int)
    options = parser.parse_args()
    requests = list(KINDS[options.kind](options.zones, options.minutes))[: options.most]
    answered = uvloop.run(_send(options.port, iter(requests), CONNECTIONS))
    if answered.requests < len(requests):
        sys.exit(f"{answered.requests} of {len(requests)} requests were answered")
    print(json.dumps(answered))


if __name__ == "__main__":
    main()
