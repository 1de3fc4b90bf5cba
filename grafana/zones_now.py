"""The dashboard for the facilities team, on a wall or a phone: where people are, and where too many are."""

from typing import Any

from grafana_foundation_sdk.builders import bargauge
from grafana_foundation_sdk.models.common import BarGaugeDisplayMode, VizOrientation

from grafana.kit import (
    CAPACITY,
    FLOOR_CAPACITY,
    FLOORS,
    NAMES,
    PEOPLE,
    PEOPLE_IN_ROOMS,
    PEOPLE_ON_FLOORS,
    PLAIN,
    ROOM_CAPACITY,
    ROOMS,
    WHERE,
    ZONES,
    Query,
    age,
    board,
    last,
    lay_out,
    names_of,
    number_panel,
    panel,
    place_table,
)

RED_ABOVE_0: list[tuple[float | None, str]] = [(None, "green"), (1, "red")]
ORANGE_ABOVE_0: list[tuple[float | None, str]] = [(None, "green"), (1, "orange")]
SHARES: list[tuple[float | None, str]] = [(None, "green"), (0.8, "yellow"), (1.0001, "red")]


SILENT = {
    kind: f"count(max by ({kind}_id) (butlr_{kind}_info{{{where}}}) unless on ({kind}_id) "
    f'{{__name__=~"butlr_{kind}_({values})",{where}}}) or vector(0)'
    for kind, where, values in (
        ("zone", ZONES, "occupancy|occupancy_1min"),
        ("room", ROOMS, "occupancy|occupancy_1min|motion"),
        ("floor", FLOORS, "occupancy|occupancy_1min"),
    )
}
"""Queries for the number of spaces of each kind that have no value."""

ZONE_TABLE = place_table(
    "Zones",
    "Every zone: people now (empty while it is silent), its capacity, and the age of its newest reading.",
    {
        "site_name": "Site",
        "building_name": "Building",
        "floor_name": "Floor",
        "room_name": "Room",
        "zone_name": "Zone",
        "Value #A": "People",
        "Value #B": "Capacity",
        "Value #C": "Utilisation",
        "Value #D": "Age",
    },
    f"max by ({NAMES}) ({PEOPLE})",
    CAPACITY,
    f"{PEOPLE} / {CAPACITY}",
    age(NAMES, f'{{__name__=~"butlr_zone_occupancy(_1min)?_timestamp_seconds",{ZONES}}}'),
    width=16,
    height=16,
)

FLOOR_TABLE = place_table(
    "Floors",
    "Every floor: Butlr's own count, or the sum of its zones if there is none, and its capacity.",
    {
        "site_name": "Site",
        "building_name": "Building",
        "floor_name": "Floor",
        "Value #A": "People",
        "Value #B": "Capacity",
        "Value #C": "Utilisation",
        "Value #D": "Age",
    },
    f"sum by (site_name, building_name, floor_name) ({PEOPLE_ON_FLOORS})",
    FLOOR_CAPACITY,
    f"{PEOPLE_ON_FLOORS} / {FLOOR_CAPACITY}",
    age(
        "site_name, building_name, floor_name",
        f'{{__name__=~"butlr_floor_occupancy(_1min)?_timestamp_seconds",{FLOORS}}} '
        f'or {{__name__=~"butlr_zone_occupancy(_1min)?_timestamp_seconds",{FLOORS}}}',
    ),
    width=24,
    height=8,
)

ROOM_TABLE = place_table(
    "Rooms",
    "Every room: people as Butlr counts them in it, its capacity, whether there is motion, and since when.",
    {
        "site_name": "Site",
        "building_name": "Building",
        "floor_name": "Floor",
        "room_name": "Room",
        "Value #A": "People",
        "Value #B": "Capacity",
        "Value #C": "Utilisation",
        "Value #D": "Motion",
        "Value #E": "For",
        "Value #F": "Age",
    },
    f"max by ({names_of('room')}) ({PEOPLE_IN_ROOMS})",
    ROOM_CAPACITY,
    f"{PEOPLE_IN_ROOMS} / {ROOM_CAPACITY}",
    f"max by ({names_of('room')}) (butlr_room_motion{{{ROOMS}}})",
    age(names_of("room"), f"butlr_room_motion_timestamp_seconds{{{ROOMS}}}"),
    age(names_of("room"), f'{{__name__=~"butlr_room_occupancy(_1min)?_timestamp_seconds",{ROOMS}}}'),
    width=24,
    height=12,
)


