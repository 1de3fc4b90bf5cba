"""PromQL over final counts, for everything that looks back: counts of now were first guesses.

The final count of a minute comes six minutes later under that minute's time. Imported history has these series only, so
a query here asks for no recorded series, and for capacities at the end of the chosen time.
"""

from grafana.promql import FLOOR_NAMES, SELECTORS, names_of
from grafana.timezones import HALF_HOUR, in_office_hours


def counts(kind: str, function: str = "last_over_time", span: str = "90s") -> str:
    """Return a query for each chosen space: the plain final counts, or the smoothed ones if there are no others.

    With 90 s and a count a minute, the line of a silent space ends at its last count.
    """
    plain, smoothed = (
        f"max by ({names_of(kind)}) ({function}(butlr_{kind}_{measure}_settled{{{SELECTORS[kind]}}}[{span}]))"
        for measure in ("occupancy", "occupancy_1min")
    )
    return f"({plain} or on ({kind}_id) {smoothed})"


def zones_on_floors(function: str = "last_over_time", span: str = "90s") -> str:
    """Return a query for the sum of the zones of each floor, each zone once also when it is renamed."""
    zones = counts("zone", function, span).replace(SELECTORS["zone"], SELECTORS["floor"])
    return f"sum by ({FLOOR_NAMES}) (topk by (zone_id) (1, {zones}))"


def own_on_floors(function: str = "last_over_time", span: str = "90s") -> str:
    """Return a query for Butlr's own count of each floor."""
    return f"sum by ({FLOOR_NAMES}) ({counts('floor', function, span)})"


def on_floors(function: str = "last_over_time", span: str = "90s") -> str:
    """Return a query for each chosen floor: Butlr's own count, or the sum of its zones if there is none."""
    return f"({own_on_floors(function, span)} or {zones_on_floors(function, span)})"


def _at_end(kind: str, family: str, selector: str) -> str:
    """Return a query for a family of the spaces of a kind at the end of the chosen time, also after a failed scrape."""
    return f"last_over_time(butlr_{kind}_{family}{{{selector}}}[1h] @ end())"


def capacity(kind: str) -> str:
    """Return a query for the capacity that each chosen space has at the end of the chosen time."""
    return f"max by ({kind}_id) ({_at_end(kind, 'capacity', SELECTORS[kind])})"


def capacity_of_floors() -> str:
    """Return a query for the capacity of each chosen floor; that of its zones if Butlr does not count the floor."""
    floors, zones = (
        f"sum by ({FLOOR_NAMES}) (max by ({names_of(kind)}) ({_at_end(kind, 'capacity', SELECTORS['floor'])}))"
        for kind in ("floor", "zone")
    )
    counted = _at_end("floor", "info", SELECTORS["floor"])
    return f"({floors} or ({zones} unless on ({FLOOR_NAMES}) {counted}))"


def total_share() -> str:
    """Return a query for the last hour's people as a share of the capacity: of floors, else of zones, that have one."""
    hour = ("avg_over_time", "1h")
    floors = _share(on_floors(*hour), capacity_of_floors(), FLOOR_NAMES)
    return f"({floors} or {_share(counts('zone', *hour), capacity('zone'), 'zone_id')})"


def _share(people: str, capacities: str, labels: str) -> str:
    """Return a query for all people as a share of all capacities, of the spaces that have both."""
    both = f"and on ({labels})"
    return f"sum({people} {both} {capacities}) / sum({capacities} {both} {people})"


def hourly(expr: str) -> str:
    """Return the chosen time's hours, in office hours, of a query that looks back an hour; a subquery."""
    return f"{in_office_hours(expr, HALF_HOUR)}[$__range:1h]"
