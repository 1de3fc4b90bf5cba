"""The core alerts as rules that Grafana evaluates itself, for installations without Alertmanager.

The rules need the recording rules of alerts.yml in Prometheus. Grafana keeps every label of a query, unlike the rules
of Prometheus, so the names of a zone are labels here: a zone that is renamed while it is crowded raises a new alert.
"""

from typing import Any, NamedTuple

import yaml

from grafana.promql import NAMES, names_of

DATASOURCE = "butlr-prometheus"
"""The uid in provisioning/datasources."""

EXPRESSION = "__expr__"
"""The uid of Grafana's data source for its own expressions."""

_ZONE = (
    '{{ or $labels.zone_name $labels.zone_id }} ({{ or $labels.room_name "no room" }}, '
    '{{ or $labels.floor_name "no floor" }}, {{ or $labels.building_name "no building" }})'
)
_LAST = '{__name__=~"butlr_zone_occupancy(_1min)?_timestamp_seconds"}'
_CROWDED = (
    f"{_ZONE} is at {{{{ if lt $values.A.Value 99.0 }}}}{{{{ humanizePercentage $values.A.Value }}}} of"
    '{{ else }}{{ printf "%.0f" $values.A.Value }} times{{ end }} its capacity'
)
"""The summary of a crowd; from 10,000 % on, a percentage would have an exponent."""

_PEOPLE, _CAPACITY = (
    f"max by ({NAMES}) ({each})"
    for each in ("zone:butlr_zone_occupancy:crowd_lately", "last_over_time(zone:butlr_zone_capacity:crowd[90s])")
)


class AlertRule(NamedTuple):
    """One alert."""

    name: str
    expr: str
    """PromQL that has a series while the alert holds."""
    duration: str
    """Time for which it must hold."""
    severity: str
    summary: str


RULES = [
    AlertRule(
        "ButlrZoneOvercrowded",
        f"{_PEOPLE} / {_CAPACITY}",
        "5m",
        "warning",
        _CROWDED,
    ),
    AlertRule(
        "ButlrZoneFarOverCapacity",
        f"{_PEOPLE} / {_CAPACITY} > 1.5 and {_PEOPLE} - {_CAPACITY} >= 2",
        "1m",
        "critical",
        _CROWDED,
    ),
    *(
        AlertRule(
            f"Butlr{kind.capitalize()}Overcrowded",
            f"max by ({names_of(kind)}, capacity) ({kind}:butlr_{kind}_occupancy:crowd)",
            "5m",
            "warning",
            f'{{{{ or $labels.{kind}_name $labels.{kind}_id }}}}, {{{{ or $labels.building_name "no building" }}}}: '
            '{{ printf "%.15g" $values.A.Value }} people, room for {{ $labels.capacity }}',
        )
        for kind in ("room", "floor")
    ),
    AlertRule(
        "ButlrZoneSilent",
        f"time() - topk by (zone_id) (1, max by ({NAMES}) ({_LAST} < time() - 900) "
        f"unless on (zone_id) {_LAST} >= time() - 900) "
        "and on (site_name, building_name) time() - building:butlr_zone_last_reading_timestamp_seconds:max < 600",
        "5m",
        "warning",
        f"{_ZONE} is silent",
    ),
    AlertRule(
        "ButlrBuildingSilent",
        "time() - building:butlr_zone_last_reading_timestamp_seconds:max > 900",
        "1m",
        "critical",
        "Building {{ $labels.building_name }} is silent",
    ),
    AlertRule(
        "ButlrNoEvents",
        "sum(increase(butlr_exporter_events_total[15m])) == 0 "
        'and time() - min(process_start_time_seconds{job="butlr"}) > 900',
        "5m",
        "critical",
        "No exporter gets events from Butlr",
    ),
    AlertRule(
        "ButlrExporterDown",
        'up{job=~"butlr|butlr-settled"} == 0 or absent(up{job="butlr"})',
        "2m",
        "critical",
        "The Butlr exporter {{ $labels.instance }} cannot be scraped by job {{ $labels.job }}",
    ),
]


def _provisioned(rule: AlertRule) -> dict[str, Any]:
    """Return a rule as Grafana's provisioning file has it."""
    query = {
        "refId": "A",
        "relativeTimeRange": {"from": 600, "to": 0},
        "datasourceUid": DATASOURCE,
        "model": {"refId": "A", "expr": rule.expr, "instant": True, "range": False},
    }
    # The query has series only where the alert holds, so the threshold lets every value pass.
    threshold = {
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
        "uid": rule.name.lower(),
        "title": rule.name,
        "condition": "B",
        "data": [query, threshold],
        "noDataState": "OK",
        "execErrState": "Error",
        "for": rule.duration,
        "labels": {"severity": rule.severity},
        "annotations": {"summary": rule.summary, "runbook_url": f"docs/runbook.md#{rule.name.lower()}"},
    }


def rendered() -> str:
    """Return the text of the provisioning file."""
    group = {
        "orgId": 1,
        "name": "butlr",
        "folder": "Butlr",
        "interval": "1m",
        "rules": [_provisioned(rule) for rule in RULES],
    }
    head = (
        "# Written by grafana/alerting.py: make dashboards. Instead of Alertmanager, not beside it: docs/alerting.md.\n"
    )
    return head + yaml.safe_dump({"apiVersion": 1, "groups": [group]}, sort_keys=False, width=120)
