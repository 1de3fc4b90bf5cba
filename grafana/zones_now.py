"""The dashboard for the facilities team, on a wall or a phone: where people are, and where too many are."""

from typing import Any

from grafana_foundation_sdk.builders import bargauge, stat, statetimeline, table
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.common import BarGaugeDisplayMode, BigValueGraphMode, VizOrientation

from grafana.kit import (
    CAPACITY,
    CHOSEN,
    NAMED,
    NAMES,
    PEOPLE,
    PLACES,
    PLAIN,
    WHERE,
    ZONES,
    PlacedPanel,
    Query,
    board,
    gauge_cell,
    last,
    lay_out,
    panel,
)

RED_ABOVE_0: list[tuple[float | None, str]] = [(None, "green"), (1, "red")]
ORANGE_ABOVE_0: list[tuple[float | None, str]] = [(None, "green"), (1, "orange")]
SHARES: list[tuple[float | None, str]] = [(None, "green"), (0.8, "yellow"), (1.0001, "red")]


def _number_panel() -> Any:
    return stat.Panel().reduce_options(last()).graph_mode(BigValueGraphMode.NONE)


def _zone_table() -> PlacedPanel:
    built = table.Panel()
    hidden = dict.fromkeys(("Time", "zone_id"), True)
    titles = {
        "site_name": "Site",
        "building_name": "Building",
        "floor_name": "Floor",
        "room_name": "Room",
        "zone_name": "Zone",
        "Value #A": "People",
        "Value #B": "Capacity",
        "Value #C": "Utilisation",
        "Value #D": "Age",
    }
    built.with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
    built.with_transformation(
        models.DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": hidden,
                "renameByName": titles,
                "indexByName": {name: n for n, name in enumerate(titles)},
            },
        )
    )
    built.override_by_name("Utilisation", gauge_cell())
    built.override_by_name("Age", [models.DynamicConfigValue("unit", "s"), models.DynamicConfigValue("decimals", 0)])
    built.filterable(True)
    return panel(
        built,
        "Zones",
        "Every zone: people now (empty while it is silent), its capacity, and the age of its newest reading.",
        Query(f"max by ({NAMES}) ({PEOPLE})", instant=True, table=True),
        Query(CAPACITY, instant=True, table=True),
        Query(f"{PEOPLE} / {CAPACITY}", instant=True, table=True),
        Query(
            f"clamp_min(time() - max by ({NAMES}) "
            f'({{__name__=~"butlr_zone_occupancy(_1min)?_timestamp_seconds",{ZONES}}}), 0)',
            instant=True,
            table=True,
        ),
        width=16,
        height=16,
    )


def _count(kind: str) -> str:
    """Return a query for the people in each chosen room, or on each floor, as Butlr counts them itself."""
    counts = f"butlr_{kind}_occupancy{{{CHOSEN[kind]}}}"
    smoothed = f"butlr_{kind}_occupancy_1min{{{CHOSEN[kind]}}}"
    return f"max by ({NAMED[kind]}) ({counts}) or on ({kind}_id) max by ({NAMED[kind]}) ({smoothed})"


def _kind_table(kind: str, description: str) -> PlacedPanel:
    """Return a table of the rooms or the floors."""
    places = PLACES[: PLACES.index(kind) + 1]
    titles = {f"{place}_name": place.capitalize() for place in places}
    titles |= {"Value #A": "People", "Value #B": "Capacity", "Value #C": "Age"}
    built = table.Panel()
    built.with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
    built.with_transformation(
        models.DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": {"Time": True, f"{kind}_id": True},
                "renameByName": titles,
                "indexByName": {name: n for n, name in enumerate(titles)},
            },
        )
    )
    built.override_by_name("Age", [models.DynamicConfigValue("unit", "s"), models.DynamicConfigValue("decimals", 0)])
    built.filterable(True)
    known, chosen = NAMED[kind], CHOSEN[kind]
    return panel(
        built,
        f"{kind.capitalize()}s",
        description,
        Query(_count(kind), instant=True, table=True),
        Query(f"max by ({known}) (butlr_{kind}_capacity{{{chosen}}})", instant=True, table=True),
        Query(
            f"clamp_min(time() - max by ({known}) "
            f'({{__name__=~"butlr_{kind}_occupancy(_1min)?_timestamp_seconds",{chosen}}}), 0)',
            instant=True,
            table=True,
        ),
        width=9,
        height=10,
    )


def _silent(kind: str) -> str:
    """Return a query for the rooms or floors without a count."""
    return (
        f"(max by ({kind}_id) (butlr_{kind}_info{{{CHOSEN[kind]}}}) unless on ({kind}_id) "
        f'{{__name__=~"butlr_{kind}_occupancy(_1min)?",{CHOSEN[kind]}}})'
    )


