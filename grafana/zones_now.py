"""The dashboard for the facilities team, on a wall or a phone: where people are, and where too many are."""

from typing import Any

from grafana_foundation_sdk.builders import dashboard, statetimeline
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.common import VisibilityMode

from grafana.assets import offline_table, tag_table
from grafana.kit import (
    MOTION,
    NO_CAPACITY,
    ORANGE_ABOVE_0,
    RED_ABOVE_0,
    SHARES,
    PlacedPanel,
    Query,
    board,
    lay_out,
    number_panel,
    panel,
)
from grafana.promql import (
    FLOOR_NAMES,
    FLOORS,
    PEOPLE,
    PEOPLE_ON_FLOORS,
    ROOMS,
    SELECTORS,
    ZONES,
    age,
    capacity,
    info,
    keyed,
    names_of,
    placed,
)
from grafana.tables import OVER, SILENT, history_of, links, page_of, place_table

EXPORTER = "http://localhost:9728"
"""The address of the exporter's pages, as a browser reaches it, unless the viewer names another."""

NO_COUNTS = "no counts: needs an exporter that receives events, and the recording rules of alerts.yml"

OVER_CAPACITY = {kind: f"({PEOPLE[kind]} > {capacity(kind)})" for kind in ("zone", "room", "floor")}
"""Queries for the spaces of each kind that are over capacity, from the same counts as the tables."""

SILENT_SPACES = {
    kind: f'({info(kind)} unless on ({kind}_id) {{__name__=~"butlr_{kind}_({values})",{SELECTORS[kind]}}})'
    for kind, values in (
        ("zone", "occupancy|occupancy_1min"),
        ("room", "occupancy|occupancy_1min|motion"),
        ("floor", "occupancy|occupancy_1min"),
    )
}
"""Queries for the spaces of each kind that have no value."""

MOTION_NOW = f"max by ({names_of('room')}) (butlr_room_motion{{{ROOMS}}})"

FLOOR_CAPACITY = (
    f"(sum by ({FLOOR_NAMES}) ({capacity('floor')}) or (sum by ({FLOOR_NAMES}) "
    f"({capacity('zone').replace(ZONES, FLOORS)}) unless on ({FLOOR_NAMES}) floor:butlr_floor_occupancy:people))"
)
"""The capacity of each floor; of a floor whose people are the sum of its zones, it may be the sum of theirs."""

SHARE = (
    f"sum({PEOPLE_ON_FLOORS} and on ({FLOOR_NAMES}) {FLOOR_CAPACITY}) "
    f"/ sum({FLOOR_CAPACITY} and on ({FLOOR_NAMES}) {PEOPLE_ON_FLOORS}) "
    f"or sum({PEOPLE['zone']} and on (zone_id) {capacity('zone')}) "
    f"/ sum({capacity('zone')} and on (zone_id) {PEOPLE['zone']})"
)
"""The people as a share of the capacity, of the floors that have one, else of the zones."""


def _place(kind: str) -> str:
    """Return a query for the names of the chosen spaces of a kind, with their place in one label."""
    return placed(kind, info(kind))


def _state(kind: str) -> str:
    """Return a query for the spaces of a kind that are over capacity or silent."""
    over = f"max by ({kind}_id) ({OVER_CAPACITY[kind]}) * 0 + {OVER}"
    return f"{over} or on ({kind}_id) max by ({kind}_id) ({SILENT_SPACES[kind]}) * 0 + {SILENT}"


def _age(kind: str, labels: str) -> str:
    """Return a query for the age of the newest reading of each chosen space of a kind, by these labels."""
    return age(labels, f'{{__name__=~"butlr_{kind}_occupancy(_1min)?_timestamp_seconds",{SELECTORS[kind]}}}')


def _columns(kind: str) -> tuple[str, ...]:
    """Return the queries for place, state, people, capacity and utilisation of each chosen space of a kind."""
    people, meant_for = (
        f"max by ({kind}_id) ({each})" for each in (PEOPLE[kind], f"butlr_{kind}_capacity{{{SELECTORS[kind]}}}")
    )
    return _place(kind), _state(kind), people, meant_for, f"{people} / {meant_for}"


