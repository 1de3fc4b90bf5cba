"""Draws docs/history.svg: what Prometheus stores of a simulated zone from /metrics and from /metrics/settled.

python docs/plot_history.py writes it, and prints how many minutes differ in the whole building. No server runs: the
simulator's deliveries go through the rule, which is looked at every 15 seconds as a scrape would.
"""

import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

import matplotlib as mpl
from matplotlib import pyplot

from exporter.events.model import OccupancyEvent
from exporter.events.parse import parse_body, parse_event
from exporter.rule.limits import Limits
from exporter.rule.store import Store
from exporter.simulate.world.building import zones
from exporter.simulate.world.delivery import MINUTE_MS, Plan, deliveries
from exporter.simulate.world.people import OPENING_MINUTE, People

PICTURE = Path(__file__).with_name("history.svg")

START = 1_795_593_600_000
"""25 November 2026 at eight, milliseconds since the epoch."""

PLAN = Plan(zones=40, intervals=130, seed=2)
SHOWN = 1
"""The number of the zone that is drawn: the tables of a cafeteria."""

FROM, TO = 60, 120
"""The minutes that are drawn."""

SCRAPE = 15_000
SETTLE_AFTER = 6 * MINUTE_MS

Stored = dict[str, dict[int, float]]
"""Zone id to time, milliseconds, to value."""


class Histories(NamedTuple):
    """What Prometheus has of every zone, and what was so."""

    live: Stored
    """By the time of the scrape."""
    settled: Stored
    """By the minute that was counted."""
    truth: Stored


def histories() -> Histories:
    """Let the building live, and scrape it."""
    store = Store(
        Limits(
            window=15 * MINUTE_MS,
            stale_after=10 * MINUTE_MS,
            forget_after=0,
            settle_after=SETTLE_AFTER,
            future_tolerance=5 * MINUTE_MS,
            max_spaces=PLAN.zones,
        )
    )
    live: Stored = defaultdict(dict)
    settled: Stored = defaultdict(dict)
    now = START
    end = START + (PLAN.length_ms or 0) + SETTLE_AFTER
    for due, event in [*_events(), (end, None)]:
        while now < due:
            for space in store.snapshot(now).spaces:
                live[space.id][now] = space.counts[0].value
            for metadata, _, points in store.settled(now, 1):
                for t, value in points:
                    settled[metadata.zone_id].setdefault(t, value)  # what is stored at a time stays
            now += SCRAPE
        if event is not None:
            store.apply(event, due)
    return Histories(live, settled, _truth())


def _events() -> Iterator[tuple[int, OccupancyEvent]]:
    for delivery in deliveries(PLAN, START):
        for item in parse_body(delivery.body):
            event = parse_event(item)
            if isinstance(event, OccupancyEvent):
                yield delivery.due_ms, event


def _truth() -> Stored:
    """Return how many people there were, minute by minute: the same chance as the simulator's."""
    building = list(zones(PLAN.zones, Random(f"building {PLAN.seed}")))
    people = [People(zone.use, zone.crowded_hour) for zone in building]
    chance = Random(f"people {PLAN.seed}")
    truth: Stored = defaultdict(dict)
    for n in range((PLAN.intervals or 0) - 4):
        for zone, inside in zip(building, people, strict=True):
            truth[zone.id][START + n * MINUTE_MS] = inside.step(OPENING_MINUTE + n, chance)
    return truth


def wrong(told: Histories) -> tuple[int, int, int]:
    """Return of how many minutes the live count, and the settled one, is not the truth, and of how many in all.

    The live count of a minute is that of the last scrape before the next minute.
    """
    minutes = [(zone, t) for zone, readings in told.truth.items() for t in readings]
    live = sum(told.live[zone].get(t + MINUTE_MS - SCRAPE) != told.truth[zone][t] for zone, t in minutes)
    return live, sum(told.settled[zone].get(t) != told.truth[zone][t] for zone, t in minutes), len(minutes)


def draw(told: Histories, path: Path) -> None:
    """Draw one zone for an hour."""
    mpl.rcParams |= {"svg.hashsalt": "butlr-exporter", "svg.fonttype": "none", "font.family": "sans-serif"}
    figure, axes = pyplot.subplots(figsize=(9, 3.6), layout="constrained")
    zone = list(told.truth)[SHOWN]

    def minutes(readings: dict[int, float]) -> tuple[list[float], list[float]]:
        chosen = {(t - START) / MINUTE_MS: value for t, value in sorted(readings.items())}
        kept = {minute: value for minute, value in chosen.items() if FROM <= minute <= TO}
        return list(kept), list(kept.values())

    axes.step(*minutes(told.truth[zone]), where="post", color="#b8bec9", linewidth=5, label="people in the zone")
    axes.step(
        *minutes(told.live[zone]),
        where="post",
        color="#d9480f",
        linewidth=1.3,
        label="butlr_zone_occupancy, as known at the time",
    )
    axes.plot(
        *minutes(told.settled[zone]), "o", color="#1c5fb8", markersize=4, label="butlr_zone_occupancy_settled, final"
    )
    axes.set_xticks(range(FROM, TO + 1, 10), [f"{8 + m // 60}:{m % 60:02}" for m in range(FROM, TO + 1, 10)])
    axes.set_xlim(FROM, TO)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("people")
    axes.grid(axis="y", color="#e6e8ec")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper left", ncols=3, frameon=False)
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    pyplot.close(figure)


def main(path: Path = PICTURE) -> str:
    """Draw, and return what was found, in a sentence."""
    told = histories()
    draw(told, path)
    live, settled, minutes = wrong(told)
    return (
        f"Of {minutes:,} minutes of {PLAN.zones} zones, the live count is not the truth in {live:,} "
        f"({live / minutes:.0%}), the settled one in {settled:,}."
    )


if __name__ == "__main__":
    print(main(*map(Path, sys.argv[1:])))
