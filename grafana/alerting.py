"""The core alerts as rules that Grafana evaluates itself, for those without Alertmanager.

They need the recording rules of alerts.yml in Prometheus. Grafana's templates cannot ask Prometheus for a zone's
names as Prometheus' own can, so here the names are labels: a zone renamed while it is crowded is a new alert.
"""

from typing import Any

import yaml

from grafana.kit import NAMES

DATASOURCE = "butlr-prometheus"
"""The uid in provisioning/datasources."""

EXPRESSION = "__expr__"
"""Grafana's data source of what it computes itself."""

_ZONE = (
    '{{ or $labels.zone_name $labels.zone_id }} ({{ or $labels.room_name "no room" }}, '
    '{{ or $labels.floor_name "no floor" }}, {{ or $labels.building_name "no building" }})'
)
_LAST = '{__name__=~"butlr_zone_occupancy(_1min)?_timestamp_seconds"}'

RULES = [
    (
        "ButlrZoneOvercrowded",
        f"max by ({NAMES}) (last_over_time(zone:butlr_zone_occupancy:utilisation[90s])) > 1",
        "5m",
        "warning",
        f"{_ZONE} is at {{{{ humanizePercentage $values.A.Value }}}} of its capacity",
    ),
    (
        "ButlrZoneFarOverCapacity",
        f"max by ({NAMES}) (last_over_time(zone:butlr_zone_occupancy:utilisation[90s])) > 1.5 "
        "and on (zone_id) last_over_time(zone:butlr_zone_occupancy:excess[90s]) >= 2",
        "1m",
        "critical",
        f"{_ZONE} is at {{{{ humanizePercentage $values.A.Value }}}} of its capacity",
    ),
    (
        "ButlrZoneSilent",
        f"time() - max by ({NAMES}) ({_LAST}) > 900 and on (site_name, building_name) "
        "time() - max by (site_name, building_name) (zone:butlr_zone_last_reading_timestamp_seconds:max) < 600",
        "5m",
        "warning",
        f"{_ZONE} is silent",
    ),
    (
        "ButlrBuildingSilent",
        "time() - max by (site_name, building_name) (zone:butlr_zone_last_reading_timestamp_seconds:max) > 900",
        "1m",
        "critical",
        "Building {{ $labels.building_name }} is silent",
    ),
    (
        "ButlrNoEvents",
        "sum(increase(butlr_exporter_events_total[15m])) == 0 "
        'and time() - min(process_start_time_seconds{job="butlr"}) > 900',
        "5m",
        "critical",
        "No exporter gets events from Butlr",
    ),
    (
        "ButlrExporterDown",
        'up{job=~"butlr|butlr-settled"} == 0 or absent(up{job="butlr"})',
        "2m",
        "critical",
        "The Butlr exporter {{ $labels.instance }} cannot be scraped by job {{ $labels.job }}",
    ),
]
"""Name, expression, how long it must hold, severity, summary."""


def _rule(name: str, expr: str, duration: str, severity: str, summary: str) -> dict[str, Any]:
    asked = {
        "refId": "A",
        "relativeTimeRange": {"from": 600, "to": 0},
        "datasourceUid": DATASOURCE,
        "model": {"refId": "A", "expr": expr, "instant": True, "range": False},
    }
    # The expression gives a series where it holds and none where it does not; whatever it gives is true.
    given = {
        "refId": "B",
        "relativeTimeRange": {"from": 0, "to": 0},
        "datasourceUid": EXPRESSION,
        "model": {
            "refId": "B",
            "type": "threshold",
            "expression": "A",
            "conditions": [{"evaluator": {"type": "gt", "params": [-1]}}],
        },
    }
    return {
        "uid": name.lower(),
        "title": name,
        "condition": "B",
        "data": [asked, given],
        "noDataState": "OK",
        "execErrState": "Error",
        "for": duration,
        "labels": {"severity": severity},
        "annotations": {"summary": summary, "runbook_url": f"docs/runbook.md#{name.lower()}"},
    }


def rendered() -> str:
    """Return the text of the provisioning file."""
    group = {
        "orgId": 1,
        "name": "butlr",
        "folder": "Butlr",
        "interval": "1m",
        "rules": [_rule(*rule) for rule in RULES],
    }
    head = (
        "# Written by grafana/alerting.py: make dashboards. Instead of Alertmanager, not beside it: docs/alerting.md.\n"
    )
    return head + yaml.safe_dump({"apiVersion": 1, "groups": [group]}, sort_keys=False, width=120)
