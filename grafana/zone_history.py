"""The dashboard for planning: how many people came, when places were full, and how long they were used.

It asks for final counts only, so it shows imported history as well.
"""

from typing import Any

from grafana_foundation_sdk.builders import bargauge, statetimeline, timeseries
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    BarGaugeNamePlacement,
    VisibilityMode,
    VizOrientation,
)

from grafana import final, timezones
from grafana.final import hourly
from grafana.kit import (
    NO_CAPACITY,
    PLAIN,
    SHARES,
    Choice,
    PlacedPanel,
    Query,
    board,
    last,
    lay_out,
    legend,
    number_panel,
    panel,
)
from grafana.promql import FLOOR_NAMES, keyed, placed
from grafana.tables import BARS, history_of, hour_table, links, place_table
from grafana.timezones import HALF_HOUR, TIMEZONES, WORKING_DAYS, in_office_hours

NO_HISTORY = "no final counts in this time: needs the job butlr-settled of prometheus.yml, or an import"

SAMPLES = 1440
"""Points of the chosen time at which queries look that cannot use hourly values: each minute of a day."""

SETTLED = '__name__=~"butlr_(zone|room|floor)_occupancy(_1min)?_settled"'

TIMEZONE = Choice("timezone", "Time zone", TIMEZONES)

CHOICES = (
    TIMEZONE,
    Choice("opens", "Opens at", {f"{hour:02}:00": str(hour) for hour in (8, *range(24))}),
    Choice("closes", "Closes at", {f"{hour:02}:00": str(hour) for hour in (18, *range(1, 25))}),
    Choice("days", "Working days", WORKING_DAYS),
)

TOTAL = f"sum({final.on_floors('avg_over_time', '1h')})"
"""The people on all chosen floors, on average over the last hour."""

TOTAL_SHARE = final.total_share()
"""The same as a share of the capacity."""


def _average(kind: str) -> str:
    return f"avg_over_time({hourly(final.counts(kind, 'avg_over_time', '1h'))})"


def _peak(kind: str) -> str:
    return f"max_over_time({hourly(final.counts(kind, 'max_over_time', '1h'))})"


def _full_hours(share: str) -> str:
    """Return a query for the share of the hours in which this hourly share of the capacity was above 80 %."""
    return f"avg_over_time(({in_office_hours(share, HALF_HOUR)} > bool 0.8)[$__range:1h])"


def _share_of(kind: str) -> str:
    people = final.counts(kind, "avg_over_time", "1h")
    return f"{people} / on ({kind}_id) group_left () {final.capacity(kind)}"


def _in_use(kind: str, *, in_office: bool) -> str:
    """Return a query for the share of the time with a count in which anybody was in each space."""
    counts = in_office_hours(final.counts(kind)) if in_office else final.counts(kind)
    return f"avg_over_time(({counts} > bool 0)[$__range:$__interval])"


def _while_in_use(kind: str) -> str:
    return f"avg_over_time(({final.counts(kind)} > 0)[$__range:$__interval])"


def _space_table(kind: str, title: str, height: int) -> PlacedPanel:
    """Return the table of the rooms or zones."""
    built = place_table(
        title,
        "In office hours: average and peak of the final counts, the share of the hours whose average was above 80 % of "
        "the capacity, and the share of the time with anybody there; at all hours: the people while there were some.",
        {
            "place": "Place",
            "Value #B": "Average",
            "Value #C": "Peak",
            "Value #D": "Above 80 %",
            "Value #E": "Time in use",
            "Value #F": "While in use",
        },
        placed(kind, f"last_over_time({final.counts(kind)}[$__range:1h])"),
        _average(kind),
        _peak(kind),
        _full_hours(_share_of(kind)),
        _in_use(kind, in_office=True),
        _while_in_use(kind),
        width=24,
        height=height,
        sort=["-Above 80 %", "-Average"],
        place_links=links(Only_this=history_of(kind)),
        empty=NO_HISTORY,
    )
    built.panel.max_data_points(SAMPLES).interval("1m")
    return built


