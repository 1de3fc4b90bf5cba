"""Tables of places: one line for each, its whole name in one column, and links.

This module knows no dashboard.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from grafana_foundation_sdk.builders import common, dashboard, table
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.common import (
    TableCellBackgroundDisplayMode,
    TableCellDisplayMode,
    TableColoredBackgroundCellOptions,
)

from grafana.kit import MOTION, SHARES, PlacedPanel, Query, Steps, letters, panel
from grafana.promql import names_of
from grafana.timezones import HALF_HOUR, hour, weekday

OVER, SILENT = 2, 1
"""The values of a state, so that what needs somebody is first when sorted."""

_STATES = [
    models.ValueMap(
        {
            str(OVER): models.ValueMappingResult(text="over capacity", color="red", index=0),
            str(SILENT): models.ValueMappingResult(text="silent", color="orange", index=1),
        }
    )
]


WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

DAY_NAMES = [
    models.ValueMap({str(n): models.ValueMappingResult(text=day, index=n) for n, day in enumerate(WEEKDAYS, 1)})
]
"""The texts for the days of the week, 1 to 7."""


BARS: Steps = [(None, "transparent"), (0.001, "green"), *SHARES[1:]]
"""The colours of a share of the capacity; a cell without one has a bar too, which is invisible."""


def _options(**values: Any) -> list[models.DynamicConfigValue]:
    """Return the options of a column; in a name, `__` stands for a dot."""
    return [models.DynamicConfigValue(name.replace("__", "."), value) for name, value in values.items()]


def _thresholds(steps: Steps) -> dict[str, Any]:
    """Return the options that colour a column by thresholds."""
    return {
        "color": {"mode": "thresholds"},
        "thresholds": {"mode": "absolute", "steps": [{"color": color, "value": value} for value, color in steps]},
    }


def _bar(steps: Steps, **options: Any) -> list[models.DynamicConfigValue]:
    """Return the options of a column of bars."""
    cell = {"type": TableCellDisplayMode.GAUGE.value, "mode": "basic", "valueDisplayMode": "text"}
    return _options(custom__cellOptions=cell, min=0, **options, **_thresholds(steps))


def _number(width: int, **options: Any) -> list[models.DynamicConfigValue]:
    """Return the options of a column of numbers or short texts."""
    return _options(custom__width=width, **options)


_SECONDS = _number(100, unit="s", decimals=0)
_SHARE = {"unit": "percentunit", "decimals": 0}
_TEXT_CELL = {"type": TableCellDisplayMode.COLOR_TEXT.value}
_RED = _thresholds([(None, "text"), (1, "red")])
_ORANGE = _thresholds([(None, "text"), (1, "orange")])

CELLS: dict[str, list[models.DynamicConfigValue]] = {
    "Day": _number(100),
    "Weekday": _number(105, mappings=DAY_NAMES),
    "State": _number(120, mappings=_STATES, custom__cellOptions=_TEXT_CELL),
    "People": _number(85),
    "Counted by": _number(120),
    "Capacity": _number(90),
    "Utilisation": _bar(BARS, max=1.5, custom__width=220, **_SHARE),
    "Kind": _number(90),
    "Places": _number(90),
    "Device": _number(270),
    "Last heard of": _number(130, unit="s", decimals=0),
    "Silent for": _number(130, unit="s", decimals=0),
    "Motion": _number(90, mappings=MOTION),
    "For": _SECONDS,
    "Age": [*_SECONDS, *_options(custom__cellOptions=_TEXT_CELL, **_thresholds([(None, "text"), (600, "orange")]))],
    "Last crossed": _number(125, unit="s", decimals=0),
    "In use": _number(90),
    "Zones": _number(80),
    "Over": _number(80, custom__cellOptions=_TEXT_CELL, **_RED),
    "Silent": _number(80, custom__cellOptions=_TEXT_CELL, **_ORANGE),
    "In": _number(75),
    "Out": _number(75),
    "Net": _number(75),
    "Sensor": _number(270),
    "MAC address": _number(190),
    "Model": _number(110),
    "Mode": _number(100),
    "Detections": _number(100),
    "Average": _bar([(None, "blue")], decimals=1, unit="none", custom__width=130),
    "Peak": _number(80, decimals=0),
    "Busiest hour": _bar([(None, "blue")], decimals=0, unit="suffix: people", custom__minWidth=150),
    "Above 80 %": _bar([(None, "orange")], max=1, custom__width=130, **_SHARE),
    "Time in use": _bar([(None, "blue")], max=1, custom__width=150, **_SHARE),
    "While in use": _number(120, decimals=1),
}
"""The options of columns, by their titles."""


def links(**addresses: str) -> list[models.DynamicConfigValue]:
    """Return the options of a column whose cells lead to addresses, by their titles."""
    found = [{"title": title.replace("_", " "), "url": url} for title, url in addresses.items()]
    return _options(links=found)


def history_of(kind: str) -> str:
    """Return the address of the history of the place in a table's row."""
    places = ("building", "floor") if kind == "floor" else ("building", "floor", kind)
    chosen = "&".join(f"var-{place}=${{__data.fields.{place}_name:percentencode}}" for place in places)
    return f"/d/butlr-zone-history?{chosen}&${{datasource:queryparam}}"


