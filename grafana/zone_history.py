"""The dashboard for planning: when zones were full, and for how long."""

from typing import Any

from grafana_foundation_sdk.builders import heatmap, statetimeline, timeseries
from grafana_foundation_sdk.builders.heatmap import HeatmapColorOptions
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode

from grafana.kit import CAPACITY, CHOSEN, NAMED, NAMES, PEOPLE, WHERE, ZONES, Query, board, lay_out, legend, panel
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


def _newest(family: str) -> str:
    """Return a query for one final count of each zone.

    For five minutes after a rename, Prometheus still finds the last count under the earlier names.
    """
    counts = f"{family}{{{ZONES}}}"
    return f"max by ({NAMES}) ({counts} and topk by (zone_id) (1, timestamp({counts})))"


SETTLED = f"{_newest('butlr_zone_occupancy_settled')} or on (zone_id) {_newest('butlr_zone_occupancy_1min_settled')}"
"""The final count of each zone: the plain one, or the smoothed one if only that is delivered."""


def _settled(kind: str) -> str:
    """Return a query for the final count of each chosen room or floor, the smoothed one if only that is delivered."""
    plain, smoothed = (
        f"max by ({NAMED[kind]}) (butlr_{kind}_occupancy{end}{{{CHOSEN[kind]}}})"
        for end in ("_settled", "_1min_settled")
    )
    return f"{plain} or on ({kind}_id) {smoothed}"


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
                        unit="none",
                    ),
                    panel(
                        timeseries.Panel().legend(legend("mean", "max")),
                        "Zones",
                        "Each chosen zone, as it was known at the time; a gap is silence.",
                        Query(
                            PEOPLE,
                            WHERE,
                        ),
                        width=12,
                        height=10,
                        unit="none",
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
                        unit="none",
                    ),
                    panel(
                        timeseries.Panel().legend(legend("mean", "max")),
                        "First guess and final count",
                        "The sum of the chosen zones, as it was known at the time and as it was finally computed.",
                        Query(f"sum({PEOPLE})", "first guess"),
                        Query(f"sum({SETTLED})", "final"),
                        width=12,
                        height=10,
                        unit="none",
                    ),
                ],
            ),
            (
                "Rooms and floors, corrected",
                [
                    panel(
                        timeseries.Panel().legend(legend("mean", "max")),
                        f"{kind.capitalize()}s, corrected",
                        f"Each chosen {kind}, as Butlr finally counted it; the last minutes come once settled.",
                        Query(_settled(kind), "{{" + f"{kind}_name" + "}} · {{building_name}}"),
                        width=12,
                        height=10,
                        unit="none",
                    )
                    for kind in ("room", "floor")
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
                            f"{PEOPLE} / {CAPACITY}",
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
