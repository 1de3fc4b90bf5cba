"""The dashboard for the facilities team, on a wall or a phone: where people are, and where too many are."""

from typing import Any

from grafana_foundation_sdk.builders import bargauge, stat, table
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.common import BarGaugeDisplayMode, BigValueGraphMode, VizOrientation

from grafana.kit import (
    CAPACITY,
    NAMES,
    PEOPLE,
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
