"""What a zone takes of memory, and the time to read a journal back."""

import os
import tempfile
import time
from collections.abc import Iterator

from bench.building import Building, post, scrape
from bench.processes import exporter
from bench.table import Row
from exporter.events.ids import ksuid
from exporter.events.measures import Measure
from exporter.events.model import Metadata, OccupancyEvent
from exporter.journal.repair import open_journal
from exporter.rule.limits import Limits
from exporter.rule.store import Store

DELIVERIES = 5
"""Of each reading."""

MINUTE = 60_000


def memory(number: int, readings: int) -> Row:
    """Measure the process with zones that have some readings, against an empty one; both are scraped."""
    used = []
    for zones in (0, number):
        with exporter() as running:
            building = Building(max(zones, 1))
            now = int(time.time() * 1000)
            for minute in reversed(range(readings)):
                if zones:
                    post(running.port, building.events(1, DELIVERIES, now - minute * MINUTE), 10)
                scrape(running.port, "gzip")
            used.append(running.memory())
    each = (used[1] - used[0]) / number
    than = f"3 KiB; {readings} readings, {DELIVERIES} deliveries each"
    return Row(f"memory a zone of {number:,}", f"{each / 1024:.2f} KiB", than, 3072 / each, ">= 1")


def full_window(zone: int, now: int) -> Iterator[OccupancyEvent]:
    """Return what gives a zone 15 readings of five deliveries each."""
    place = Metadata(
        site_name="Berlin",
        building_name="Main Building",
        floor_name="1st Floor",
        zone_id=f"zone_{zone:027}",
        zone_name=f"Desk {zone}",
    )
    for minute in reversed(range(15)):
        for n in range(5):
            event_id = f"event_{ksuid(now // 1000, zone * 100 + minute * 5 + n)}"
            t = now - MINUTE * minute
            yield OccupancyEvent(event_id, Measure.ZONE_OCCUPANCY, place.zone_id, t, 3.0, now // 1000, place)


def reading_back(number: int) -> Row:
    """Measure the start with a journal of some zones with full windows, against one without."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/large.db"
        journal = open_journal(path)
        now = int(time.time() * 1000)
        for zone in range(number):
            store = Store(Limits(15 * MINUTE, 0, 0, 0, 0, 1))
            for event in full_window(zone, now):
                store.apply(event, now)
            journal.save(store.states(store.ids()))
        journal.close()
        size = os.path.getsize(path)
        with exporter() as running:
            without = running.starting
        with exporter(f"--journal {path}") as running:
            started = running.starting
    shown = f"{max(0.0, started - without):.1f} s"
    return Row(f"reading back {number:,} zones", shown, f"{size / 1e6:.0f} MB, full windows", None, "")
