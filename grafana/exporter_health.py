"""The dashboard for operators of the exporter: whether events arrive, in time and right."""

from typing import Any

from grafana_foundation_sdk.builders import timeseries
from grafana_foundation_sdk.builders.common import StackingConfig
from grafana_foundation_sdk.models.common import StackingMode

from grafana import final
from grafana.assets import cloud_lines, cloud_numbers
from grafana.kit import (
    NOT_SCRAPED,
    ORANGE_ABOVE_0,
    RED_ABOVE_0,
    PlacedPanel,
    Query,
    board,
    lay_out,
    legend,
    line_panel,
    number_panel,
    panel,
)
from grafana.promql import ROOMS, ZONES, age, info, placed
from grafana.tables import place_table

EVENTS = "sum by (outcome) (rate(butlr_exporter_events_total[$__rate_interval]))"
DELAY = "sum by (event_type, le) (rate(butlr_exporter_event_delay_seconds_bucket[$__rate_interval]))"
REFUSED = 'butlr_exporter_events_total{outcome=~"invalid|future|overflow"}'


DEVICE = ("mac_address", "sensor_model", "sensor_mode")
"""Labels of a sensor besides its place."""

OF_EXPORTERS = "and on (job, instance) butlr_exporter_build_info"
"""The condition that a process is an exporter, under any name of its job."""

NO_EVENTS = "no events in this time"

FIRST_GUESSES = "sum(zone:butlr_zone_occupancy:people)"
FINAL_COUNTS = f"sum({final.counts('zone')})".replace(f"{{{ZONES}}}", "")


