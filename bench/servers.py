"""Compares servers for the exporter: the cost of an event behind each, and whether stalled senders hold it up.

Run `python -m bench.servers` after `pip install --group bench`. docs/server.md has the results. Numbers are ratios to
the first row of the same round, so that they mean something on another machine.
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

from bench.ingest import EMPTY, PROGRAMS, Cost, measure
from bench.load import webhooks
from bench.processes import HOST, program

STALLED_SENDERS = 200
"""Senders that stop in the middle of a body, every other one of them chunked."""

PROMPT_SECONDS = 1.0
"""Time within which a good event must be answered."""

_GRANIAN = "-m granian --interface wsgi --workers 1 --no-log --host 127.0.0.1 --port {port} --factory"

SERVERS = {
    "empty view, Granian, 1 thread": PROGRAMS[EMPTY],
    "exporter, Granian, 1 thread": f"{_GRANIAN} --blocking-threads 1 exporter.app:create_app",
    "exporter, Granian, 8 threads": f"{_GRANIAN} --blocking-threads 8 exporter.app:create_app",
    "exporter, gunicorn gthread, 8 threads": "-m gunicorn --bind 127.0.0.1:{port} --worker-class gthread --workers 1 "
    "--threads 8 exporter.app:create_app()",
    # The default of waitress is 100 connections.
    "exporter, waitress, 8 threads": "-m waitress --host 127.0.0.1 --port {port} --threads 8 --connection-limit 1000 "
    "--call exporter.app:create_app",
    "exporter, its own server": "-m exporter serve --log-level error --listen 127.0.0.1:{port}",
}
"""Commands by the name of the row."""

BASE = next(iter(SERVERS))


class Run(NamedTuple):
    """The results of one server in one round."""

    cost: Cost
    answers_beside_stalled: bool
    """Whether it answers a good event while stalled senders are connected."""


def run(name: str, zones: int, minutes: int) -> Run:
    """Start a server, send events to it, and stall it. Raises RuntimeError if it fails to start or to answer."""
    with program(SERVERS[name]) as running:
        cost = measure(running, "webhooks", zones, minutes)
        request = next(webhooks(1, 6))
        try:
            with _stalled_senders(running.port):
                return Run(cost, _answers(running.port, request))
        except OSError:  # not even all stalled senders could connect
            return Run(cost, answers_beside_stalled=False)


def _answers(port: int, request: bytes) -> bool:
    """Tell whether a request is answered with 200 within PROMPT_SECONDS."""
    try:
        with socket.create_connection((HOST, port), timeout=PROMPT_SECONDS) as connection:
            connection.sendall(request)
            response = http.client.HTTPResponse(connection)
            response.begin()
            return response.status == 200
    except (OSError, http.client.HTTPException):
        return False


@contextlib.contextmanager
def _stalled_senders(port: int) -> Iterator[None]:
    """Keep connections open over which a header section and half of a body were sent."""
    head = f"POST /webhook HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
    starts = (f"{head}Content-Length: 1000\r\n\r\n", f"{head}Transfer-Encoding: chunked\r\n\r\n3e8\r\n")
    with contextlib.ExitStack() as stack:
        for number in range(STALLED_SENDERS):
            connection = stack.enter_context(socket.create_connection((HOST, port), timeout=PROMPT_SECONDS))
            connection.sendall(starts[number % 2].encode() + b"[" * 500)
        time.sleep(0.5)  # until the server has read from all of them
        yield


def main() -> int:
    """Measure all servers in turn, in several rounds, and print the table of medians."""
    parser = argparse.ArgumentParser(prog="python -m bench.servers", description="Compare servers for the exporter.")
    parser.add_argument("--zones", type=int, default=500, help="zones that send events (default: %(default)s)")
    parser.add_argument("--minutes", type=int, default=10, help="minutes of their events (default: %(default)s)")
    parser.add_argument(
        "--rounds", type=int, default=3, help="rounds, of which the median is shown (default: %(default)s)"
    )
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
        seconds = median(each.cost.seconds for each in base)
        processor_seconds = median(each.cost.processor_seconds for each in base)
        print(f"\n1.00 is {1 / seconds:.0f} requests/s, {processor_seconds * 1e6:.0f} us of processor time per request")
    return 0


def _row(name: str, rounds: list[dict[str, Run]]) -> str:
    """Return the cells of a server: medians of the ratios to the first server in the same round."""
    if not all(name in result for result in rounds):
        return f"{'not installed':>25}"
    stands = "ok" if all(result[name].answers_beside_stalled for result in rounds) else "held up"
    pairs = [(result[name], result[BASE]) for result in rounds if BASE in result]
    if not pairs:  # nothing to compare with
        return f"{'-':>12}{'-':>13}  {stands}"
    rate = median(base.cost.seconds / own.cost.seconds for own, base in pairs)
    cost = median(own.cost.processor_seconds / base.cost.processor_seconds for own, base in pairs)
    return f"{rate:>12.2f}{cost:>13.2f}  {stands}"


if __name__ == "__main__":
    sys.exit(main())
