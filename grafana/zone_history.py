"""The dashboard for planning: when zones were full, and for how long."""

from typing import Any

from grafana_foundation_sdk.builders import heatmap, statetimeline, timeseries
from grafana_foundation_sdk.builders.heatmap import HeatmapColorOptions
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode

from grafana.kit import (
    CAPACITY,
    FLOORS,
    MOTION,
    PEOPLE,
    PEOPLE_IN_ROOMS,
    PEOPLE_ON_FLOORS,
    ROOM_CAPACITY,
    ROOMS,
    WHERE,
    WHERE_FLOOR,
    WHERE_ROOM,
    ZONES,
    PlacedPanel,
    Query,
    board,
    lay_out,
    legend,
    names_of,
    panel,
)
from grafana.zones_now import SHARES

HOURS = [
    Query(
        f"max_over_time((sum({PEOPLE_ON_FLOORS}) and on () hour() == {hour})[1d:5m])",
        f"{hour:02}",
    )
    for hour in range(24)
]
"""The most people in each hour of the day: one query for each hour, with a point a day for the day before it."""


def _newest(family: str, kind: str, selector: str) -> str:
    """Return a query for one final count of each space of a kind.

    For five minutes after a rename, Prometheus still finds the last count under the earlier names.
    """
    counts = f"{family}{{{selector}}}"
    return f"max by ({names_of(kind)}) ({counts} and topk by ({kind}_id) (1, timestamp({counts})))"


def _settled(kind: str, selector: str) -> str:
    """Return a query for the final count of each space: the plain one, or the smoothed one if there is no other."""
    plain, smoothed = (
        _newest(f"butlr_{kind}_{measure}_settled", kind, selector) for measure in ("occupancy", "occupancy_1min")
    )
    return f"{plain} or on ({kind}_id) {smoothed}"


SETTLED = _settled("zone", ZONES)
"""The final count of each zone."""


def _lines(title: str, description: str, *queries: Query, fill: int = 0, width: int = 12) -> PlacedPanel:
    built = timeseries.Panel().fill_opacity(fill).legend(legend("mean", "max"))
    return panel(built, title, description, *queries, width=width, height=10, unit="none")


def _states(title: str, description: str, query: Query, *, height: int, **options: Any) -> PlacedPanel:
    built = statetimeline.Panel().merge_values(True).row_height(0.8)
    return panel(built, title, description, query, width=24, height=height, **options)


def _fullness(title: str, query: Query, height: int) -> PlacedPanel:
    description = "Green below 80 % of its capacity, yellow up to it, red above; nothing where it is unknown."
    return _states(title, description, query, height=height, unit="percentunit", steps=SHARES)


def build() -> Any:
    """Return the dashboard."""
    return lay_out(
        board("butlr-zone-history", "Butlr: zone history", "When zones were full, and for how long.", since="now-24h"),
        [
            (
                "People over time",
                [
                    _lines(
                        "Floors",
                        "Each floor: Butlr's own count, or the sum of its zones, which may overlap, if there is none.",
                        Query(f"sum by (building_name, floor_name) ({PEOPLE_ON_FLOORS})", WHERE_FLOOR),
                        fill=10,
                    ),
                    _lines(
                        "Zones",
                        "Each chosen zone, as it was known at the time; a gap is silence.",
                        Query(PEOPLE, WHERE),
                    ),
                    _lines(
                        "Rooms",
                        "Each chosen room, as Butlr counted the people in it at the time; a gap is silence.",
                        Query(PEOPLE_IN_ROOMS, WHERE_ROOM),
                        width=24,
                    ),
                ],
            ),
            (
                "Corrected",
                [
                    _lines(
                        "Zones, corrected",
                        "Each chosen zone, as Butlr finally computed it; the last minutes come when they have settled.",
                        Query(SETTLED, WHERE),
                        fill=10,
                    ),
                    _lines(
                        "First guess and final count",
                        "The sum of the chosen zones, as it was known at the time and as it was finally computed.",
                        Query(f"sum({PEOPLE})", "first guess"),
                        Query(f"sum({SETTLED})", "final"),
                    ),
                    _lines(
                        "Floors, corrected",
                        "Each chosen floor, as Butlr finally computed its own count.",
                        Query(_settled("floor", FLOORS), WHERE_FLOOR),
                        fill=10,
                    ),
                    _lines(
                        "Rooms, corrected",
                        "Each chosen room, as Butlr finally computed it.",
                        Query(_settled("room", ROOMS), WHERE_ROOM),
                        fill=10,
                    ),
                ],
            ),
            (
                "Crowding",
                [
                    _fullness("How full each zone was", Query(f"{PEOPLE} / {CAPACITY}", WHERE), height=12),
                    _fullness(
                        "How full each room was", Query(f"{PEOPLE_IN_ROOMS} / {ROOM_CAPACITY}", WHERE_ROOM), height=10
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
            (
                "Motion",
                [
                    _states(
                        "Motion in rooms",
                        "When there was motion in each chosen room. Butlr sends changes only, so it is never silent.",
                        Query(f"max by ({names_of('room')}) (butlr_room_motion{{{ROOMS}}})", WHERE_ROOM),
                        height=10,
                        steps=[(None, "transparent"), (1, "green")],
                        mappings=MOTION,
                    ),
                ],
            ),
        ],
    )
