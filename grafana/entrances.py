"""The dashboard of the entrances: how many people come and go, when, and by which door."""

from typing import Any

from grafana_foundation_sdk.builders import bargauge, stat, timeseries
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.common import (
    BarAlignment,
    BarGaugeDisplayMode,
    BigValueGraphMode,
    BigValueTextMode,
    GraphDrawStyle,
    VizOrientation,
)

from grafana.kit import (
    PLACES,
    PLAIN,
    ROOMS,
    PlacedPanel,
    Query,
    age,
    board,
    last,
    lay_out,
    legend,
    names_of,
    number_panel,
    panel,
    place_table,
)

DOOR = names_of("sensor")
"""The labels of an entryway."""

WHERE = "{{room_name}} · {{floor_name}} · {{building_name}} · {{sensor_id}}"
"""The text of an entryway in a legend; Butlr has no name for it."""

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def _crossings(direction: str) -> str:
    """Return the selector of a direction's counters."""
    return f'butlr_entryway_crossings_total{{direction="{direction}",{ROOMS}}}'


def _people(direction: str, span: str) -> str:
    """Return a query for the people who crossed the chosen entryways within a span of time, once with two exporters."""
    return f"sum(max by ({DOOR}) (increase({_crossings(direction)}[{span}])))"


def _number(title: str, description: str, expr: str) -> PlacedPanel:
    return number_panel(title, description, f"round({expr})", width=6, unit="none", steps=PLAIN)


def _door_table() -> PlacedPanel:
    entered, left = (
        f"round(max by ({DOOR}) (increase({_crossings(direction)}[$__range])))" for direction in ("in", "out")
    )
    return place_table(
        "Entryways",
        "Every entryway: people in and out in the chosen time, and the time since somebody last crossed it.",
        {
            "building_name": "Building",
            "floor_name": "Floor",
            "room_name": "Room",
            "sensor_id": "Sensor",
            "Value #A": "In",
            "Value #B": "Out",
            "Value #C": "Net",
            "Value #D": "Last crossed",
        },
        entered,
        left,
        f"{entered} - {left}",
        age(DOOR, f"butlr_entryway_last_crossing_timestamp_seconds{{{ROOMS}}}"),
        width=16,
        height=12,
    )


def _bars(calculation: str) -> bargauge.Panel:
    """Return horizontal bars, each of which is a series reduced to one number."""
    return (
        bargauge.Panel()
        .reduce_options(last(calculation))
        .orientation(VizOrientation.HORIZONTAL)
        .display_mode(BarGaugeDisplayMode.BASIC)
        .max_viz_height(60)
        .min(0)
        .decimals(0)
    )


def _hours() -> PlacedPanel:
    # A bar begins at its time, so it has the crossings of the time that follows.
    entered, left = (
        f"sum(max by ({DOOR}) (increase({_crossings(direction)}[$__interval] offset -$__interval)))"
        for direction in ("in", "out")
    )
    built = (
        timeseries.Panel()
        .draw_style(GraphDrawStyle.BARS)
        .bar_alignment(BarAlignment.AFTER)
        .fill_opacity(70)
        .decimals(0)
        .interval("1h")
        .legend(legend("sum", "max"))
        .override_by_name("out", [models.DynamicConfigValue("custom.transform", "negative-Y")])
    )
    return panel(
        built,
        "In and out by hour",
        "People who came in, above the line, and who went out, below it, in each hour.",
        Query(entered, "in"),
        Query(left, "out"),
        width=16,
        height=10,
        unit="none",
    )


def _weekdays() -> list[Query]:
    """Return a query for each day of the week, with a point at the end of each such day of the viewer.

    Grafana lays the points on the viewer's midnight; twelve hours before, it is the same day of the week in UTC.
    """
    people = f'sum(entryway:butlr_entryway_crossings:increase1d{{direction="in",{ROOMS}}})'
    return [
        Query(f"{people} and on () day_of_week(vector(time() - 43200)) == {(number + 1) % 7}", day)
        for number, day in enumerate(WEEKDAYS)
    ]


def build() -> Any:
    """Return the dashboard."""
    entered, left = _people("in", "$__range"), _people("out", "$__range")
    both = f"increase(butlr_entryway_crossings_total{{{ROOMS}}}[$__range])"
    by_door = f"sum without (direction) (max by ({DOOR}, direction) ({both}))"
    return lay_out(
        board(
            "butlr-entrances",
            "Butlr: entrances",
            "How many people come and go, when, and by which door.",
            since="now/d",
            places=PLACES[:4],
            source='__name__="butlr_sensor_info"',
        ),
        [
            (
                "In the chosen time",
                [
                    _number("In", "People who came in by the chosen entryways.", entered),
                    _number("Out", "People who went out by the chosen entryways.", left),
                    _number(
                        "In minus out",
                        "From an empty building on, the people who are inside. By night it should be near 0.",
                        f"{entered} - {left}",
                    ),
                    panel(
                        stat.Panel()
                        .reduce_options(last())
                        .graph_mode(BigValueGraphMode.NONE)
                        .text_mode(BigValueTextMode.NAME),
                        "Busiest entryway",
                        "The entryway with the most people, in and out together.",
                        Query(f"topk(1, {by_door})", WHERE, instant=True),
                        width=6,
                        height=5,
                        steps=PLAIN,
                    ),
                ],
            ),
            (
                "When",
                [
                    _hours(),
                    panel(
                        _bars("mean").interval("1d").time_from("28d"),
                        "In by weekday",
                        "People who come in on an average day of the last four weeks, by day of the week. "
                        "Today appears tomorrow.",
                        *_weekdays(),
                        width=8,
                        height=10,
                        unit="none",
                        steps=PLAIN,
                    ),
                ],
            ),
            (
                "Where",
                [
                    _door_table(),
                    panel(
                        _bars("lastNotNull"),
                        "Busiest entryways",
                        "The ten entryways with the most people, in and out together, in the chosen time.",
                        Query(f"topk(10, {by_door})", WHERE, instant=True),
                        width=8,
                        height=12,
                        unit="none",
                        steps=PLAIN,
                    ),
                ],
            ),
            (
                "Drift",
                [
                    panel(
                        timeseries.Panel().legend(legend("min", "max")),
                        "In minus out in 24 hours",
                        "For each entryway. It differs from 0 while people are inside; if it does so by night too, the "
                        "sensor misses people, or they use another door.",
                        Query(
                            f"max by ({DOOR}) (entryway:butlr_entryway_crossings:net1d{{{ROOMS}}})",
                            WHERE,
                        ),
                        width=24,
                        height=10,
                        unit="none",
                    ),
                ],
            ),
        ],
    )
