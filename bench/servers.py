"""Compares servers for the exporter: what an event costs behind each, and whether stalled senders hold it up.

Run `python bench/servers.py` after `pip install --group bench`; it also needs wrk. docs/server.md has what came
of it. Numbers are ratios to the first row of the same round, so that they mean something on another machine.
"""

import argparse
import contextlib
import http.client
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

from flask import Flask, Response, jsonify

HOST = "127.0.0.1"
CONNECTIONS = 8  # that wrk keeps busy
STALLED = 200  # senders that stop in the middle of a body, every other one of them chunked
PROMPT = 1.0  # seconds in which a good event must be answered
STARTING, STOPPING, WARM_UP = 15, 3, 1  # seconds given to a server


class Candidate(NamedTuple):
    """A server with an app: `module` is run with `arguments`, in which {port} is filled in."""

    name: str
    module: str
    arguments: str


class Run(NamedTuple):
    """What one candidate did in one round: requests a second, processor seconds a request, stalled senders."""

    rate: float
    cost: float
    stands: bool


_GRANIAN = "--interface wsgi --workers 1 --no-log --host 127.0.0.1 --port {port} --factory"

CANDIDATES = (
    Candidate("empty view, Granian, 1 thread", "granian", f"{_GRANIAN} --blocking-threads 1 servers:empty_app"),
    Candidate("exporter, Granian, 1 thread", "granian", f"{_GRANIAN} --blocking-threads 1 exporter.app:create_app"),
    Candidate("exporter, Granian, 8 threads", "granian", f"{_GRANIAN} --blocking-threads 8 exporter.app:create_app"),
    Candidate(
        "exporter, gunicorn gthread, 8 threads",
        "gunicorn",
        "--bind 127.0.0.1:{port} --worker-class gthread --workers 1 --threads 8 exporter.app:create_app()",
    ),
    Candidate(
        "exporter, waitress, 8 threads",
        "waitress",
        # By default it takes no more than 100 connections.
        "--host 127.0.0.1 --port {port} --threads 8 --connection-limit 1000 --call exporter.app:create_app",
    ),
    Candidate("exporter, its own server", "exporter", "serve --listen 127.0.0.1:{port}"),
)


def empty_app() -> Flask:
    """Return the least that Flask can do: it takes nothing in and answers the same to everyone."""
    app = Flask("empty", static_folder=None)

    @app.post("/webhook")
    def webhook() -> Response:
        return jsonify({"received": 1})

    return app


def event() -> str:
    """Return the body of one valid event, sensed now."""
    places = ("org", "site", "building", "floor", "room", "zone")
    names = {f"{place}_{part}": f"{place} 1" for place in places for part in ("id", "name")}
    moment = {"id": "event_2oUBiSXgx48RtbZKXHm5ekpAzFe", "timestamp": int(time.time() * 1000)}
    return json.dumps({**moment, "type": "ZONE_OCCUPANCY", "version": "v1.0.0", "metadata": names, "data": 1})


def measure(candidate: Candidate, seconds: int) -> Run:
    """Start a candidate, drive it, stall it, and stop it. Raises RuntimeError if it does not do its job."""
    with socket.create_server((HOST, 0)) as free:
        port: int = free.getsockname()[1]
    body = event()
    with _server(candidate, port) as pid, tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        deadline = time.monotonic() + STARTING
        while not _answers(port, body):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{candidate.name}: no event was answered in {STARTING} s")
            time.sleep(0.1)
        script.write(
            f'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\nwrk.body = [==[{body}]==]'
        )
        script.flush()
        _drive(candidate, port, script.name, WARM_UP)
        before = _processor_seconds(pid)
        requests, rate = _drive(candidate, port, script.name, seconds)
        cost = (_processor_seconds(pid) - before) / requests
        try:
            with _stalled_senders(port):
                return Run(rate, cost, _answers(port, body))
        except OSError:  # not even all of those could connect
            return Run(rate, cost, stands=False)


@contextlib.contextmanager
def _server(candidate: Candidate, port: int) -> Iterator[int]:
    """Run a candidate in a session of its own, by which its children are found; yield its process id."""
    command = [sys.executable, "-m", candidate.module, *candidate.arguments.format(port=port).split()]
    environ = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=quiet, stderr=quiet, env=environ, start_new_session=True)  # noqa: S603
    try:
        yield process.pid
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOPPING)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(port: int, body: str) -> bool:
    """Tell whether an event is answered with 200, promptly."""
    connection = http.client.HTTPConnection(HOST, port, timeout=PROMPT)
    try:
        connection.request("POST", "/webhook", body, {"Content-Type": "application/json"})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _drive(candidate: Candidate, port: int, script: str, seconds: int) -> tuple[int, float]:
    """Keep a server busy; return the requests it answered and their number per second."""
    command = f"wrk --threads=1 --connections={CONNECTIONS} --duration={seconds}s --script={script}".split()
    told = subprocess.run(  # noqa: S603
        [*command, f"http://{HOST}:{port}/webhook"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=seconds + 30,
    ).stdout
    requests, rate = re.search(r"(\d+) requests in", told), re.search(r"Requests/sec:\s+([\d.]+)", told)
    if requests is None or rate is None or int(requests[1]) == 0 or re.search("Non-2xx|Socket errors", told):
        raise RuntimeError(f"{candidate.name}: not every event was answered with 200\n{told}")
    return int(requests[1]), float(rate[1])


def _processor_seconds(session: int) -> float:
    """Return the processor time, user and system, that the processes of a session have taken."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            # Counted from behind the name, which may hold anything: proc(5) fields 6, 14 and 15.
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session:
                ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


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
    """Measure all candidates in turn, some rounds of it, and print the table of medians."""
    parser = argparse.ArgumentParser(description="Compare servers for the exporter.")
    parser.add_argument("--seconds", type=int, default=4, help="how long each is driven (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="the median of so many is shown (default: %(default)s)")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        print("bench/servers.py: wrk is not installed", file=sys.stderr)
        return 1
    installed = [candidate for candidate in CANDIDATES if importlib.util.find_spec(candidate.module)]
    try:
        rounds = [{c: measure(c, options.seconds) for c in installed} for _ in range(options.rounds)]
    except (RuntimeError, OSError) as error:
        print(f"bench/servers.py: {error}", file=sys.stderr)
        return 1
    print(f"{'':<40}{'requests/s':>12}{'cpu/request':>13}  stalled senders")
    for candidate in CANDIDATES:
        print(f"{candidate.name:<40}{_row(candidate, rounds)}")
    if base := [result[CANDIDATES[0]] for result in rounds if CANDIDATES[0] in result]:
        rate, cost = median(run.rate for run in base), median(run.cost for run in base)
        print(f"\n1.00 is {rate:.0f} requests/s, {cost * 1e6:.0f} us of processor time per request")
    return 0


def _row(candidate: Candidate, rounds: list[dict[Candidate, Run]]) -> str:
    """Return the medians of a candidate; a ratio is to the first candidate in the same round."""
    if not all(candidate in result for result in rounds):
        return f"{'not installed':>25}"
    stands = "ok" if all(result[candidate].stands for result in rounds) else "held up"
    pairs = [(result[candidate], result[CANDIDATES[0]]) for result in rounds if CANDIDATES[0] in result]
    if not pairs:  # nothing to compare with
        return f"{'-':>12}{'-':>13}  {stands}"
    rate = median(run.rate / base.rate for run, base in pairs)
    cost = median(run.cost / base.cost for run, base in pairs)
    return f"{rate:>12.2f}{cost:>13.2f}  {stands}"


if __name__ == "__main__":
    sys.exit(main())
