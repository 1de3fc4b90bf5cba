"""The parts of all dashboards: variables, panels of one style, and a grid without gaps.

This module knows no dashboard.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, table
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.common import (
    BigValueGraphMode,
    LegendDisplayMode,
    LegendPlacement,
    TableCellDisplayMode,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

COLUMNS = 24
"""Columns of Grafana's grid."""

DATASOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")

PLACES = ("site", "building", "floor", "room", "zone")
"""The dashboard variables, from the largest place to the smallest."""


def chosen(*places: str) -> str:
    """Return label matchers that select what is chosen in the variables of these places."""
    return ",".join(f'{place}_name=~"${place}"' for place in places)


def names_of(kind: str) -> str:
    """Return the labels of a zone, room, floor or sensor, as a list for `by (...)`."""
    places = PLACES[: PLACES.index(kind) + 1] if kind in PLACES else PLACES[:4]
    return ", ".join([*(f"{place}_name" for place in places), f"{kind}_id"])


ZONES = chosen(*PLACES)
"""Label matchers that select the zones chosen in the variables."""

ROOMS = chosen("site", "building", "floor", "room")
"""The same for rooms, and for sensors, which are in rooms."""

FLOORS = chosen("site", "building", "floor")
"""The same for floors."""

WHERE = "{{zone_name}} · {{room_name}} · {{floor_name}} · {{building_name}}"
"""The text of a zone in a legend, with its room and floor, as zones of several rooms often share a name."""

WHERE_ROOM = "{{room_name}} · {{floor_name}} · {{building_name}}"

WHERE_FLOOR = "{{floor_name}} · {{building_name}}"

NAMES = names_of("zone")
"""The labels of a zone, as a list for `by (...)`."""

PEOPLE = f"zone:butlr_zone_occupancy:people{{{ZONES}}}"
"""The people in each chosen zone."""

CAPACITY = f"max by ({NAMES}) (butlr_zone_capacity{{{ZONES}}})"
"""The number of people that each chosen zone is meant for."""

PEOPLE_IN_ROOMS = f"room:butlr_room_occupancy:people{{{ROOMS}}}"
"""The people in each chosen room, as Butlr counts them there."""

ROOM_CAPACITY = f"max by ({names_of('room')}) (butlr_room_capacity{{{ROOMS}}})"

PEOPLE_ON_FLOORS = f"floor:butlr_occupancy:sum{{{FLOORS}}}"
"""The people on each chosen floor: Butlr's own count, or the sum of its zones if there is none."""

FLOOR_CAPACITY = (
    f"sum by (site_name, building_name, floor_name) (max by ({names_of('floor')}) (butlr_floor_capacity{{{FLOORS}}}))"
)

MOTION = [
    models.ValueMap(
        {
            "0": models.ValueMappingResult(text="none", index=0),
            "1": models.ValueMappingResult(text="motion", color="green", index=1),
        }
    )
]
"""The texts for a room's motion."""

TAG = "butlr"

PLAIN: list[tuple[float | None, str]] = [(None, "blue")]
"""One colour for all values: without steps, Grafana turns red from 80 on."""


class Query(NamedTuple):
    """One query of a panel."""

    expr: str
    legend: str = ""
    instant: bool = False
    table: bool = False


class PlacedPanel(NamedTuple):
    """A panel's builder, with its width and height in grid units."""

    panel: Any
    width: int
    height: int


def panel(
    builder: Any,
    title: str,
    description: str,
    *queries: Query,
    width: int,
    height: int = 8,
    unit: str = "",
    steps: Sequence[tuple[float | None, str]] = (),
    mappings: Sequence[models.ValueMap] = (),
) -> PlacedPanel:
    """Return a panel; `steps` are thresholds with their colours, of which None is the lowest."""
    builder.title(title).description(description).datasource(DATASOURCE)
    for number, query in enumerate(queries):
        target = prometheus.Dataquery().ref_id(_letters(number)).expr(query.expr).datasource(DATASOURCE)
        target.legend_format(query.legend or "__auto")
        if query.instant:
            target.instant()
        else:
            target.range()
        if query.table:
            target.format(PromQueryFormat.TABLE)
        builder.with_target(target)
    if unit:
        builder.unit(unit)
    if mappings:
        builder.mappings(list(mappings))
    if steps:
        builder.color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
        thresholds = [models.Threshold(value=value, color=color) for value, color in steps]
        builder.thresholds(dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(thresholds))
    return PlacedPanel(builder, width, height)


def number_panel(title: str, description: str, expr: str, *, width: int, **options: Any) -> PlacedPanel:
    """Return a panel that shows the present value of an expression as one large number."""
    built = stat.Panel().reduce_options(last()).graph_mode(BigValueGraphMode.NONE)
    return panel(built, title, description, Query(expr, instant=True), width=width, height=5, **options)


def _letters(number: int) -> str:
    """Return the id of a query by its position: A to Z, then AA and so on."""
    return chr(ord("A") + number) if number < 26 else f"A{_letters(number - 26)}"


def last(calculation: str = "lastNotNull") -> common.ReduceDataOptions:
    """Return the option that reduces a series to one number."""
    return common.ReduceDataOptions().calcs([calculation])


