"""Draws docs/history.svg: a zone's counts as Prometheus stores them from /metrics and from /metrics/settled.

`python docs/plot_history.py` writes it, and prints the number of wrong minutes in the whole building. No server runs:
the simulator's deliveries go through the rule, and its store is read every 15 seconds, as by a scrape.
"""

import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure

from exporter.events.measures import Kind
from exporter.events.model import ReadingEvent
from exporter.events.parse import parse_body, parse_event
from exporter.rule.limits import Limits
from exporter.rule.store import Store
from exporter.simulate.world.building import zones
from exporter.simulate.world.delivery import MINUTE_MS, Plan
from exporter.simulate.world.people import OPENING_MINUTE, People
from exporter.simulate.world.stream import deliveries

PICTURE = Path(__file__).with_name("history.svg")

START_MS = 1_795_593_600_000
"""25 November 2026, 08:00 UTC, milliseconds since the epoch."""

PLAN = Plan(zones=40, intervals=130, seed=2)
SHOWN_ZONE = 1
"""Number of the drawn zone: the tables of a cafeteria."""

FROM_MINUTE, TO_MINUTE = 60, 120
"""The drawn part of the run."""

SCRAPE_INTERVAL_MS = 15_000
SETTLE_AFTER_MS = 6 * MINUTE_MS

Stored = dict[str, dict[int, float]]
"""Values by zone id and time (ms)."""


class Histories(NamedTuple):
    """The counts of all zones that Prometheus stores, and the true ones."""

    live: Stored
    """By the time of the scrape."""
    settled: Stored
    """By the minute in which people were counted."""
    truth: Stored


def scrape_building() -> Histories:
    """Simulate the building and scrape it."""
    store = Store(
        Limits(
            window=15 * MINUTE_MS,
            stale_after=10 * MINUTE_MS,
            forget_after=0,
            settle_after=SETTLE_AFTER_MS,
            future_tolerance=5 * MINUTE_MS,
            max_spaces=PLAN.zones,
        )
    )
    live: Stored = defaultdict(dict)
    settled: Stored = defaultdict(dict)
    now_ms = START_MS
    end_ms = START_MS + (PLAN.length_ms or 0) + SETTLE_AFTER_MS
    for due_ms, event in [*_events(), (end_ms, None)]:
        while now_ms < due_ms:
            spaces = store.snapshot(now_ms).by_kind[Kind.ZONE]
            for space in spaces:
                live[space.id][now_ms] = space.counts[0].value
            for changes in store.settled(now_ms, 1).changes:
                for at, t, value in zip(changes.positions, *changes.columns[0], strict=True):
                    if t:  # Prometheus keeps the first value of each time
                        settled[spaces[at].id].setdefault(t, value)
            now_ms += SCRAPE_INTERVAL_MS
        if event is not None:
            store.apply(event, due_ms)
    return Histories(live, settled, _truth())


def _events() -> Iterator[tuple[int, ReadingEvent]]:
    for delivery in deliveries(PLAN, START_MS):
        for item in parse_body(delivery.body):
            event = parse_event(item)
            if isinstance(event, ReadingEvent):
                yield delivery.due_ms, event


def _truth() -> Stored:
    """Return the true number of people in each minute, from the same random numbers as the simulator's."""
    building = list(zones(PLAN.zones, Random(f"building {PLAN.seed}")))
    people = [People(zone.use, zone.crowded_hour) for zone in building]
    random = Random(f"people {PLAN.seed}")
    truth: Stored = defaultdict(dict)
    for n in range((PLAN.intervals or 0) - 4):
        for zone, inside in zip(building, people, strict=True):
            truth[zone.id][START_MS + n * MINUTE_MS] = inside.step(OPENING_MINUTE + n, random)
    return truth


class WrongMinutes(NamedTuple):
    """The numbers of minutes with a wrong stored count."""

    live: int
    """The live count of a minute is the one that the last scrape in it has stored."""
    settled: int
    all: int
    """All minutes of all zones."""


def wrong_minutes(histories: Histories) -> WrongMinutes:
    """Compare the stored counts with the truth."""
    live, settled, truth = histories
    minutes = [(zone, t) for zone, readings in truth.items() for t in readings]
    return WrongMinutes(
        live=sum(live[zone].get(t + MINUTE_MS - SCRAPE_INTERVAL_MS) != truth[zone][t] for zone, t in minutes),
        settled=sum(settled[zone].get(t) != truth[zone][t] for zone, t in minutes),
        all=len(minutes),
    )


def draw(histories: Histories, path: Path) -> None:
    """Draw an hour of one zone."""
    mpl.rcParams |= {"svg.hashsalt": "butlr-exporter", "svg.fonttype": "none", "font.family": "sans-serif"}
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots()
    zone = list(histories.truth)[SHOWN_ZONE]

    def minutes(readings: dict[int, float]) -> tuple[list[float], list[float]]:
        chosen = {(t - START_MS) / MINUTE_MS: value for t, value in sorted(readings.items())}
        kept = {minute: value for minute, value in chosen.items() if FROM_MINUTE <= minute <= TO_MINUTE}
        return list(kept), list(kept.values())

    axes.step(*minutes(histories.truth[zone]), where="post", color="#b8bec9", linewidth=5, label="people in the zone")
    axes.step(
        *minutes(histories.live[zone]),
        where="post",
        color="#d9480f",
        linewidth=1.3,
        label="butlr_zone_occupancy, as known at the time",
    )
    axes.plot(
        *minutes(histories.settled[zone]),
        "o",
        color="#1c5fb8",
        markersize=4,
        label="butlr_zone_occupancy_settled, final",
    )
    axes.set_xticks(
        range(FROM_MINUTE, TO_MINUTE + 1, 10),
        [f"{8 + m // 60}:{m % 60:02}" for m in range(FROM_MINUTE, TO_MINUTE + 1, 10)],
    )
    axes.set_xlim(FROM_MINUTE, TO_MINUTE)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("people")
    axes.grid(axis="y", color="#e6e8ec")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper left", ncols=3, frameon=False)
    figure.savefig(path, metadata={"Date": None, "Creator": None})


def main(path: Path = PICTURE) -> str:
    """Draw the picture, and return a sentence with the numbers of wrong minutes."""
    found = scrape_building()
    draw(found, path)
    live, settled, minutes = wrong_minutes(found)
    return (
        f"In {live:,} of {minutes:,} minutes of {PLAN.zones} zones ({live / minutes:.0%}) "
        f"the live count is not the truth; the final one is wrong in {settled:,}."
    )


if __name__ == "__main__":
    print(main(*map(Path, sys.argv[1:])))