def build() -> Any:
    """Return the dashboard."""
    return lay_out(
        board("butlr-zones-now", "Butlr: zones now", "Where people are, and where too many are.", since="now-3h"),
        [
            (
                "Now",
                [
                    panel(
                        _number_panel(),
                        "People counted",
                        "The sum over the chosen zones. Zones may overlap: a person in two of them counts twice.",
                        Query(f"sum({PEOPLE})", instant=True),
                        width=6,
                        height=5,
                        unit="none",
                        steps=PLAIN,
                    ),
                    panel(
                        _number_panel(),
                        "Zones over capacity",
                        "Zones with more people than their capacity. Without a capacity file it stays 0.",
                        Query(
                            f"count(zone:butlr_zone_occupancy:crowd{{{ZONES}}}) or vector(0)",
                            instant=True,
                        ),
                        width=6,
                        height=5,
                        steps=RED_ABOVE_0,
                    ),
                    panel(
                        _number_panel(),
                        "Silent zones",
                        "Zones without a count, because their newest reading is older than `stale_after`.",
                        Query(
                            f"count(max by (zone_id) (butlr_zone_info{{{ZONES}}}) unless on (zone_id) "
                            f'{{__name__=~"butlr_zone_occupancy(_1min)?",{ZONES}}}) or vector(0)',
                            instant=True,
                        ),
                        width=6,
                        height=5,
                        steps=ORANGE_ABOVE_0,
                    ),
                    panel(
                        _number_panel(),
                        "Last event",
                        "Time since the exporter accepted an event, of any zone.",
                        Query(
                            "clamp_min(time() - max(butlr_exporter_last_event_received_timestamp_seconds), 0)",
                            instant=True,
                        ),
                        width=6,
                        height=5,
                        unit="s",
                        steps=[(None, "green"), (300, "orange"), (900, "red")],
                    ),
                ],
            ),
            (
                "Rooms and floors, by Butlr's own counts",
                [
                    _kind_table(
                        "room",
                        "Every room: people now (empty while silent), capacity, and the age of its newest reading.",
                    ),
                    _kind_table(
                        "floor",
                        "Every floor: people now (empty while silent), capacity, and the age of its newest reading.",
                    ),
                    panel(
                        _number_panel(),
                        "Silent rooms and floors",
                        "Rooms and floors without a count, because their newest reading is older than `stale_after`.",
                        Query(
                            f"(count({_silent('room')}) or vector(0)) + (count({_silent('floor')}) or vector(0))",
                            instant=True,
                        ),
                        width=6,
                        height=10,
                        steps=ORANGE_ABOVE_0,
                    ),
                ],
            ),
            (
                "Motion and sensors",
                [
                    panel(
                        statetimeline.Panel().merge_values(True).row_height(0.8),
                        "Motion",
                        "1 while there is motion in a room, else 0; silence means that nothing changed.",
                        Query(
                            f"max by ({NAMED['room']}) (butlr_room_motion{{{CHOSEN['room']}}})",
                            "{{room_name}} · {{floor_name}} · {{building_name}}",
                        ),
                        width=12,
                        height=8,
                        steps=[(None, "text"), (1, "green")],
                    ),
                    panel(
                        bargauge.Panel().reduce_options(last()).orientation(VizOrientation.HORIZONTAL),
                        "People that sensors see",
                        "Each sensor that has sent detections in the last `detections_stale_after`.",
                        Query(
                            f"max by (room_name, sensor_id) (butlr_sensor_detections{{{CHOSEN['room']}}})",
                            "{{room_name}} · {{sensor_id}}",
                            instant=True,
                        ),
                        width=6,
                        height=8,
                        steps=PLAIN,
                    ),
                    panel(
                        _number_panel(),
                        "Since the last motion, detections",
                        "Time since motion last changed in any chosen room, and since any sensor last saw somebody.",
                        Query(
                            f"clamp_min(time() - max(butlr_room_motion_timestamp_seconds{{{CHOSEN['room']}}}), 0)",
                            "motion",
                            instant=True,
                        ),
                        Query(
                            "clamp_min(time() - max(butlr_sensor_detections_timestamp_seconds"
                            f"{{{CHOSEN['room']}}}), 0)",
                            "detections",
                            instant=True,
                        ),
                        width=3,
                        height=8,
                        unit="s",
                        steps=PLAIN,
                    ),
                    panel(
                        _number_panel(),
                        "Sensors",
                        "Sensors that are known, by model.",
                        Query(
                            f"count by (sensor_model) (max by (sensor_id, sensor_model) "
                            f"(butlr_sensor_info{{{CHOSEN['room']}}}))",
                            "{{sensor_model}}",
                            instant=True,
                        ),
                        width=3,
                        height=8,
                        steps=PLAIN,
                    ),
                    panel(
                        bargauge.Panel().reduce_options(last()).orientation(VizOrientation.HORIZONTAL),
                        "Crossings in the last hour",
                        "People who went in and out through each entryway.",
                        Query(
                            "sum by (floor_name, sensor_id, direction) "
                            f"(increase(butlr_entryway_crossings_total{{{CHOSEN['floor']}}}[1h]))",
                            "{{direction}} · {{sensor_id}} · {{floor_name}}",
                            instant=True,
                        ),
                        width=18,
                        height=8,
                        steps=PLAIN,
                    ),
                    panel(
                        _number_panel(),
                        "Since the last crossing",
                        "Time since somebody went through any entryway.",
                        Query(
                            "clamp_min(time() - max(butlr_entryway_last_crossing_timestamp_seconds"
                            f"{{{CHOSEN['floor']}}}), 0)",
                            instant=True,
                        ),
                        width=6,
                        height=8,
                        unit="s",
                        steps=PLAIN,
                    ),
                ],
            ),
            (
                "Zone by zone",
                [
                    _zone_table(),
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
        ],
    )
