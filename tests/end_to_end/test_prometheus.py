"""The installed console script, scraped by a real Prometheus with the shipped configuration."""

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.support.crossings import crossing, payload
from tests.support.deliveries import event_id
from tests.support.paths import ROOT
from tests.support.prometheus import prometheus
from tests.support.running import PATIENCE, Running, free_port, program, running, wait_for

DOCUMENTED = json.loads((ROOT / "tests" / "samples" / "valid" / "documented.json").read_bytes())

ZONE = {
    "__name__": "butlr_zone_occupancy",
    "job": "butlr",
    "site_name": "San Francisco",
    "building_name": "HQ",
    "floor_name": "1st Floor",
    "room_name": "Open Office",
    "zone_id": "zone_2oUJLGKGlqPjwnUCwXNXpX3HB28",
}
"""The series of the documented zone, but for its name and instance."""


@pytest.fixture
def exporter(tmp_path: Path) -> Iterator[Running]:
    """Return an exporter with zones that are soon stale."""
    with running(tmp_path / "log", "--stale-after=12s") as exporter:
        yield exporter


def event(v: float, name: str) -> bytes:
    """Return the documented event with the current time, a value and a zone name."""
    now = time.time()
    metadata = DOCUMENTED["metadata"] | {"zone_name": name}
    changed = {"id": event_id(int(now)), "timestamp": int(now * 1000), "metadata": metadata, "data": v}
    return json.dumps(DOCUMENTED | changed).encode()


class TestPrometheus:
    """The series in a real Prometheus."""

    def test_a_zones_series(self, exporter: Running, tmp_path: Path) -> None:
        """A zone is one series with the contract's labels, even after a rename; a stale one has no count."""
        with prometheus(exporter, tmp_path) as one:
            count = 'butlr_zone_occupancy{job="butlr"}'
            exporter.post(event(3, "old name"))
            wait_for(lambda: one.query(count), "the zone")
            assert one.query(count) == [(ZONE | {"zone_name": "old name"}, 3)]

            exporter.post(event(4, "new name"))
            wait_for(lambda: one.query('butlr_zone_occupancy{zone_name="new name"}'), "the renamed zone")
            assert one.query(count) == [(ZONE | {"zone_name": "new name"}, 4)]

            wait_for(lambda: one.query(count) == [], "the silent zone to go stale", 120)
            ((labels, sensed),) = one.query("butlr_zone_occupancy_timestamp_seconds")
            assert labels["zone_name"] == "new name"
            assert 12 < time.time() - sensed < 120
            assert one.query('butlr_exporter_spaces{kind="zone",state="stale"}')[0][1] == 1
            assert one.query("sum(butlr_exporter_events_total)")[0][1] == 2

    def test_an_increase_over_a_restart(self, tmp_path: Path) -> None:
        """`increase()` counts each crossing once, although the exporter was killed and the crossings came again."""
        port, journal = free_port(), f"--journal={tmp_path / 'journal.db'}"
        now = int(time.time() * 1000)
        crossings = [json.dumps(payload(crossing(n, 2, 1, t=now - n))).encode() for n in range(5)]
        counter = 'butlr_entryway_crossings_total{direction="in",job="butlr"}'
        with running(tmp_path / "log", journal, port=port) as exporter, prometheus(exporter, tmp_path) as one:

            def has(people: int) -> bool:
                return [value for _, value in one.query(counter)] == [people]

            exporter.post(crossings[0])
            wait_for(lambda: has(2), "the first crossing")
            exporter.post(b"[%b]" % b",".join(crossings[1:4]))
            wait_for(lambda: has(8), "more crossings")
            exporter.process.kill()
            exporter.process.wait()
            with running(tmp_path / "log2", journal, port=port) as again:
                again.post(b"[%b]" % b",".join(crossings))
                wait_for(lambda: has(10), "the last crossing")
                assert one.query(f"resets({counter}[10m])")[0][1] == 0
                span = one.query(f"max_over_time({counter}[10m]) - min_over_time({counter}[10m])")[0][1]
                # Prometheus extends an increase by up to half of the time between two samples at either end.
                increase = one.query(f"increase({counter}[10m])")[0][1]
                assert span == 8
                assert span <= increase < 2 * span


class TestPromtool:
    """The verdict of Prometheus' own linter."""

    def test_check_metrics(self, exporter: Running) -> None:
        """The exposition passes `promtool check metrics` without a remark."""
        exporter.post(event(3, 'a "name" \\ of\nlines'))
        ended = subprocess.run(
            [program("promtool", "prometheus"), "check", "metrics"],
            input=exporter.get("/metrics"),
            capture_output=True,
            check=False,
        )
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")

    def test_check_config(self) -> None:
        """The shipped configuration is valid."""
        ended = subprocess.run(
            [program("promtool", "prometheus"), "check", "config", str(ROOT / "prometheus.yml")],
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr

    def test_openmetrics(self, exporter: Running) -> None:
        """The strict parser of prometheus_client reads the served OpenMetrics text."""
        exporter.post(event(3, 'a "name" \\ of\nlines'))
        request = urllib.request.Request(  # noqa: S310 - to this machine
            f"{exporter.url}/metrics", headers={"Accept": "application/openmetrics-text"}
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:  # noqa: S310
            families = {family.name: family for family in text_string_to_metric_families(response.read().decode())}
        assert families["butlr_zone_occupancy"].samples[0].value == 3