def _floor_table() -> PlacedPanel:
    own = "floor:butlr_floor_occupancy:people"
    people = (
        f'label_replace({PEOPLE_ON_FLOORS} and on ({FLOOR_NAMES}) {own}, "counted", "Butlr", "", "") '
        f"or on ({FLOOR_NAMES}) label_replace({PEOPLE_ON_FLOORS} and on ({FLOOR_NAMES}) floor:butlr_zone_occupancy:sum"
        f', "counted", "sum of zones", "", "") '
        f'or on ({FLOOR_NAMES}) label_replace({PEOPLE_ON_FLOORS}, "counted", "sum of rooms", "", "")'
    )
    zones, rooms = info("zone").replace(ZONES, FLOORS), info("room").replace(ROOMS, FLOORS)
    floors = f"max by ({FLOOR_NAMES}) ({zones} or {rooms} or {info('floor')})"
    values = [
        FLOOR_CAPACITY,
        f"({PEOPLE_ON_FLOORS} / {FLOOR_CAPACITY})",
        f"(count by ({FLOOR_NAMES}) ({PEOPLE['zone']} > 0) or count by ({FLOOR_NAMES}) ({PEOPLE['zone']}) * 0)",
        f"count by ({FLOOR_NAMES}) ({zones})",
        f"count by ({FLOOR_NAMES}) ({OVER_CAPACITY['zone']})",
        f"count by ({FLOOR_NAMES}) ({SILENT_SPACES['zone']})",
        age(
            FLOOR_NAMES,
            f'{{__name__=~"butlr_floor_occupancy(_1min)?_timestamp_seconds",{FLOORS}}} '
            f'or {{__name__=~"butlr_zone_occupancy(_1min)?_timestamp_seconds",{FLOORS}}}',
        ),
    ]
    return place_table(
        "Floors",
        "Every floor: Butlr's own count, else the sum of its zones, or of its rooms; its zones with anybody in them, "
        "all of its zones, and those that are over capacity or silent; the age of its newest reading.",
        {
            "place": "Place",
            "Value #B": "People",
            "counted": "Counted by",
            "Value #C": "Capacity",
            "Value #D": "Utilisation",
            "Value #E": "In use",
            "Value #F": "Zones",
            "Value #G": "Over",
            "Value #H": "Silent",
            "Value #I": "Age",
        },
        keyed(placed("floor", floors), "place", "site_name", "building_name", "floor_name"),
        keyed(people, "counted"),
        *map(keyed, values),
        width=24,
        height=10,
        sort=["Place"],
        place_links=links(
            Its_zones="/d/butlr-zones-now?var-building=${__data.fields.building_name:percentencode}"
            "&var-floor=${__data.fields.floor_name:percentencode}&${datasource:queryparam}",
            History=history_of("floor"),
        ),
        empty=NO_COUNTS,
    )


def _zone_table() -> PlacedPanel:
    return place_table(
        "Zones",
        "Every zone: people now (empty while it is silent), its capacity, and the age of its newest reading. First "
        "come those over capacity, then the silent ones, then the fullest.",
        {
            "place": "Place",
            "Value #B": "State",
            "Value #C": "People",
            "Value #D": "Capacity",
            "Value #E": "Utilisation",
            "Value #F": "Age",
        },
        *_columns("zone"),
        _age("zone", "zone_id"),
        width=24,
        height=16,
        sort=["-State", "-Utilisation", "-People"],
        place_links=links(Page=page_of("zone"), History=history_of("zone")),
        empty=NO_COUNTS,
    )