def _floor_table() -> PlacedPanel:
    own, zones = in_office_hours(final.own_on_floors()), in_office_hours(final.zones_on_floors())
    share = f"{final.on_floors('avg_over_time', '1h')} / on ({FLOOR_NAMES}) {final.capacity_of_floors()}"
    floors = f"last_over_time({final.on_floors()}[$__range:1h])"
    built = place_table(
        "Floors",
        "In office hours: average and peak of each floor, by Butlr's own count, or the sum of its zones if there is "
        "none, and the share of the hours whose average was above 80 % of its capacity.",
        {"place": "Place", "Value #B": "Average", "Value #C": "Peak", "Value #D": "Above 80 %"},
        keyed(placed("floor", floors), "place", "building_name", "floor_name"),
        keyed(f"avg_over_time({hourly(final.on_floors('avg_over_time', '1h'))})"),
        keyed(f"(max_over_time({own}[$__range:$__interval]) or max_over_time({zones}[$__range:$__interval]))"),
        keyed(_full_hours(share)),
        width=12,
        height=14,
        sort=["Place"],
        place_links=links(Only_this=history_of("floor")),
        empty=NO_HISTORY,
    )
    built.panel.max_data_points(SAMPLES).interval("1m")
    return built


def _of_day(expr: str) -> str:
    """Return an hourly query with the labels `day`, as in `2026-11-24`, and `weekday`, 1 to 7."""
    day = f'count_values("day", {timezones.date(HALF_HOUR)}) * on () group_left () {in_office_hours(expr, HALF_HOUR)}'
    day = f'label_replace({day}, "weekday", "$1", "day", "........(.)")'
    return f'label_replace({day}, "day", "$1-$2-$3", "day", "(....)(..)(..).")'


def _day_table() -> PlacedPanel:
    return place_table(
        "Day by day",
        "In office hours of each day: the average of the final counts of all chosen floors, the average of the busiest "
        "hour, and the share of the hours above 80 % of the capacity.",
        {
            "day": "Day",
            "weekday": "Weekday",
            "Value #A": "Average",
            "Value #B": "Busiest hour",
            "Value #C": "Above 80 %",
        },
        f"avg_over_time(({_of_day(TOTAL)})[$__range:1h])",
        f"max_over_time(({_of_day(TOTAL)})[$__range:1h])",
        f"avg_over_time(({_of_day(f'({TOTAL_SHARE} > bool 0.8)')})[$__range:1h])",
        width=12,
        height=14,
        sort=["-Day"],
        empty=NO_HISTORY,
    )


def _presence(title: str, description: str, expr: str, unit: str, **options: Any) -> PlacedPanel:
    """Return bars of the fifteen zones with the highest values."""
    built = (
        bargauge.Panel()
        .reduce_options(last())
        .orientation(VizOrientation.HORIZONTAL)
        .display_mode(BarGaugeDisplayMode.BASIC)
        .name_placement(BarGaugeNamePlacement.TOP)
        .min(0)
        .max_data_points(SAMPLES)
        .interval("1m")
    )
    if "decimals" in options:
        built.decimals(options["decimals"])
    query = Query(f"topk(15, {placed('zone', expr)})", "{{place}}", instant=True)
    return panel(built, title, description, query, width=8, height=20, unit=unit, steps=PLAIN, empty=NO_HISTORY)


def _lines(title: str, description: str, kind: str, *, width: int = 12, fill: int = 0) -> PlacedPanel:
    expr = final.on_floors() if kind == "floor" else final.counts(kind)
    built = timeseries.Panel().fill_opacity(fill).legend(legend()).min(0).decimals(0).interval("1m")
    query = Query(placed(kind, expr), "{{place}}")
    return panel(built, title, description, query, width=width, height=11, unit="none", empty=NO_HISTORY)


