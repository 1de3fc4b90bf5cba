"""PromQL over final counts, evaluated by promtool."""

import re
import subprocess
from pathlib import Path

from grafana import final
from tests.support import yamls
from tests.support.running import program

FLOOR = 'site_name="Berlin",building_name="HQ",floor_name="1st Floor"'


def zone(name: str, zone_id: str, family: str = "butlr_zone_occupancy_settled", instance: str = "a") -> str:
    """Return a series of final counts."""
    return f'{family}{{zone_id="{zone_id}",zone_name="{name}",{FLOOR},instance="{instance}"}}'


SMOOTHED = "butlr_zone_occupancy_1min_settled"

COUNTS = {
    zone("Desk", "desk"): "3 3 3",
    zone("Desk", "desk", instance="b"): "3 3 3",
    zone("Desk", "desk", SMOOTHED): "9 9 9",
    zone("Old", "renamed"): "2 2 2",
    zone("New", "renamed"): "_ _ 2 2",
    zone("Lounge", "lounge", SMOOTHED): "4 4 4",
}
"""Two exporters, a zone with both measures, one that is renamed after two minutes, and one that is smoothed only."""


def expected(promql: str, eval_time: str, *samples: tuple[str, float]) -> dict[str, object]:
    """Return a test of promtool for a query in which every place is chosen."""
    return {
        "expr": re.sub(r"\$\w+", "(?s).*", promql),
        "eval_time": eval_time,
        "exp_samples": [{"labels": labels, "value": value} for labels, value in samples],
    }


def test_final_counts(tmp_path: Path) -> None:
    """Each zone counts once: with two exporters, with both measures, and while it is renamed; then its line ends."""
    named = [
        (f'{{zone_id="{zone_id}",zone_name="{name}",{FLOOR}}}', value)
        for zone_id, name, value in (("desk", "Desk", 3), ("lounge", "Lounge", 4), ("renamed", "Old", 2))
    ]
    tests = [
        expected(final.counts("zone"), "1m", *named),
        expected(final.zones_on_floors(), "2m", (f"{{{FLOOR}}}", 9)),
        expected(final.on_floors(), "2m", (f"{{{FLOOR}}}", 9)),
        # The last counts of the desk and the lounge are of the second minute.
        expected(final.zones_on_floors(), "3m31s", (f"{{{FLOOR}}}", 2)),
        expected(final.zones_on_floors(), "4m31s"),
    ]
    series = [{"series": name, "values": values} for name, values in COUNTS.items()]
    file = tmp_path / "test.yml"
    file.write_text(yamls.dump({"tests": [{"interval": "1m", "input_series": series, "promql_expr_test": tests}]}))
    command = [program("promtool", "prometheus"), "test", "rules", str(file)]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