def _sensor_table() -> PlacedPanel:
    sensors = info("sensor", *DEVICE).replace(f"{{{ROOMS}}}", "")
    return place_table(
        "Sensors",
        "Every sensor: people that it sees now (empty while it sends no detections), and its model, mode and address.",
        {
            "place": "Place",
            "sensor_id": "Sensor",
            "sensor_model": "Model",
            "sensor_mode": "Mode",
            "mac_address": "MAC address",
            "Value #B": "Detections",
            "Value #C": "Age",
        },
        placed("sensor", sensors, *DEVICE),
        "max by (sensor_id) (butlr_sensor_detections)",
        age("sensor_id", "butlr_sensor_detections_timestamp_seconds"),
        width=24,
        height=10,
        sort=["Place"],
        empty="needs events of sensors: DETECTIONS or TRAFFIC",
    )


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
                        unit="s",
                        decimals=0,
                        steps=[(None, "text"), (300, "orange"), (900, "red")],
                        empty="no event yet",
                    ),
                    number_panel(
                        "Refused in an hour",
                        "Events that were answered with 422. The exporter's log names field and reason.",
                        f"round(sum(increase({REFUSED}[1h])))",
                        steps=RED_ABOVE_0,
                        empty=NOT_SCRAPED,
                    ),
                    number_panel(
                        "Journal failures in an hour",
                        "Writes that failed: events are then answered with 503.",
                        "round(sum(increase(butlr_exporter_journal_failures_total[1h])))",
                        steps=RED_ABOVE_0,
                        empty=NOT_SCRAPED,
                    ),
                    number_panel(
                        "Silent",
                        "Zones, rooms and floors whose newest reading is too old to be shown.",
                        'sum(max by (kind) (butlr_exporter_spaces{state="stale",kind!="sensor"}))',
                        steps=ORANGE_ABOVE_0,
                        empty=NOT_SCRAPED,
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
                        unit="eps",
                        empty=NOT_SCRAPED,
                    ),
                    line_panel(
                        "Delay of deliveries",
                        "Time from sensing to arrival; up to five minutes are usual, as Butlr computes that long.",
                        Query(f"histogram_quantile(0.5, {DELAY})", "median {{event_type}}"),
                        Query(f"histogram_quantile(0.95, {DELAY})", "95 % {{event_type}}"),
                        unit="s",
                        width=12,
                        empty=NO_EVENTS,
                    ),
                    line_panel(
                        "Revisions",
                        "Share of the readings sent again that came with another count.",
                        Query(
                            'sum(rate(butlr_exporter_events_total{outcome="corrected"}[$__rate_interval])) / '
                            'sum(rate(butlr_exporter_events_total{outcome=~"corrected|repeated"}[$__rate_interval]))',
                            "corrected",
                        ),
                        unit="percentunit",
                        width=8,
                        empty=NO_EVENTS,
                    ),
                    line_panel(
                        "Corrected too late",
                        "Corrections that came after the count was final. If more than rare, raise `settle_after`.",
                        Query(
                            "sum by (event_type) (rate(butlr_exporter_settled_corrections_total[$__rate_interval]))",
                            "{{event_type}}",
                        ),
                        unit="eps",
                        width=8,
                    ),
                    line_panel(
                        "Counts below zero",
                        "Counts of rooms and floors below zero, each taken as zero: entries minus exits drift.",
                        Query(
                            "sum by (event_type) (rate(butlr_exporter_negative_values_total[$__rate_interval]))",
                            "{{event_type}}",
                        ),
                        unit="eps",
                        width=8,
                    ),
                    line_panel(
                        "Refused events",
                        "By reason; each is a mistake in the sender, a wrong clock, or too many places.",
                        Query(
                            f"sum by (event_type, outcome) (rate({REFUSED}[$__rate_interval])) > 0",
                            "{{event_type}} {{outcome}}",
                        ),
                        unit="eps",
                        width=12,
                        empty="none were refused",
                    ),
                    line_panel(
                        "Refused requests",
                        "Requests that were no events at all: without the key, not JSON, too large.",
                        Query(
                            "sum by (reason) (rate(butlr_exporter_rejected_requests_total[$__rate_interval])) > 0",
                            "{{reason}}",
                        ),
                        unit="reqps",
                        width=12,
                        empty="none were refused",
                    ),
                ],
            ),
            ("Butlr's API", [*cloud_numbers(), *cloud_lines()]),
            (
                "Counts",
                [
                    line_panel(
                        "First guesses and final counts",
                        "The sum of all zones as it was shown at the time, and as Butlr finally computed it. "
                        "Dashboards of now show the first, dashboards that look back the second.",
                        Query(FIRST_GUESSES, "shown at the time"),
                        Query(FINAL_COUNTS, "final"),
                        unit="none",
                        width=24,
                        empty="needs events about zones",
                    ),
                    _sensor_table(),
                ],
            ),
            (
                "Process",
                [
                    line_panel(
                        "Places",
                        "Known zones, rooms, floors and sensors, those of them that are silent, and what is missing.",
                        Query('max by (kind) (butlr_exporter_spaces{state="fresh"}) > 0', "{{kind}}"),
                        Query('max by (kind) (butlr_exporter_spaces{state="stale"}) > 0', "{{kind}}, silent"),
                        Query('max by (kind) (butlr_exporter_spaces{state="missing"}) > 0', "{{kind}}, missing"),
                        unit="none",
                        empty="no place is known",
                    ),
                    line_panel(
                        "Processor",
                        "Seconds of processor time a second; 1 is one whole processor.",
                        Query(
                            f"sum by (instance) (rate(process_cpu_seconds_total[$__rate_interval]) {OF_EXPORTERS})",
                            "{{instance}}",
                        ),
                        unit="none",
                    ),
                    line_panel(
                        "Memory",
                        "Resident memory.",
                        Query(f"sum by (instance) (process_resident_memory_bytes {OF_EXPORTERS})", "{{instance}}"),
                        unit="bytes",
                    ),
                    number_panel(
                        "Capacity file",
                        "Time since the file was last accepted.",
                        "clamp_min(time() - max(butlr_exporter_config_last_reload_success_timestamp_seconds), 0)",
                        width=8,
                        height=9,
                        unit="s",
                        decimals=0,
                        empty="no capacity file",
                    ),
                    line_panel(
                        "Versions",
                        "The running version, and whether the capacity file was accepted when it was last read.",
                        Query(
                            "max by (version, python_version) (butlr_exporter_build_info)",
                            "{{version}}, Python {{python_version}}",
                        ),
                        Query("max(butlr_exporter_config_last_reload_successful)", "capacity file accepted"),
                        unit="none",
                        width=16,
                    ),
                ],
            ),
        ],
    )