def _room_table() -> PlacedPanel:
    return place_table(
        "Rooms",
        "Every room: people as Butlr counts them in it, its capacity, the age of its newest count, whether there is "
        "motion, and since when.",
        {
            "place": "Place",
            "Value #B": "State",
            "Value #C": "People",
            "Value #D": "Capacity",
            "Value #E": "Utilisation",
            "Value #F": "Age",
            "Value #G": "Motion",
            "Value #H": "For",
        },
        *_columns("room"),
        _age("room", "room_id"),
        f"max by (room_id) ({MOTION_NOW})",
        age("room_id", f"butlr_room_motion_timestamp_seconds{{{ROOMS}}}"),
        width=24,
        height=12,
        sort=["-State", "-Utilisation", "-People"],
        place_links=links(Page=page_of("room"), History=history_of("room")),
        empty="needs events about rooms, such as ROOM_OCCUPANCY",
    )


def _silent_table() -> PlacedPanel:
    each = (
        f"label_replace({placed(kind, f'{_age(kind, names_of(kind))} and on ({kind}_id) {silent}')}, "
        f'"kind", "{kind}", "", "")'
        for kind, silent in SILENT_SPACES.items()
    )
    return place_table(
        "Silent places",
        "Zones, rooms and floors without a count, and the age of their newest reading.",
        {"place": "Place", "kind": "Kind", "Value": "Silent for"},
        " or ".join(each),
        width=24,
        height=6,
        sort=["Silent for"],
        empty="nothing is silent",
    )


def build() -> Any:
    """Return the dashboard."""
    built = board("butlr-zones-now", "Butlr: zones now", "Where people are, and where too many are.", since="now-3h")
    built.with_variable(
        dashboard.TextBoxVariable("exporter")
        .label("Exporter's pages")
        .default_value(EXPORTER)
        .current(models.VariableOption(selected=True, text=EXPORTER, value=EXPORTER))
    )
    over = " + ".join(f"(count({query}) or vector(0))" for query in OVER_CAPACITY.values())
    silent = " + ".join(f"(count({query}) or vector(0))" for query in SILENT_SPACES.values())
    return lay_out(
        built,
        [
            (
                "Now",
                [
                    number_panel(
                        "People",
                        "On the chosen floors: Butlr's own count of each, else the sum of its zones, or of its rooms.",
                        f"sum({PEOPLE_ON_FLOORS})",
                        unit="none",
                        empty="no counts",
                    ),
                    number_panel(
                        "Share of capacity",
                        "People on the floors whose capacity is known, as a share of it; else the same of the zones.",
                        SHARE,
                        unit="percentunit",
                        decimals=0,
                        steps=SHARES,
                        empty=NO_CAPACITY,
                    ),
                    number_panel(
                        "Over capacity",
                        "Zones, rooms and floors with more people than they are meant for.",
                        f'{over} and on () count({{__name__=~"butlr_(zone|room|floor)_capacity",{ZONES}}})',
                        steps=RED_ABOVE_0,
                        empty=NO_CAPACITY,
                    ),
                    number_panel(
                        "Silent",
                        "Zones, rooms and floors without a count, because their newest reading is older than "
                        "`stale_after`.",
                        silent,
                        steps=ORANGE_ABOVE_0,
                    ),
                ],
            ),
            ("Floors", [_floor_table()]),
            ("Zones", [_zone_table(), _silent_table(), offline_table()]),
            (
                "Rooms",
                [
                    _room_table(),
                    panel(
                        statetimeline.Panel()
                        .merge_values(True)
                        .row_height(0.8)
                        .per_page(15)
                        .show_value(VisibilityMode.NEVER),
                        "Motion in rooms",
                        "When there was motion in each chosen room. Butlr sends changes only, so it is never silent.",
                        Query(
                            placed("room", MOTION_NOW),
                            "{{place}}",
                        ),
                        width=24,
                        height=12,
                        steps=[(None, "transparent"), (1, "green")],
                        mappings=MOTION,
                        empty="needs events of the types PIR_MOTION and PIR_NO_MOTION",
                    ),
                ],
            ),
            ("Tags", [tag_table()]),
        ],
    )
