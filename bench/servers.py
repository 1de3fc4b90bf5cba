"""Compares servers for the exporter: what an event costs behind each, and whether stalled senders hold it up.

Run `python -m bench.servers` after `pip install --group bench`. docs/server.md has what came of it. Numbers are ratios
to the first row of the same round, so that they mean something on another machine.
"""

import argparse
import contextlib
import http.client
import importlib.util
import socket
import sys
import time
from collections.abc import Iterator
from statistics import median
from typing import NamedTuple

from bench.ingest import EMPTY, PROGRAMS, measure
from bench.load import webhooks
from bench.processes import HOST, program

STALLED = 200  # senders that stop in the middle of a body, every other one of them chunked
PROMPT = 1.0  # seconds in which a good event must be answered

_GRANIAN = "-m granian --interface wsgi --workers 1 --no-log --host 127.0.0.1 --port {port} --factory"

SERVERS = {
    "empty view, Granian, 1 thread": PROGRAMS[EMPTY],
    "exporter, Granian, 1 thread": f"{_GRANIAN} --blocking-threads 1 exporter.app:create_app",
    "exporter, Granian, 8 threads": f"{_GRANIAN} --blocking-threads 8 exporter.app:create_app",
    "exporter, gunicorn gthread, 8 threads": "-m gunicorn --bind 127.0.0.1:{port} --worker-class gthread --workers 1 "
    "--threads 8 exporter.app:create_app()",
    # By default waitress takes no more than 100 connections.
    "exporter, waitress, 8 threads": "-m waitress --host 127.0.0.1 --port {port} --threads 8 --connection-limit 1000 "
    "--call exporter.app:create_app",
    "exporter, its own server": "-m exporter serve --log-level error --listen 127.0.0.1:{port}",
}
"""The command of each."""

BASE = next(iter(SERVERS))


class Run(NamedTuple):
    """What one server did in one round: seconds an event, processor seconds an event, stalled senders."""

    second: float
    processor: float
    stands: bool


def run(name: str, zones: int, minutes: int) -> Run:
    """Start a server, drive it, and stall it. Raises RuntimeError if it does not do its job."""
    with program(SERVERS[name]) as running:
        cost = measure(running, "webhooks", zones, minutes)
        request = next(webhooks(1, 6))
        try:
            with _stalled_senders(running.port):
                return Run(*cost, _answers(running.port, request))
        except OSError:  # not even all of those could connect
            return Run(*cost, stands=False)


def _answers(port: int, request: bytes) -> bool:
    """Tell whether a request is answered with 200, promptly."""
    try:
        with socket.create_connection((HOST, port), timeout=PROMPT) as connection:
            connection.sendall(request)
            response = http.client.HTTPResponse(connection)
            response.begin()
            return response.status == 200
    except (OSError, http.client.HTTPException):
        return False


@contextlib.contextmanager
def _stalled_senders(port: int) -> Iterator[None]:
    """Keep connections open that have sent headers and half of a body."""
    head = f"POST /webhook HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
    starts = (f"{head}Content-Length: 1000\r\n\r\n", f"{head}Transfer-Encoding: chunked\r\n\r\n3e8\r\n")
    with contextlib.ExitStack() as stack:
        for number in range(STALLED):
            connection = stack.enter_context(socket.create_connection((HOST, port), timeout=PROMPT))
            connection.sendall(starts[number % 2].encode() + b"[" * 500)
        time.sleep(0.5)  # until the server has come to all of them
        yield


def main() -> int:
    """Measure all servers in turn, some rounds of it, and print the table of medians."""
    parser = argparse.ArgumentParser(prog="python -m bench.servers", description="Compare servers for the exporter.")
    parser.add_argument("--zones", type=int, default=500, help="that send events (default: %(default)s)")
    parser.add_argument("--minutes", type=int, default=10, help="of their events (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="the median of so many is shown (default: %(default)s)")
    options = parser.parse_args()
    installed = [name for name, command in SERVERS.items() if importlib.util.find_spec(command.split()[1])]
    try:
        rounds = [
            {name: run(name, options.zones, options.minutes) for name in installed} for _ in range(options.rounds)
        ]
    except (RuntimeError, OSError) as error:
        print(f"bench.servers: {error}", file=sys.stderr)
        return 1
    print(f"{'':<40}{'requests/s':>12}{'cpu/request':>13}  stalled senders")
    for name in SERVERS:
        print(f"{name:<40}{_row(name, rounds)}")
    if base := [result[BASE] for result in rounds if BASE in result]:
        second, processor = median(each.second for each in base), median(each.processor for each in base)
        print(f"\n1.00 is {1 / second:.0f} requests/s, {processor * 1e6:.0f} us of processor time per request")
    return 0


def _row(name: str, rounds: list[dict[str, Run]]) -> str:
    """Return the medians of a server; a ratio is to the first one in the same round."""
    if not all(name in result for result in rounds):
        return f"{'not installed':>25}"
    stands = "ok" if all(result[name].stands for result in rounds) else "held up"
    pairs = [(result[name], result[BASE]) for result in rounds if BASE in result]
    if not pairs:  # nothing to compare with
        return f"{'-':>12}{'-':>13}  {stands}"
    rate = median(base.second / own.second for own, base in pairs)
    cost = median(own.processor / base.processor for own, base in pairs)
    return f"{rate:>12.2f}{cost:>13.2f}  {stands}"


if __name__ == "__main__":
    sys.exit(main())