SENSOR_TABLE = place_table(
    "Sensors",
    "Every sensor: people that it sees now (empty while it sends no detections), and its model, mode and address.",
    {
        "site_name": "Site",
        "building_name": "Building",
        "floor_name": "Floor",
        "room_name": "Room",
        "sensor_id": "Sensor",
        "mac_address": "MAC address",
        "sensor_model": "Model",
        "sensor_mode": "Mode",
        "Value #A": "Detections",
        "Value #B": "Age",
    },
    f"max by ({names_of('sensor')}) (butlr_sensor_detections{{{ROOMS}}})",
    age(names_of("sensor"), f"butlr_sensor_detections_timestamp_seconds{{{ROOMS}}}"),
    f"max by ({names_of('sensor')}, mac_address, sensor_model, sensor_mode) (butlr_sensor_info{{{ROOMS}}})",
    width=24,
    height=10,
)


def build() -> Any:
    """Return the dashboard."""
    return lay_out(
        board("butlr-zones-now", "Butlr: zones now", "Where people are, and where too many are.", since="now-3h"),
        [
            (
                "Now",
                [
                    number_panel(
                        "People",
                        "On the chosen floors: Butlr's own count of each, or the sum of its zones if there is none.",
                        f"sum({PEOPLE_ON_FLOORS})",
                        width=4,
                        unit="none",
                        steps=PLAIN,
                    ),
                    number_panel(
                        "People in zones",
                        "The sum over the chosen zones. Zones may overlap: a person in two of them counts twice.",
                        f"sum({PEOPLE})",
                        width=4,
                        unit="none",
                        steps=PLAIN,
                    ),
                    number_panel(
                        "Crowded rooms, floors",
                        "Rooms and floors with more people than their capacity, by Butlr's own counts of them.",
                        f'count({{__name__=~"floor:butlr_floor_occupancy:crowd|room:butlr_room_occupancy:crowd",{FLOORS}}})'
                        " or vector(0)",
                        width=4,
                        steps=RED_ABOVE_0,
                    ),
                    number_panel(
                        "Zones over capacity",
                        "Zones with more people than their capacity. Without a capacity file it stays 0.",
                        f"count(zone:butlr_zone_occupancy:crowd{{{ZONES}}}) or vector(0)",
                        width=4,
                        steps=RED_ABOVE_0,
                    ),
                    number_panel(
                        "Silent places",
                        "Zones, rooms and floors without a value, because their newest reading is older than "
                        "`stale_after`.",
                        f"({SILENT['zone']}) + ({SILENT['room']}) + ({SILENT['floor']})",
                        width=4,
                        steps=ORANGE_ABOVE_0,
                    ),
                    number_panel(
                        "Last event",
                        "Time since the exporter accepted an event, of any place.",
                        "clamp_min(time() - max(butlr_exporter_last_event_received_timestamp_seconds), 0)",
                        width=4,
                        unit="s",
                        steps=[(None, "green"), (300, "orange"), (900, "red")],
                    ),
                ],
            ),
            (
                "Zone by zone",
                [
                    ZONE_TABLE,
                    panel(
                        bargauge.Panel()
                        .reduce_options(last())
                        .orientation(VizOrientation.HORIZONTAL)
                        .display_mode(BarGaugeDisplayMode.BASIC)
                        .min(0)
                        .max(1.5),
                        "Most crowded",
                        "The ten zones nearest to, or furthest over, their capacity.",
                        Query(
                            f"topk(10, {PEOPLE} / {CAPACITY})",
                            WHERE,
                            instant=True,
                        ),
                        width=8,
                        height=16,
                        unit="percentunit",
                        steps=SHARES,
                    ),
                ],
            ),
            ("Floors and rooms", [FLOOR_TABLE, ROOM_TABLE]),
            ("Sensors", [SENSOR_TABLE]),
        ],
    )
