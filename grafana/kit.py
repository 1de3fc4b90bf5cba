"""The parts of all dashboards: variables, panels of one style, and a grid without gaps.

This module knows no dashboard.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.common import BigValueGraphMode, LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from grafana.promql import PLACES

COLUMNS = 24
"""Columns of Grafana's grid."""

DATASOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")

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

Steps = Sequence[tuple[float | None, str]]
"""Thresholds with their colours; None is the lowest."""

PLAIN: Steps = [(None, "blue")]
"""One colour for all values: without steps, Grafana turns red from 80 on."""

RED_ABOVE_0: Steps = [(None, "text"), (1, "red")]
ORANGE_ABOVE_0: Steps = [(None, "text"), (1, "orange")]
SHARES: Steps = [(None, "green"), (0.8, "yellow"), (1.0001, "red")]

NO_CAPACITY = "needs a capacity file"
"""The text of a panel that is empty because no capacity is known."""


NOT_SCRAPED = "no exporter is scraped"

NO_CLIENT = "no client id"
"""The text of a number that is empty because Butlr's API is not asked."""


class Query(NamedTuple):
    """One query of a panel."""

    expr: str
    legend: str = ""
    instant: bool = False
    table: bool = False


class Choice(NamedTuple):
    """A variable with fixed values, of which the first is chosen."""

    name: str
    label: str
    values: Mapping[str, str]
    """The values by their texts."""


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
    steps: Steps = (),
    mappings: Sequence[models.ValueMap] = (),
    empty: str = "",
) -> PlacedPanel:
    """Return a panel; `empty` is its text while it has no data."""
    builder.title(title).description(description).datasource(DATASOURCE)
    for number, query in enumerate(queries):
        target = prometheus.Dataquery().ref_id(letters(number)).expr(query.expr).datasource(DATASOURCE)
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
    if empty:
        builder.no_value(empty)
    if mappings:
        builder.mappings(list(mappings))
    if steps:
        builder.color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
        thresholds = [models.Threshold(value=value, color=color) for value, color in steps]
        builder.thresholds(dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(thresholds))
    return PlacedPanel(builder, width, height)


def letters(number: int) -> str:
    """Return the id of a query by its position: A to Z, then AA and so on."""
    return chr(ord("A") + number) if number < 26 else f"A{letters(number - 26)}"


def last(calculation: str = "lastNotNull") -> common.ReduceDataOptions:
    """Return the option that reduces a series to one number."""
    return common.ReduceDataOptions().calcs([calculation])


def number_panel(
    title: str, description: str, expr: str, *, width: int = 6, height: int = 5, **options: Any
) -> PlacedPanel:
    """Return a panel with one large number."""
    built = stat.Panel().reduce_options(last()).graph_mode(BigValueGraphMode.NONE)
    if "decimals" in options:
        built.decimals(options.pop("decimals"))
    options.setdefault("steps", PLAIN)
    return panel(built, title, description, Query(expr, instant=True), width=width, height=height, **options)


def legend(*calculations: str) -> common.VizLegendOptions:
    """Return a legend below the panel; with calculations, a table with these numbers of each series."""
    mode = LegendDisplayMode.TABLE if calculations else LegendDisplayMode.LIST
    built = common.VizLegendOptions().show_legend(True).placement(LegendPlacement.BOTTOM).display_mode(mode)
    return built.calcs(list(calculations))


def line_panel(
    title: str, description: str, *queries: Query, unit: str, width: int = 8, empty: str = NOT_SCRAPED
) -> PlacedPanel:
    """Return a panel of lines."""
    built = timeseries.Panel().legend(legend())
    return panel(built, title, description, *queries, width=width, height=9, unit=unit, empty=empty)


def board(
    uid: str,
    title: str,
    description: str,
    *,
    since: str,
    places: Sequence[str] = PLACES,
    source: str = '__name__=~"butlr_(zone|room|floor)_info"',
    choices: Sequence[Choice] = (),
    refresh: str = "1m",
) -> Any:
    """Return a dashboard without panels: variables, links to the other dashboards, and alerts as annotations.

    The variables offer the names of `places`, as the series have them that the matcher `source` selects, and `choices`.
    """
    built = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        .editable()
        .refresh(refresh)
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
    for choice in choices:
        text, value = next(iter(choice.values.items()))
        built.with_variable(
            dashboard.CustomVariable(choice.name)
            .label(choice.label)
            .values(",".join(f"{text} : {value}" for text, value in choice.values.items()))
            .current(models.VariableOption(selected=True, text=text, value=value))
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
            # In Prometheus 2, a dot alone does not match a line feed in a name.
            .all_value("(?s).*")
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
