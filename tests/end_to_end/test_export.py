"""`butlr-exporter export`: Prometheus imports its file."""

import subprocess
import time
from pathlib import Path

from exporter.cli.main import main
from exporter.metrics.families import SETTLED
from exporter.simulate.verify.arrivals import Exchange, Rule
from exporter.simulate.verify.oracle import Oracle
from exporter.simulate.world.delivery import EventType, Plan
from exporter.simulate.world.stream import deliveries
from tests.support.deliveries import HOUR, SECOND
from tests.support.prometheus import prometheus
from tests.support.running import program, running

ZONES = (EventType.ZONE_OCCUPANCY, EventType.ZONE_OCCUPANCY_1MIN)


def test_promtool_and_prometheus(tmp_path: Path) -> None:
    """Blocks made from the file give the values that the oracle works out for each reading."""
    plan = Plan(zones=10, types=ZONES, intervals=180, seed=3)
    start = int(time.time() * SECOND) - 6 * HOUR
    sent = list(deliveries(plan, start))
    (tmp_path / "in").write_bytes(b"".join(each.body + b"\n" for each in sent))
    assert main(["export", "--in", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 0
    command = [program("promtool", "prometheus"), "tsdb", "create-blocks-from", "openmetrics"]
    subprocess.run([*command, str(tmp_path / "out"), str(tmp_path / "data")], check=True, capture_output=True)

    answered = [Exchange(each.body, 0, each.due_ms, each.due_ms, 1, {"?": 1}) for each in sent]
    history = Oracle(answered, Rule()).history()
    assert sum(map(len, history.values())) > 180 * 10
    with running(tmp_path / "log") as exporter, prometheus(exporter, tmp_path) as one:
        for measure, family in SETTLED.items():
            stored = {
                series["metric"]["zone_id"]: {round(t * 1000): float(value) for t, value in series["values"]}
                for series in one.get("query", query=f"{family}[12h]")["result"]
            }
            assert stored == {zone: readings for (zone, of), readings in history.items() if of is measure}