def legend(*calculations: str) -> common.VizLegendOptions:
    """Return a legend below the panel; with calculations, a table with these numbers of each series."""
    mode = LegendDisplayMode.TABLE if calculations else LegendDisplayMode.LIST
    built = common.VizLegendOptions().show_legend(True).placement(LegendPlacement.BOTTOM).display_mode(mode)
    return built.calcs(list(calculations))


def _gauge_cell() -> list[models.DynamicConfigValue]:
    """Return the field options that show a table's column of ratios as coloured bars."""
    return [
        models.DynamicConfigValue("unit", "percentunit"),
        models.DynamicConfigValue("min", 0),
        models.DynamicConfigValue("max", 1.5),
        models.DynamicConfigValue("custom.cellOptions", {"type": TableCellDisplayMode.GAUGE.value, "mode": "basic"}),
        models.DynamicConfigValue("color", {"mode": "thresholds"}),
        models.DynamicConfigValue(
            "thresholds",
            {
                "mode": "absolute",
                "steps": [
                    {"color": "green", "value": None},
                    {"color": "yellow", "value": 0.8},
                    {"color": "red", "value": 1.0001},
                ],
            },
        ),
    ]


_SECONDS = [models.DynamicConfigValue("unit", "s"), models.DynamicConfigValue("decimals", 0)]

CELLS = {
    "Utilisation": _gauge_cell(),
    "Motion": [models.DynamicConfigValue("mappings", MOTION)],
    "Sensor": [models.DynamicConfigValue("custom.width", 270)],
    "MAC address": [models.DynamicConfigValue("custom.width", 210)],
    "Age": _SECONDS,
    "For": _SECONDS,
    "Last crossed": _SECONDS,
}
"""The options of a table's columns, by their titles."""


def place_table(
    title: str, description: str, columns: Mapping[str, str], *exprs: str, width: int, height: int
) -> PlacedPanel:
    """Return a table of places: `columns` has the title of each label and of each query's value, in order.

    The value of the first query is called `Value #A` and so on. Labels and values without a title are hidden.
    """
    built = table.Panel()
    values = [f"Value #{chr(ord('A') + n)}" for n in range(len(exprs))]
    labels = [f"{place}_{field}" for place in (*PLACES, "sensor") for field in ("name", "id")]
    hidden = {name: True for name in ("Time", *labels, *values) if name not in columns}
    built.with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
    built.with_transformation(
        models.DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": hidden,
                "renameByName": columns,
                "indexByName": {name: n for n, name in enumerate(columns)},
            },
        )
    )
    for column in columns.values():
        if column in CELLS:
            built.override_by_name(column, CELLS[column])
    # With Grafana's 150, a narrow screen would show the names alone.
    built.filterable(True).min_width(80)
    queries = [Query(expr, instant=True, table=True) for expr in exprs]
    return panel(built, title, description, *queries, width=width, height=height)


def age(labels: str, timestamps: str) -> str:
    """Return a query for the age (s) of the newest of these timestamps, by these labels."""
    return f"clamp_min(time() - max by ({labels}) ({timestamps}), 0)"


def board(
    uid: str,
    title: str,
    description: str,
    *,
    since: str,
    places: Sequence[str] = PLACES,
    source: str = '__name__=~"butlr_(zone|room|floor)_info"',
) -> Any:
    """Return a dashboard without panels: variables, links to the other dashboards, and alerts as annotations.

    The variables offer the names of `places`, as the series have them that the matcher `source` selects.
    """
    built = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        .editable()
        .refresh("1m")
        .time(since, "now")
        .timezone("browser")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .link(
            dashboard.DashboardLink("Butlr")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .as_dropdown(True)
            .include_vars(True)
            .keep_time(True)
        )
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .annotation(
            dashboard.AnnotationQuery()
            .name("Alerts that fire")
            .datasource(DATASOURCE)
            .enable(True)
            .hide(False)
            .icon_color("red")
            # Only one of these ids is there, as an alert is about one place.
            .expr(
                'max by (alertname, building_name, place) (label_join(ALERTS{alertname=~"Butlr.*",'
                'alertstate="firing"}, "place", "", "zone_id", "room_id", "floor_id", "sensor_id"))'
            )
        )
    )
    selected = source
    for place in places:
        built.with_variable(
            dashboard.QueryVariable(place)
            .label(place.capitalize())
            .datasource(DATASOURCE)
            .query({"query": f"label_values({{{selected}}}, {place}_name)", "refId": "A"})
            .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(models.VariableSort.NATURAL_ASC)
            .multi(True)
            .include_all(True)
            .all_value(".*")
            .current(models.VariableOption(selected=True, text="All", value="$__all"))
        )
        selected += f',{place}_name=~"${place}"'
    return built


def lay_out(built: Any, rows: Sequence[tuple[str, Sequence[PlacedPanel]]]) -> Any:
    """Place panels under headings, in lines of at most 24 columns, each as high as its highest panel."""
    y = 0
    number = 1
    for heading, shown in rows:
        built.with_row(dashboard.Row(heading).id(number).grid_pos(models.GridPos(h=1, w=COLUMNS, x=0, y=y)))
        number += 1
        y += 1
        x = high = 0
        for each in shown:
            if x + each.width > COLUMNS:
                x, y, high = 0, y + high, 0
            built.with_panel(each.panel.id(number).grid_pos(models.GridPos(h=each.height, w=each.width, x=x, y=y)))
            number += 1
            x += each.width
            high = max(high, each.height)
        y += high
    return built