def _fullness(title: str, kind: str, height: int) -> PlacedPanel:
    share = f"{final.counts(kind)} / on ({kind}_id) group_left () {final.capacity(kind)}"
    return panel(
        statetimeline.Panel()
        .merge_values(True)
        .row_height(0.8)
        .per_page(15)
        .show_value(VisibilityMode.NEVER)
        .max_data_points(500)
        .interval("1m"),
        title,
        "Green below 80 % of the capacity that it has now, yellow up to it, red above; blank while nobody is there.",
        Query(placed(kind, share), "{{place}}"),
        width=24,
        height=height,
        unit="percentunit",
        steps=BARS,
        empty=NO_CAPACITY,
    )


def _numbers() -> list[PlacedPanel]:
    peak = number_panel(
        "Peak",
        "The most people at once on all chosen floors, sampled 1,440 times in the chosen time.",
        f"max_over_time({in_office_hours(f'sum({final.on_floors()})')}[$__range:$__interval])",
        empty="no final counts",
    )
    peak.panel.max_data_points(SAMPLES).interval("1m")
    return [
        number_panel(
            "Average",
            "People on all chosen floors on average, by final counts.",
            f"avg_over_time({hourly(TOTAL)})",
            decimals=0,
            empty="no final counts",
        ),
        peak,
        number_panel(
            "Average share of capacity",
            "People on the floors whose capacity is known, on average, as a share of it; else the same of the zones.",
            f"avg_over_time({hourly(TOTAL_SHARE)})",
            unit="percentunit",
            decimals=0,
            steps=SHARES,
            empty=NO_CAPACITY,
        ),
        number_panel(
            "Hours above 80 %",
            "Share of the hours in which these floors, or zones, were on average above 80 % of their capacity.",
            _full_hours(TOTAL_SHARE),
            unit="percentunit",
            decimals=0,
            empty=NO_CAPACITY,
        ),
    ]


def build() -> Any:
    """Return the dashboard."""
    return lay_out(
        board(
            "butlr-zone-history",
            "Butlr: zone history",
            "How many people came, when places were full, and how long they were used: by final counts.",
            since="now-14d",
            source=SETTLED,
            choices=CHOICES,
            refresh="15m",
        ),
        [
            ("In office hours", [*_numbers(), _day_table(), _floor_table()]),
            (
                "By weekday and hour",
                [
                    hour_table(
                        "Busiest hours",
                        "People on all chosen floors, on average in each hour of each weekday, by final counts.",
                        TOTAL,
                        empty=NO_HISTORY,
                    )
                ],
            ),
            ("Rooms and zones in office hours", [_space_table("zone", "Zones", 16), _space_table("room", "Rooms", 12)]),
            (
                "Over time",
                [
                    _lines(
                        "Floors over time",
                        "Each floor: Butlr's own count, or the sum of its zones if there is none. A line ends at the "
                        "newest final count, six minutes ago.",
                        "floor",
                        width=24,
                        fill=5,
                    ),
                    _lines("Zones over time", "Each chosen zone; a gap is silence.", "zone"),
                    _lines("Rooms over time", "Each chosen room; a gap is silence.", "room"),
                ],
            ),
            (
                "How full",
                [_fullness("How full each zone was", "zone", 14), _fullness("How full each room was", "room", 12)],
            ),
            (
                "Presence",
                [
                    _presence(
                        "Minutes in use a day",
                        "Minutes of an average day of the chosen time with anybody there: the fifteen most used zones.",
                        f"{_in_use('zone', in_office=False)} * 1440",
                        "suffix: min",
                        decimals=0,
                    ),
                    _presence(
                        "People while in use",
                        "People on average while there were some: the fifteen zones with the most.",
                        _while_in_use("zone"),
                        "none",
                        decimals=1,
                    ),
                    _presence(
                        "Share of the day in use",
                        "Share of the office hours with anybody there: the fifteen most used zones.",
                        _in_use("zone", in_office=True),
                        "percentunit",
                        decimals=0,
                    ),
                ],
            ),
        ],
    )
