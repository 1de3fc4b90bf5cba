"""The installed console script, scraped by a real Prometheus with the shipped configuration."""

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.support.deliveries import event_id
from tests.support.paths import ROOT
from tests.support.prometheus import prometheus
from tests.support.running import PATIENCE, Running, program, running, wait_for

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
            assert one.query('butlr_exporter_spaces{state="stale"}')[0][1] == 1
            assert one.query("sum(butlr_exporter_events_total)")[0][1] == 2


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
