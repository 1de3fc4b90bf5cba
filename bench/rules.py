"""The cost of alerts.yml to a real Prometheus, by the number of zones: `python -m bench.rules --help`.

A fifth of the zones is over capacity. All counts stand still, so that every round is the same.
"""

import argparse
import contextlib
import gzip
import json
import shutil
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import fmean, median
from typing import Any, NamedTuple

import yaml

from bench.processes import HOST, Program, program
from bench.table import Row, missing

_ROOT = Path(__file__).parent.parent

QUERIES = 20
"""Queries that are measured."""

CROWDED_OF = 5
"""One in so many zones is over capacity, and half of these are far over."""

ZONES_OF_A_ROOM, ROOMS_OF_A_FLOOR, FLOORS_OF_A_BUILDING = 4, 20, 10

OFFLINE_OF = 50
"""Each room has a sensor, and one in so many is offline."""

PATIENCE_SECONDS = 300.0
"""Time within which Prometheus must have evaluated the rules."""

EVALUATIONS = 3
"""Evaluations that are measured."""

LIMIT_SECONDS_OF_A_ZONE = 50e-6
"""The longest group's time for each zone at most: 5 s of the 15 s between two evaluations for 100,000 zones."""


class Cost(NamedTuple):
    """The cost of one size."""

    zones: int
    evaluation_seconds: float
    """Processor time of one evaluation of all groups, with the scrapes between two evaluations."""
    queries: float
    """Number of queries that count the zones over capacity, the least work that their alerts need, which allocate as
    much memory as such an evaluation. Unlike the time of either, it hardly depends on what else the machine does."""
    longest_seconds: float
    """Median time of the longest group's evaluations: on a busy machine, longer than its processor time."""
    alerts: int
    """Alerts that are pending or fire."""
    series: int
    """Series in Prometheus' head, but for those of Prometheus and of the exporter itself."""
    memory_bytes: int
    """Resident memory of Prometheus."""


QUERY = "count(max by (zone_id) (butlr_zone_occupancy) / max by (zone_id) (butlr_zone_capacity) > 1)"


def exposition(zones: int, now_seconds: float) -> tuple[str, str]:
    """Return `/metrics` and `/metrics/settled` of this number of zones."""
    current: dict[str, list[str]] = {
        name: [f"# TYPE {name} gauge"]
        for name in (
            "butlr_zone_occupancy",
            "butlr_zone_occupancy_timestamp_seconds",
            "butlr_zone_capacity",
            "butlr_zone_info",
        )
    }
    sensors = ["# TYPE butlr_sensor_online gauge"]
    settled = ["# TYPE butlr_zone_occupancy_settled gauge"]
    for zone in range(zones):
        room = zone // ZONES_OF_A_ROOM
        floor = room // ROOMS_OF_A_FLOOR
        place = (
            f'site_name="Berlin",building_name="Building {floor // FLOORS_OF_A_BUILDING}",'
            f'floor_name="Floor {floor}",room_name="Room {room}"'
        )
        if zone % ZONES_OF_A_ROOM == 0:
            is_online = int(room % OFFLINE_OF > 0)
            sensors.append(f'butlr_sensor_online{{{place},sensor_id="sensor_{room:027}"}} {is_online}')
        names = f'{place},zone_name="Zone {zone}",zone_id="zone_{zone:027}"'
        crowd = 1 + zone // CROWDED_OF % 2 if zone % CROWDED_OF == 0 else 0
        values = (4 + 2 * crowd, now_seconds, 4, 1)
        for (name, lines), value in zip(current.items(), values, strict=True):
            lines.append(f"{name}{{{names}}} {value}")
        settled.append(f"butlr_zone_occupancy_settled{{{names}}} 4 {now_seconds - 360}")
    return (
        "\n".join(
            line for lines in [*current.values(), sensors, ["butlr_exporter_build_info 1"]] for line in [*lines, ""]
        ),
        "\n".join([*settled, "# EOF", ""]),
    )


class _Exporter:
    """Answers every scrape with the same samples."""

    def __init__(self, zones: int) -> None:
        current, settled = (gzip.compress(text.encode(), 1) for text in exposition(zones, time.time()))

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                openmetrics = self.path == "/metrics/settled"
                body = settled if openmetrics else current
                self.send_response(200)
                kind = "application/openmetrics-text; version=1.0.0; charset=utf-8"
                self.send_header("Content-Type", kind if openmetrics else "text/plain; version=0.0.4")
                self.send_header("Content-Encoding", "gzip")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Prometheus:
    """A Prometheus with the shipped rules and jobs."""

    def __init__(self, running: Program, rules: Path) -> None:
        self._url = f"http://{HOST}:{running.port}"
        self._rules = rules
        self.program = running

    def get(self, path: str, **parameters: str) -> Any:
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self._url}/api/v1/{path}?{query}", timeout=PATIENCE_SECONDS) as response:  # noqa: S310
            return json.load(response)["data"]

    def value(self, promql: str) -> float:
        """Return the value of a query with at most one series; 0 without any."""
        result = self.get("query", query=promql)["result"]
        return float(result[0]["value"][1]) if result else 0.0

    def evaluations(self) -> dict[str, tuple[str, float]]:
        """Return the instant, as text, and the duration (s) of the last evaluation of each group."""
        groups = self.get("rules", type="record")["groups"]
        return {group["name"]: (group["lastEvaluation"], group["evaluationTime"]) for group in groups}

    def allocated(self) -> float:
        """Return the memory, in bytes, that it has allocated since its start, freed or not."""
        with urllib.request.urlopen(f"{self._url}/metrics", timeout=PATIENCE_SECONDS) as response:  # noqa: S310
            lines = response.read().decode().splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith("go_memstats_alloc_bytes_total "))

    def load(self, rules: str) -> None:
        """Replace the rules, and have Prometheus read them."""
        self._rules.write_text(rules)
        urllib.request.urlopen(f"{self._url}/-/reload", data=b"", timeout=PATIENCE_SECONDS).close()  # noqa: S310


