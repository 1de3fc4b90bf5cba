"""The core alerts as rules that Grafana evaluates itself, for installations without Alertmanager.

The rules need the recording rules of alerts.yml in Prometheus. Grafana keeps every label of a query, unlike the rules
of Prometheus, so the names of a zone are labels here: a zone that is renamed while it is over capacity raises a new
alert.
"""

from typing import Any, NamedTuple

import yaml

from grafana.promql import NAMES, names_of

DATASOURCE = "butlr-prometheus"
"""The uid in provisioning/datasources."""

EXPRESSION = "__expr__"
"""The uid of Grafana's data source for its own expressions."""

_PEOPLE = '{{ printf "%.15g" $values.A.Value }} people'
_SILENT = "is silent: no data for {{ humanizeDuration $values.A.Value }}"
_NEWEST = "building:butlr_last_reading_timestamp_seconds:max"
_CROWD = "zone:butlr_zone_occupancy:crowd_lately"
_ZONE_CAPACITY = "last_over_time(zone:butlr_zone_capacity:crowd[90s])"


class AlertRule(NamedTuple):
    """One alert."""

    name: str
    expr: str
    """PromQL that has a series while the alert holds."""
    duration: str
    """Time for which it must hold."""
    severity: str
    summary: str


def _place(kind: str) -> str:
    """Return the template of a place, from the narrowest to the widest, without what is unknown."""
    wider = {"zone": ("room", "floor", "building"), "room": ("floor", "building"), "floor": ("building",)}[kind]
    known = (f"{{{{ with $labels.{each}_name }}}}, {{{{ . }}}}{{{{ end }}}}" for each in wider)
    return f"{{{{ or $labels.{kind}_name $labels.{kind}_id }}}}" + "".join(known)


def _of_a_kind(kind: str) -> list[AlertRule]:
    """Return the alerts about rooms, or about floors."""
    title, names = kind.capitalize(), names_of(kind)
    crowd = f"{kind}:butlr_{kind}_occupancy:crowd_lately"
    capacity = f"last_over_time({kind}:butlr_{kind}_capacity:crowd[90s])"
    summary = f"{_place(kind)}: {_PEOPLE}, room for {{{{ $labels.capacity }}}}"
    than = f"on ({names}) group_left ()"
    far = f"{crowd} > {than} 1.5 * {capacity} >= {than} {capacity} + 2"
    return [
        AlertRule(f"Butlr{title}Overcrowded", f"max by ({names}, capacity) ({crowd})", "5m", "warning", summary),
        AlertRule(f"Butlr{title}FarOverCapacity", f"max by ({names}, capacity) ({far})", "1m", "critical", summary),
        AlertRule(f"Butlr{title}Silent", _silent(kind), "5m", "warning", f"{_place(kind)} {_SILENT}"),
    ]


def _silent(kind: str) -> str:
    return f"time() - {kind}:butlr_{kind}_last_reading_timestamp_seconds:silent"


RULES = [
    AlertRule(
        "ButlrZoneOvercrowded",
        f"max by ({NAMES}, text) ({_CROWD})",
        "5m",
        "warning",
        f"{{{{ $labels.text }}}}: {_PEOPLE}",
    ),
    AlertRule(
        "ButlrZoneFarOverCapacity",
        f"max by ({NAMES}, text) ({_CROWD} > on ({NAMES}) group_left () 1.5 * {_ZONE_CAPACITY} "
        f">= on ({NAMES}) group_left () {_ZONE_CAPACITY} + 2)",
        "1m",
        "critical",
        f"{{{{ $labels.text }}}}: {_PEOPLE}",
    ),
    AlertRule("ButlrZoneSilent", _silent("zone"), "5m", "warning", f"{_place('zone')} {_SILENT}"),
    *_of_a_kind("room"),
    *_of_a_kind("floor"),
    AlertRule(
        "ButlrBuildingSilent",
        f"(time() - {_NEWEST} > 900 and changes({_NEWEST}[1d]) >= 10) "
        "+ on (site_name, building_name) group_left (cause) "
        f"(building:butlr_sensor_online:cause or on (site_name, building_name) 0 * {_NEWEST})",
        "1m",
        "critical",
        '{{ or $labels.building_name "The building without a name" }} is silent'
        "{{ with $labels.cause }}, {{ . }}{{ end }}: no data for {{ humanizeDuration $values.A.Value }}",
    ),
    AlertRule(
        "ButlrNoEvents",
        "(sum(increase(butlr_exporter_events_total[15m])) == 0 "
        "and time() - min(process_start_time_seconds and on (job, instance) butlr_exporter_build_info) > 3600 "
        "unless sum(increase(butlr_exporter_polled_readings_total[15m])) > 0) "
        "+ (count(max by (sensor_id) (butlr_sensor_online) == 1) or vector(0))",
        "5m",
        "critical",
        "No exporter gets events from Butlr",
    ),
    # Grafana records no ALERTS, so the exporter is known by a day and not by an hour.
    AlertRule(
        "ButlrExporterDown",
        'up{job=~"(?i).*butlr.*"} == 0 or up == 0 and on (job, instance) last_over_time(butlr_exporter_build_info[1d]) '
        "or on () absent(butlr_exporter_build_info)",
        "2m",
        "critical",
        "{{ if $labels.instance }}The Butlr exporter {{ $labels.instance }} cannot be scraped by job {{ $labels.job }}"
        "{{ else }}No Butlr exporter is scraped{{ end }}",
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
