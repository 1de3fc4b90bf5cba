"""The dashboard of the entrances: how many people come and go, when, and by which door."""

from typing import Any

from grafana_foundation_sdk.builders import bargauge, stat, timeseries
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.common import (
    BarAlignment,
    BarGaugeDisplayMode,
    BarGaugeNamePlacement,
    BigValueGraphMode,
    BigValueTextMode,
    GraphDrawStyle,
    VizOrientation,
)

from grafana.kit import PLAIN, Choice, PlacedPanel, Query, board, last, lay_out, legend, number_panel, panel
from grafana.promql import PLACES, ROOMS, age, names_of, placed
from grafana.tables import hour_table, place_table
from grafana.timezones import TIMEZONES

DOOR = names_of("sensor")
"""The labels of an entryway."""

WHERE = "{{place}} · {{sensor_id}}"
"""The text of an entryway in a legend; Butlr has no name for it."""


NO_CROSSINGS = "needs TRAFFIC events"


def _crossings(direction: str) -> str:
    """Return the selector of a direction's counters."""
    return f'butlr_entryway_crossings_total{{direction="{direction}",{ROOMS}}}'


def _people(direction: str, span: str) -> str:
    """Return a query for the people who crossed the chosen entryways within a span of time, once with two exporters."""
    return f"sum(max by ({DOOR}) (increase({_crossings(direction)}[{span}])))"


def _door_table() -> PlacedPanel:
    entered, left = (
        f"round(max by ({DOOR}) (increase({_crossings(direction)}[$__range])))" for direction in ("in", "out")
    )
    return place_table(
        "Entryways",
        "Every entryway: people in and out in the chosen time, and the time since somebody last crossed it.",
        {
            "place": "Place",
            "sensor_id": "Sensor",
            "Value #A": "In",
            "Value #B": "Out",
            "Value #C": "Net",
            "Value #D": "Last crossed",
        },
        placed("sensor", entered),
        left,
        f"{entered} - {left}",
        age(DOOR, f"butlr_entryway_last_crossing_timestamp_seconds{{{ROOMS}}}"),
        width=16,
        height=12,
        empty=NO_CROSSINGS,
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
        width=24,
        height=10,
        unit="none",
        empty=NO_CROSSINGS,
    )


def build() -> Any:
    """Return the dashboard."""
    entered, left = _people("in", "$__range"), _people("out", "$__range")
    both = f"increase(butlr_entryway_crossings_total{{{ROOMS}}}[$__range])"
    by_place = placed("sensor", f"sum without (direction) (max by ({DOOR}, direction) ({both}))")
    return lay_out(
        board(
            "butlr-entrances",
            "Butlr: entrances",
            "How many people come and go, when, and by which door.",
            since="now/d",
            places=PLACES[:4],
            source='__name__="butlr_sensor_info"',
            choices=[Choice("timezone", "Time zone", TIMEZONES)],
        ),
        [
            (
                "In the chosen time",
                [
                    number_panel(
                        "In", "People who came in by the chosen entryways.", f"round({entered})", empty=NO_CROSSINGS
                    ),
                    number_panel(
                        "Out", "People who went out by the chosen entryways.", f"round({left})", empty=NO_CROSSINGS
                    ),
                    number_panel(
                        "In minus out",
                        "From an empty building on, the people who are inside. By night it should be near 0.",
                        f"round({entered} - {left})",
                        empty=NO_CROSSINGS,
                    ),
                    panel(
                        stat.Panel()
                        .reduce_options(last())
                        .graph_mode(BigValueGraphMode.NONE)
                        .text_mode(BigValueTextMode.NAME),
                        "Busiest entryway",
                        "The entryway with the most people, in and out together.",
                        Query(f"topk(1, {by_place})", WHERE, instant=True),
                        width=6,
                        height=5,
                        steps=PLAIN,
                        empty=NO_CROSSINGS,
                    ),
                ],
            ),
            (
                "When",
                [
                    _hours(),
                    hour_table(
                        "In by weekday and hour",
                        "People who came in by the chosen doors, on average in each hour of each weekday in 28 days.",
                        f"round({_people('in', '1h')})",
                        time_from="28d",
                        empty="no whole hour of crossings yet",
                    ),
                ],
            ),
            (
                "Where",
                [
                    _door_table(),
                    panel(
                        bargauge.Panel()
                        .reduce_options(last())
                        .orientation(VizOrientation.HORIZONTAL)
                        .display_mode(BarGaugeDisplayMode.BASIC)
                        .name_placement(BarGaugeNamePlacement.TOP)
                        .max_viz_height(60)
                        .min(0)
                        .decimals(0),
                        "Busiest entryways",
                        "The ten entryways with the most people, in and out together, in the chosen time.",
                        Query(f"topk(10, {by_place})", WHERE, instant=True),
                        width=8,
                        height=12,
                        unit="none",
                        steps=PLAIN,
                        empty=NO_CROSSINGS,
                    ),
                ],
            ),
            (
                "Drift",
                [
                    panel(
                        timeseries.Panel().decimals(0).legend(legend("min", "max")),
                        "In minus out in 24 hours",
                        "For each entryway. It differs from 0 while people are inside; if it does so by night too, the "
                        "sensor misses people, or they use another door.",
                        Query(
                            placed("sensor", f"entryway:butlr_entryway_crossings:net1d{{{ROOMS}}}"),
                            WHERE,
                        ),
                        width=24,
                        height=10,
                        unit="none",
                        empty=NO_CROSSINGS,
                    ),
                ],
            ),
        ],
    )