@contextlib.contextmanager
def _prometheus(port: int, folder: Path, interval: str) -> Iterator[_Prometheus]:
    config = yaml.safe_load((_ROOT / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval}
    del config["alerting"]
    for job in config["scrape_configs"]:
        job["static_configs"] = [{"targets": [f"{HOST}:{port}"]}]
        job.pop("scrape_interval", None)
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    (folder / "alerts.yml").write_text("groups: []")
    command = (
        f"prometheus --config.file={folder / 'prometheus.yml'} --storage.tsdb.path={folder / 'data'} "
        f"--web.listen-address={HOST}:{{port}} --web.enable-lifecycle --log.level=error"
    )
    with program(command, "/-/ready") as running:
        yield _Prometheus(running, folder / "alerts.yml")


def rows(zones: int, evaluations: int) -> Iterator[Row]:
    """Measure the longest group of this number of zones, as the median of some evaluations."""
    subject, goal = f"alerts.yml, {zones:,} zones, a fifth over capacity", ">= 1"
    if shutil.which("prometheus") is None:
        yield missing(subject, "prometheus is not installed", goal)
        return
    # A shorter interval than in use, but long enough for the groups to rarely disturb each other.
    seconds = measure(zones, "8s", evaluations).longest_seconds
    limit_seconds = zones * LIMIT_SECONDS_OF_A_ZONE
    other = f"{limit_seconds:g} s for the longest group"
    yield Row(subject, f"{seconds:.2f} s", other, limit_seconds / seconds, goal)


def measure(zones: int, interval: str = "15s", evaluations: int = EVALUATIONS) -> Cost:
    """Return the cost of this number of zones, with this interval of scrapes and evaluations."""
    expected = zones // CROWDED_OF
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        exporter = _Exporter(zones)
        stack.callback(exporter.close)
        prometheus = stack.enter_context(_prometheus(exporter.port, folder, interval))
        used = prometheus.program.processor_seconds
        _wait_for(lambda: prometheus.value("count(butlr_zone_capacity)") >= zones)
        prometheus.value(QUERY)
        before_queries = prometheus.allocated()
        for _ in range(QUERIES):
            prometheus.value(QUERY)
        query_bytes = (prometheus.allocated() - before_queries) / QUERIES

        rules = yaml.safe_load((_ROOT / "alerts.yml").read_text())
        # A group with an interval of its own keeps it, so that it disturbs the others as often as in use.
        often = {group["name"] for group in rules["groups"] if "interval" not in group}
        prometheus.load(yaml.safe_dump(rules))
        crowded = 'count(ALERTS{alertname="ButlrZoneOvercrowded"})'
        _wait_for(lambda: prometheus.value(crowded) >= expected)
        # The evaluations before these had no alerts yet, or only some.
        first = prometheus.evaluations()
        _wait_for(lambda: all(prometheus.evaluations()[group][0] != first[group][0] for group in often))
        seconds: dict[str, dict[str, float]] = {group: {} for group in first}
        first, before, before_bytes = prometheus.evaluations(), used(), prometheus.allocated()

        def evaluated() -> bool:
            for group, (at, duration) in prometheus.evaluations().items():
                if at != first[group][0]:
                    seconds[group][at] = duration
            return min(len(seconds[group]) for group in often) >= evaluations

        _wait_for(evaluated)
        seconds_used, bytes_used = used() - before, prometheus.allocated() - before_bytes
        rounds = _rounds(seconds)
        return Cost(
            zones=zones,
            evaluation_seconds=seconds_used / rounds,
            queries=bytes_used / rounds / query_bytes,
            longest_seconds=max(median(each.values()) for each in seconds.values() if each),
            alerts=int(prometheus.value("count(ALERTS)")),
            series=int(prometheus.value('count({__name__=~".+",zone_id!=""})')),
            memory_bytes=prometheus.program.memory(),
        )


def _rounds(seconds: Mapping[str, Mapping[str, float]]) -> float:
    """Return the number of evaluations of all groups together, from the durations of those of each group.

    A group that is slower than the interval misses evaluations. Each group counts by the time that it took, so the
    others do not seem to cost more then.
    """
    durations = [each.values() for each in seconds.values() if each]
    return sum(map(sum, durations)) / sum(map(fmean, durations))


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        with contextlib.suppress(OSError):  # it reads its storage first, and answers 503 until then
            if condition():
                return
        if time.monotonic() > deadline:
            raise RuntimeError("Prometheus did not evaluate the rules in time")
        time.sleep(0.5)


def main() -> None:
    """Print a line for each number of zones."""
    parser = argparse.ArgumentParser(prog="python -m bench.rules", description=__doc__.splitlines()[0])
    parser.add_argument("--zones", type=int, nargs="+", default=[1000, 10_000, 100_000], help="numbers of zones")
    options = parser.parse_args()
    if shutil.which("prometheus") is None:
        sys.exit("prometheus is not installed (Debian: apt install prometheus)")
    print("  zones  alerts  evaluation  of the query  longest group  series a zone    memory")
    for zones in options.zones:
        cost = measure(zones)
        print(
            f"{cost.zones:7,} {cost.alerts:7,} {cost.evaluation_seconds:9.2f} s {cost.queries:12.1f} x "
            f"{cost.longest_seconds:12.2f} s {cost.series / cost.zones:13.1f} {cost.memory_bytes / 1e6:7,.0f} MB",
            flush=True,
        )


if __name__ == "__main__":
    main()