def page_of(kind: str) -> str:
    """Return the address of the exporter's page about the space in a table's row."""
    return f"${{exporter}}/spaces/{kind}/${{__data.fields.{kind}_id:percentencode}}"


def place_table(
    title: str,
    description: str,
    columns: Mapping[str, str],
    *exprs: str,
    width: int,
    height: int,
    sort: Sequence[str] = (),
    place_links: Sequence[models.DynamicConfigValue] = (),
    empty: str = "",
) -> PlacedPanel:
    """Return a table of places: `columns` has the title of each label and of each query's value, in order.

    The value of the first query is called `Value #A` and so on. Other labels are hidden, and links can name them; rows
    that agree in the labels that all queries have are one. `sort` has titles of columns; `-` before one: highest first.
    """
    built = table.Panel()
    values = [f"Value #{letters(n)}" for n in range(len(exprs))]
    excluded = {name: True for name in ("Time", "__name__", *values) if name not in columns}
    built.with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
    built.with_transformation(
        models.DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": excluded,
                "renameByName": dict(columns),
                "indexByName": {name: n for n, name in enumerate(columns)},
            },
        )
    )
    for column in columns.values():
        extra = list(place_links) if column == "Place" else []
        built.override_by_name(column, CELLS.get(column, []) + extra)
    if empty:  # Grafana also shows it in each empty cell
        built.override_by_regexp(".*", _options(noValue=" "))
    labels = {label for kind in ("zone", "sensor") for label in names_of(kind).split(", ")} | {
        "room_id",
        "floor_id",
        "key",
    }
    for label in sorted(labels - columns.keys()):
        built.override_by_name(label, _options(custom__hidden=True))
    built.sort_by(
        [common.TableSortByFieldState().display_name(each.removeprefix("-")).desc(each[0] == "-") for each in sort]
    )
    built.filterable(True).min_width(60)
    queries = [Query(expr, instant=True, table=True) for expr in exprs]
    return panel(built, title, description, *queries, width=width, height=height, empty=empty)


def hour_table(title: str, description: str, hourly: str, *, empty: str, time_from: str = "") -> PlacedPanel:
    """Return a table of the weekdays and their hours, with the average of a query that looks back an hour."""
    slot = f'count_values("slot", {weekday(HALF_HOUR)} * 100 + {hour(HALF_HOUR)})'
    expr = f"avg_over_time(({slot} * on () group_left () {hourly})[$__range:1h])"
    expr = f'label_replace(label_replace({expr}, "weekday", "$1", "slot", "(.).."), "hour", "$1", "slot", ".(..)")'
    built = (
        table.Panel()
        .with_transformation(models.DataTransformerConfig(id_val="sortBy", options={"sort": [{"field": "slot"}]}))
        .with_transformation(
            models.DataTransformerConfig(
                id_val="groupingToMatrix",
                options={"columnField": "hour", "rowField": "weekday", "valueField": "Value", "emptyValue": "null"},
            )
        )
        .with_transformation(
            models.DataTransformerConfig(
                id_val="organize",
                options={
                    "indexByName": {r"weekday\hour": 0, **{f"{n:02}": n + 1 for n in range(24)}},
                    "renameByName": {r"weekday\hour": "Weekday"},
                },
            )
        )
        .min_width(30)
        .decimals(0)
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.CONTINUOUS_BLUES))
        .cell_options(TableColoredBackgroundCellOptions(mode=TableCellBackgroundDisplayMode.BASIC))
        .override_by_regexp(r"\d\d", _options(noValue=" "))
        .override_by_name(
            "Weekday",
            _number(110, custom__cellOptions={"type": "auto"}, mappings=DAY_NAMES),
        )
    )
    if time_from:
        built.time_from(time_from)
    query = Query(expr, instant=True, table=True)
    return panel(built, title, description, query, width=24, height=9, empty=empty)
