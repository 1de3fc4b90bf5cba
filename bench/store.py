"""The memory of a zone, and the time to read a journal back."""

import os
import tempfile
import time
from collections.abc import Iterator

from bench.building import Building, post, scrape
from bench.processes import exporter
from bench.table import Row
from exporter.events.ids import ksuid
from exporter.events.measures import Measure
from exporter.events.model import Metadata, ReadingEvent
from exporter.journal.repair import open_file
from exporter.rule.limits import Limits
from exporter.rule.store import Store

DELIVERIES = 5
"""Deliveries of each reading."""

MINUTE_MS = 60_000

FIRST_SCRAPE_SECONDS = 1.5
"""Time within which the first scrape is to be answered: Prometheus gives up after 10 seconds."""


def memory(number: int, readings: int) -> Row:
    """Measure the memory of an exporter with some readings of each zone, less that of an empty one, after a scrape."""
    used_bytes = []
    for zones in (0, number):
        with exporter() as running:
            building = Building(max(zones, 1))
            now_ms = int(time.time() * 1000)
            for minute in reversed(range(readings)):
                if zones:
                    post(running.port, building.events(1, DELIVERIES, now_ms - minute * MINUTE_MS), 10)
                scrape(running.port, "gzip")
            used_bytes.append(running.memory())
    per_zone = (used_bytes[1] - used_bytes[0]) / number
    other = f"3 KiB; {readings} readings, {DELIVERIES} deliveries each"
    return Row(f"memory a zone of {number:,}", f"{per_zone / 1024:.2f} KiB", other, 3072 / per_zone, ">= 1")


def full_window(zone: int, now_ms: int) -> Iterator[ReadingEvent]:
    """Return the events that give a zone 15 readings of five deliveries each."""
    place = Metadata(
        site_name="Berlin",
        building_name="Main Building",
        floor_name="1st Floor",
        zone_id=f"zone_{zone:027}",
        zone_name=f"Desk {zone}",
    )
    for minute in reversed(range(15)):
        for n in range(5):
            event_id = f"event_{ksuid(now_ms // 1000, zone * 100 + minute * 5 + n)}"
            t = now_ms - MINUTE_MS * minute
            yield ReadingEvent(event_id, Measure.ZONE_OCCUPANCY, place.zone_id, t, 3.0, now_ms // 1000, place)


def reading_back(number: int) -> Iterator[Row]:
    """Measure the start with a journal of this number of zones with full windows, less that without a journal.

    The first scrape after it writes every label.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/large.db"
        journal = open_file(path)
        now_ms = int(time.time() * 1000)
        for zone in range(number):
            store = Store(
                Limits(
                    window=15 * MINUTE_MS,
                    stale_after=0,
                    forget_after=0,
                    settle_after=0,
                    future_tolerance=0,
                    max_spaces=1,
                )
            )
            for event in full_window(zone, now_ms):
                store.apply(event, now_ms)
            journal.save(journal.prepare(store.states(store.keys())))
        journal.close()
        size_bytes = os.path.getsize(path)
        with exporter() as running:
            without_seconds = running.starting_seconds
        with exporter(f"--journal {path}") as running:
            with_seconds = running.starting_seconds
            began = time.perf_counter()
            scrape(running.port, "gzip")
            first_seconds = time.perf_counter() - began
    shown = f"{max(0.0, with_seconds - without_seconds):.1f} s"
    yield Row(f"reading back {number:,} zones", shown, f"{size_bytes / 1e6:.0f} MB, full windows", None, "")
    other = f"{FIRST_SCRAPE_SECONDS} s; every label is new"
    ratio = FIRST_SCRAPE_SECONDS / first_seconds
    yield Row(f"the first scrape of {number:,} zones", f"{first_seconds:.2f} s", other, ratio, ">= 1")
