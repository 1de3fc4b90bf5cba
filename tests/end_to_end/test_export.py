"""`butlr-exporter export` and `butlr-exporter backfill`: Prometheus imports their files."""

import subprocess
import time
from functools import partial
from pathlib import Path

import pytest

from exporter.butlr.batches import Batches, Pace
from exporter.cli.cloud import backfill, connection
from exporter.cli.main import main
from exporter.metrics.families import SETTLED
from exporter.simulate.verify.arrivals import Exchange, Rule
from exporter.simulate.verify.oracle import Oracle
from exporter.simulate.world.delivery import EventType, Plan
from exporter.simulate.world.stream import deliveries
from tests.support.butlr import InMemory
from tests.support.clouds import START_SECONDS, SimulatedCloud
from tests.support.deliveries import HOUR, SECOND
from tests.support.prometheus import prometheus
from tests.support.running import program, running

ZONES = (EventType.ZONE_OCCUPANCY, EventType.ZONE_OCCUPANCY_1MIN)


def backfilled(file: Path, start: int, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[int, float]]:
    """Write a file of the minutes that the simulated cloud has, and return these by zone and time (ms)."""
    cloud = SimulatedCloud()
    first = int(start / SECOND - START_SECONDS) // 60 + 1
    zones = [space_id for space_id, place in cloud.account.assets.places.items() if place.kind == "zone"][:3]
    sensed = [(zone, first + 50 * n, float(n % 4)) for n in range(5) for zone in zones]
    for zone, minute, people in sensed:
        cloud.sense(zone, minute, int(people))
    cloud.now_seconds = time.time()
    monkeypatch.setattr(connection, "Transport", lambda _: InMemory(cloud))
    monkeypatch.setattr(backfill, "Batches", partial(Batches, pace=Pace(lambda _: None)))
    token = ("--butlr-client-id=simulated", "--butlr-client-secret=simulated")
    assert main(["backfill", *token, "--from=6h", f"--out={file}", "--label=job=backfill"]) == 0
    found: dict[str, dict[int, float]] = {zone: {} for zone in zones}
    for zone, minute, people in sensed:
        found[zone][int(START_SECONDS + 60 * minute) * SECOND] = people
    return found


def test_promtool_and_prometheus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks made from a file of `export` give the values that the oracle works out for each reading.

    Blocks made from a file of `backfill` give the minutes that the Reporting API has.
    """
    plan = Plan(zones=10, types=ZONES, intervals=180, seed=3)
    start = int(time.time() * SECOND) - 6 * HOUR
    sent = list(deliveries(plan, start))
    (tmp_path / "in").write_bytes(b"".join(each.body + b"\n" for each in sent))
    assert main(["export", "--in", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 0
    command = [program("promtool", "prometheus"), "tsdb", "create-blocks-from", "openmetrics"]
    minutes = backfilled(tmp_path / "minutes", start, monkeypatch)
    for name in ("out", "minutes"):
        subprocess.run([*command, str(tmp_path / name), str(tmp_path / "data")], check=True, capture_output=True)

    answered = [Exchange(each.body, 0, each.due_ms, each.due_ms, 1, {"?": 1}) for each in sent]
    history = Oracle(answered, Rule()).history()
    assert sum(map(len, history.values())) > 180 * 10
    with running(tmp_path / "log") as exporter, prometheus(exporter, tmp_path) as one:

        def stored(selector: str) -> dict[str, dict[int, float]]:
            return {
                series["metric"]["zone_id"]: {round(t * 1000): float(value) for t, value in series["values"]}
                for series in one.get("query", query=f"{selector}[12h]")["result"]
            }

        for measure, family in SETTLED.items():
            assert stored(f'{family}{{job=""}}') == {
                zone: readings for (zone, of), readings in history.items() if of is measure
            }
        assert stored('butlr_zone_occupancy_1min_settled{job="backfill"}') == minutes
