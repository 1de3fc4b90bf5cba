"""The dashboard for operators of the exporter: whether events arrive, in time and right."""

from typing import Any

from grafana_foundation_sdk.builders import stat, timeseries
from grafana_foundation_sdk.builders.common import StackingConfig
from grafana_foundation_sdk.models.common import BigValueGraphMode, StackingMode

from grafana.kit import PLAIN, PlacedPanel, Query, board, last, lay_out, legend, number_panel, panel
from grafana.zones_now import RED_ABOVE_0

EVENTS = "sum by (outcome) (rate(butlr_exporter_events_total[$__rate_interval]))"
DELAY = "sum by (event_type, le) (rate(butlr_exporter_event_delay_seconds_bucket[$__rate_interval]))"
REFUSED = 'butlr_exporter_events_total{outcome=~"invalid|future|overflow"}'


def _line_panel(title: str, description: str, *queries: Query, unit: str, width: int = 8) -> PlacedPanel:
    return panel(timeseries.Panel().legend(legend()), title, description, *queries, width=width, height=9, unit=unit)


def build() -> Any:
    """Return the dashboard."""
    built = board(
        "butlr-exporter-health",
        "Butlr: exporter health",
        "Whether events arrive, on time and right.",
        since="now-6h",
        places=(),
    )
    return lay_out(
        built,
        [
            (
                "Is it well?",
                [
                    number_panel(
                        "Last event",
                        "Time since an event was accepted.",
                        "clamp_min(time() - max(butlr_exporter_last_event_received_timestamp_seconds), 0)",
                        width=6,
                        unit="s",
                        steps=[(None, "green"), (300, "orange"), (900, "red")],
                    ),
                    number_panel(
                        "Refused in an hour",
                        "Events that were answered with 422. The exporter's log names field and reason.",
                        f"round(sum(increase({REFUSED}[1h])))",
                        width=6,
                        steps=RED_ABOVE_0,
                    ),
                    number_panel(
                        "Journal failures in an hour",
                        "Writes that failed: events are then answered with 503.",
                        "round(sum(increase(butlr_exporter_journal_failures_total[1h])))",
                        width=6,
                        steps=RED_ABOVE_0,
                    ),
                    number_panel(
                        "Silent places",
                        "Zones, rooms, floors and sensors whose newest reading is too old to be shown.",
                        'sum(max by (kind) (butlr_exporter_spaces{state="stale"}))',
                        width=6,
                        steps=[(None, "green"), (1, "orange")],
                    ),
                ],
            ),
            (
                "Events",
                [
                    panel(
                        timeseries.Panel()
                        .fill_opacity(30)
                        .stacking(StackingConfig().mode(StackingMode.NORMAL))
                        .legend(legend()),
                        "Events by outcome",
                        "Events per second, by outcome. Repetitions are usual: Butlr sends each minute five times.",
                        Query(EVENTS, "{{outcome}}"),
                        width=12,
                        height=9,
                        unit="reqps",
                    ),
                    _line_panel(
                        "Delay of deliveries",
                        "Time from sensing to arrival; up to five minutes are usual, as Butlr computes that long.",
                        Query(f"histogram_quantile(0.5, {DELAY})", "median {{event_type}}"),
                        Query(f"histogram_quantile(0.95, {DELAY})", "95 % {{event_type}}"),
                        unit="s",
                        width=12,
                    ),
                    _line_panel(
                        "Revisions",
                        "Share of the readings sent again that came with another count.",
                        Query(
                            'sum(rate(butlr_exporter_events_total{outcome="corrected"}[$__rate_interval])) / '
                            'sum(rate(butlr_exporter_events_total{outcome=~"corrected|repeated"}[$__rate_interval]))',
                            "corrected",
                        ),
                        unit="percentunit",
                        width=6,
                    ),
                    _line_panel(
                        "Corrected too late",
                        "Corrections that came after the reading had settled. If more than rare, raise `settle_after`.",
                        Query(
                            "sum by (event_type) (rate(butlr_exporter_settled_corrections_total[$__rate_interval]))",
                            "{{event_type}}",
                        ),
                        unit="reqps",
                        width=6,
                    ),
                    _line_panel(
                        "Counts below zero",
                        "Counts of rooms and floors below zero, each taken as zero: entries minus exits drift.",
                        Query(
                            "sum by (event_type) (rate(butlr_exporter_negative_values_total[$__rate_interval]))",
                            "{{event_type}}",
                        ),
                        unit="reqps",
                        width=6,
                    ),
                    _line_panel(
                        "Refused events",
                        "By reason; each is a mistake in the sender, a wrong clock, or too many places.",
                        Query(
                            f"sum by (event_type, outcome) (rate({REFUSED}[$__rate_interval]))",
                            "{{event_type}} {{outcome}}",
                        ),
                        unit="reqps",
                        width=6,
                    ),
                    _line_panel(
                        "Refused requests",
                        "Requests that were no events at all: without the key, not JSON, too large.",
                        Query(
                            "sum by (reason) (rate(butlr_exporter_rejected_requests_total[$__rate_interval]))",
                            "{{reason}}",
                        ),
                        unit="reqps",
                        width=6,
                    ),
                ],
            ),
            (
                "Process",
                [
                    _line_panel(
                        "Places",
                        "Known zones, rooms, floors and sensors, by whether they are silent.",
                        Query("max by (kind, state) (butlr_exporter_spaces) > 0", "{{kind}} {{state}}"),
                        unit="none",
                    ),
                    _line_panel(
                        "Processor",
                        "Seconds of processor time a second; 1 is one whole processor.",
                        Query('sum by (instance) (rate(process_cpu_seconds_total{job="butlr"}[$__rate_interval]))'),
                        unit="none",
                    ),
                    _line_panel(
                        "Memory",
                        "Resident memory.",
                        Query('sum by (instance) (process_resident_memory_bytes{job="butlr"})'),
                        unit="bytes",
                    ),
                    panel(
                        stat.Panel().reduce_options(last()).graph_mode(BigValueGraphMode.NONE),
                        "Capacity file",
                        "Time since the file was last accepted; empty without one.",
                        Query(
                            "clamp_min(time() - max(butlr_exporter_config_last_reload_success_timestamp_seconds), 0)",
                            instant=True,
                        ),
                        width=8,
                        height=9,
                        unit="s",
                        steps=PLAIN,
                    ),
                    _line_panel(
                        "Versions",
                        "The running version, and whether the capacity file was accepted when it was last read.",
                        Query(
                            "max by (version, python_version) (butlr_exporter_build_info)",
                            "{{version}}, Python {{python_version}}",
                        ),
                        Query("max(butlr_exporter_config_last_reload_successful)", "capacity file taken"),
                        unit="none",
                        width=16,
                    ),
                ],
            ),
        ],
    )
