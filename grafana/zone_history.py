"""The dashboard for planning: when zones were full, and for how long."""

from typing import Any

from grafana_foundation_sdk.builders import heatmap, statetimeline, timeseries
from grafana_foundation_sdk.builders.heatmap import HeatmapColorOptions
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode

from grafana.kit import NAMES, WHERE, ZONES, Query, board, lay_out, legend, panel
from grafana.zones_now import SHARES

FLOORS = 'site_name=~"$site",building_name=~"$building",floor_name=~"$floor"'

HOURS = [
    Query(
        f"max_over_time((sum(floor:butlr_zone_occupancy:sum{{{FLOORS}}}) and on () hour() == {hour})[1d:5m])",
        f"{hour:02}",
    )
    for hour in range(24)
]
"""The most people in each hour of the day: one query for each hour, with a point a day for the day before it."""

SETTLED = (
    f"max by ({NAMES}) (butlr_zone_occupancy_settled{{{ZONES}}}) "
    f"or on (zone_id) max by ({NAMES}) (butlr_zone_occupancy_1min_settled{{{ZONES}}})"
)
"""The final count of each zone: the plain one, or the smoothed one if only that is delivered."""


def build() -> Any:
    """Return the dashboard."""
    return lay_out(
        board("butlr-zone-history", "Butlr: zone history", "When zones were full, and for how long.", since="now-24h"),
        [
            (
                "People over time",
                [
                    panel(
                        timeseries.Panel().fill_opacity(10).legend(legend("mean", "max")),
                        "Floors",
                        "The sum of the zones of each floor. Zones may overlap: a person in two of them counts twice.",
                        Query(
                            f"sum by (building_name, floor_name) (floor:butlr_zone_occupancy:sum{{{FLOORS}}})",
                            "{{building_name}} · {{floor_name}}",
                        ),
                        width=12,
                        height=10,
                        unit="short",
                    ),
                    panel(
                        timeseries.Panel().legend(legend("mean", "max")),
                        "Zones",
                        "Each chosen zone, as it was known at the time; a gap is silence.",
                        Query(
                            f"zone:butlr_zone_occupancy:people{{{ZONES}}}",
                            WHERE,
                        ),
                        width=12,
                        height=10,
                        unit="short",
                    ),
                ],
            ),
            (
                "Corrected",
                [
                    panel(
                        timeseries.Panel().fill_opacity(10).legend(legend("mean", "max")),
                        "Zones, corrected",
                        "Each chosen zone, as Butlr finally computed it; the last minutes come when they have settled.",
                        Query(SETTLED, WHERE),
                        width=12,
                        height=10,
                        unit="short",
                    ),
                    panel(
                        timeseries.Panel().legend(legend("mean", "max")),
                        "First guess and final count",
                        "The sum of the chosen zones, as it was known at the time and as it was finally computed.",
                        Query(f"sum(zone:butlr_zone_occupancy:people{{{ZONES}}})", "first guess"),
                        Query(f"sum({SETTLED})", "final"),
                        width=12,
                        height=10,
                        unit="short",
                    ),
                ],
            ),
            (
                "Crowding",
                [
                    panel(
                        statetimeline.Panel().merge_values(True).row_height(0.8),
                        "How full each zone was",
                        "Green below 80 % of its capacity, yellow up to it, red above; nothing where it is unknown.",
                        Query(
                            f"zone:butlr_zone_occupancy:utilisation{{{ZONES}}}",
                            WHERE,
                        ),
                        width=24,
                        height=12,
                        unit="percentunit",
                        steps=SHARES,
                    ),
                    panel(
                        heatmap.Panel()
                        .calculate(False)
                        .time_from("14d")
                        .interval("1d")
                        .color(HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Blues").steps(64)),
                        "Busiest hours",
                        "The most people in each hour (UTC) of the last two weeks, sampled every five minutes. "
                        "Today appears tomorrow.",
                        *HOURS,
                        width=24,
                        height=12,
                    ),
                ],
            ),
        ],
    )
