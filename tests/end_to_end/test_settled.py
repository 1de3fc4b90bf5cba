"""The corrected history in a real Prometheus: every reading at its own time, with its final value."""

import re
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from exporter.metrics.families import SETTLED
from exporter.metrics.registry import OPENMETRICS_CONTENT_TYPE
from exporter.simulate.verify.arrivals import Exchange, Rule
from exporter.simulate.verify.oracle import Oracle
from exporter.simulate.world.delivery import EventType, Plan
from exporter.simulate.world.stream import deliveries
from tests.support.paths import ROOT
from tests.support.prometheus import Prometheus, at, prometheus
from tests.support.running import PATIENCE, Running, running, wait_for
from tests.support.simulating import verifies

pytestmark = pytest.mark.long

TYPES = (EventType.ZONE_OCCUPANCY, EventType.ZONE_OCCUPANCY_1MIN)

COMPUTED = 9
"""Intervals after which no reading changes any more: five computations, a delay of three intervals, and a bit."""

QUERIES = re.findall(r"^\| [^|`]+ \| `([^`]+)`", (ROOT / "docs" / "history.md").read_text(), re.MULTILINE)

REFUSALS = re.compile(
    r"prometheus_(target_scrapes_sample|tsdb)_(out_of_order|out_of_bounds?|duplicate_timestamp|too_old)(_samples)?_total"
)

History = dict[tuple[str, str], dict[int, float]]
"""Values by zone id and family, and by timestamp in milliseconds."""


class Building:
    """A simulated building whose minutes last some seconds, and its expected history."""

    def __init__(self, interval: int) -> None:
        """Plan a building whose minutes last `interval` seconds."""
        self.plan = Plan(zones=12, types=TYPES, interval_ms=interval * 1000, intervals=15, seed=7)
        self.settle_after = COMPUTED * interval
        self.start = 0

    @contextmanager
    def simulated(self, exporter: Running) -> Iterator[None]:
        """Send the building's deliveries beside the block, and verify the exporter's counts and answers."""
        self.start = int(time.time() * 1000)
        begins = datetime.fromtimestamp(self.start / 1000, UTC).isoformat(timespec="milliseconds")
        interval = self.plan.interval_ms // 1000
        flags = [
            f"--zones={self.plan.zones}",
            f"--seed={self.plan.seed}",
            f"--start={begins}",
            f"--interval={interval}s",
        ]
        length = f"--duration={interval * 15}s"
        command = verifies(exporter, *flags, length, f"--types={','.join(TYPES)}", "--retry")
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as simulator:
            try:
                yield
                out, _ = simulator.communicate(timeout=interval * 15 + PATIENCE)
            finally:
                simulator.kill()
        assert simulator.returncode == 0, out

    def settles(self) -> None:
        """Wait until the last reading has settled and was scraped."""
        last = max(t for readings in self.history().values() for t in readings) / 1000
        wait_for(lambda: time.time() > last + self.settle_after + 2, "the last reading to settle", 120)

    def history(self) -> History:
        """Return the final value of every reading."""
        sent = [
            Exchange(each.body, 0, each.due_ms, each.due_ms, 1, {"?": 1}) for each in deliveries(self.plan, self.start)
        ]
        # Readings from before the start were sent to be late, and are older than the window by the clock.
        return {
            (zone, SETTLED[measure]): {t: value for t, value in readings.items() if t >= self.start}
            for (zone, measure), readings in Oracle(sent, Rule()).history().items()
        }


def stored(one: Prometheus) -> History:
    """Return every settled sample that Prometheus has; a zone that was renamed is one zone."""
    found: History = {}
    for family in SETTLED.values():
        for series in one.get("query", query=f"{family}[1h]")["result"]:
            assert series["metric"]["job"] == "butlr-settled"
            readings = found.setdefault((series["metric"]["zone_id"], family), {})
            for seconds, value in series["values"]:
                t = round(seconds * 1000)
                assert readings.setdefault(t, float(value)) == float(value)
    return found


def refused(one: Prometheus) -> dict[str, float]:
    """Return the number of samples that Prometheus refused, by the counter of each reason."""
    with urllib.request.urlopen(f"{one.url}/metrics", timeout=PATIENCE) as response:  # noqa: S310 - to this machine
        lines = response.read().decode().splitlines()
    counters = dict(line.rsplit(" ", 1) for line in lines if REFUSALS.match(line))
    assert len(counters) >= 6
    return {name: float(value) for name, value in counters.items() if float(value)}


@contextmanager
def now_and_then(exporter: Running) -> Iterator[int]:
    """Yield the port of a proxy that passes requests on for two seconds, and refuses them for three."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if time.time() % 5 > 2:
                self.send_error(503)
                return
            body = exporter.get(self.path)
            self.send_response(200)
            self.send_header("Content-Type", OPENMETRICS_CONTENT_TYPE)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def accept_older_points(config: dict[str, Any]) -> None:
    """Have Prometheus accept several points of a series in one scrape."""
    config["storage"] = {"tsdb": {"out_of_order_time_window": "30m"}}


def test_every_minute_at_its_own_time(tmp_path: Path) -> None:
    """Prometheus has every reading at its own time with its final value, and refuses no sample."""
    building = Building(3)
    flags = f"--settle-after={building.settle_after}s"
    with running(tmp_path / "log", flags) as exporter, prometheus(exporter, tmp_path) as one:
        with building.simulated(exporter):
            pass
        building.settles()
        assert stored(one) == building.history()
        assert refused(one) == {}
        for query in QUERIES:  # as the documentation has them
            assert one.get("query", query=query)["result"] or "offset 15m" in query, query


def test_scrapes_that_fail_now_and_then(tmp_path: Path) -> None:
    """With three points in a scrape no reading is missing, although some scrapes fail."""
    building = Building(2)
    flags = [f"--settle-after={building.settle_after}s", "--settled-points=3"]
    with running(tmp_path / "log", *flags) as exporter, now_and_then(exporter) as port:

        def change(config: dict[str, Any]) -> None:
            config["scrape_configs"][1]["static_configs"] = [at(port)]
            accept_older_points(config)

        with prometheus(exporter, tmp_path, change=change) as one:
            with building.simulated(exporter):
                pass
            building.settles()
            wait_for(lambda: time.time() % 5 < 1, "a scrape")
            wait_for(lambda: time.time() % 5 > 2, "what it brought")
            assert stored(one) == building.history()
            assert refused(one) == {}
            assert one.query('min_over_time(up{job="butlr-settled"}[1m])')[0][1] == 0


def test_a_restart(tmp_path: Path) -> None:
    """With ten points in a scrape no reading is missing after SIGKILL and a restart that takes up to nine minutes.

    These minutes are short, and a busy machine needs several of them for a restart and the first scrape.
    """
    building = Building(4)
    flags = [f"--settle-after={building.settle_after}s", "--settled-points=10", f"--journal={tmp_path / 'journal.db'}"]
    with (
        running(tmp_path / "log", *flags) as exporter,
        prometheus(exporter, tmp_path, change=accept_older_points) as one,
        building.simulated(exporter),
    ):
        wait_for(lambda: stored(one), "the first reading to settle", 60)  # more is on its way
        exporter.process.kill()
        exporter.process.wait()
        with running(tmp_path / "log2", *flags, port=exporter.port):
            building.settles()
            assert stored(one) == building.history()
            assert refused(one) == {}
            assert one.query('changes(process_start_time_seconds{job="butlr"}[5m])')[0][1] == 1
