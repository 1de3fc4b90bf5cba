"""Stores that have applied some events, and their content."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from operator import attrgetter

from exporter.events.measures import Kind, Measure
from exporter.events.model import Event
from exporter.rule.limits import Limits
from exporter.rule.outcome import Outcome
from exporter.rule.reading import Point
from exporter.rule.settled import Settled, SettledChanges
from exporter.rule.space import Space
from exporter.rule.store import Snapshot, Store, oldest_fresh
from tests.support.deliveries import HOUR, MINUTE, NOW, SECOND

LIMITS = Limits(
    window=15 * MINUTE,
    stale_after=10 * MINUTE,
    forget_after=24 * HOUR,
    settle_after=6 * MINUTE,
    future_tolerance=5 * MINUTE,
    max_spaces=100,
    detections_stale_after=30 * SECOND,
    motion_forget_after=14 * 24 * HOUR,
)


def applied(*events: Event, limits: Limits = LIMITS, now: int = NOW) -> tuple[Store, list[Outcome]]:
    """Return a store that has applied these events, and the outcome of each."""
    store = Store(limits)
    return store, [store.apply(event, now) for event in events]


def spaces(store: Store, now: int = NOW) -> list[Space]:
    """Return all spaces as a reader sees them, in the order of their ids."""
    return sorted(store.snapshot(now).spaces, key=attrgetter("id"))


def current(store: Store, zone: str = "zone_a", now: int = NOW) -> Space:
    """Return one space as a reader sees it."""
    return next(space for space in store.snapshot(now).spaces if space.id == zone)


def snapshot_of(spaces: Iterable[Space], stale_after: int = 0, now: int = NOW) -> Snapshot:
    """Return a snapshot of some spaces, with this `stale_after` (ms)."""
    by_kind: dict[Kind, list[Space]] = {kind: [] for kind in Kind}
    for space in spaces:
        by_kind[space.kind].append(space)
    return Snapshot(now, oldest_fresh(now, replace(LIMITS, stale_after=stale_after)), by_kind)


def value(store: Store, zone: str = "zone_a") -> float:
    """Return the current count of a space with one measure."""
    return current(store, zone).counts[0].value


def readings(store: Store, zone: str = "zone_a") -> dict[int, float]:
    """Return every reading kept for the plain measure: timestamp to value."""
    return {reading.timestamp: reading.value for reading in store.readings(Measure.ZONE_OCCUPANCY, zone)}


def all_settled(store: Store, now: int = NOW, points: int = 1) -> list[Settled]:
    """Return the settled readings of each measure of each space that have changed since the last call, if any."""
    by_kind = store.snapshot(now).by_kind
    return [
        Settled(by_kind[changes.measure.kind][at].metadata, changes.measure, found)
        for changes in store.settled(now, points).changes
        for at, found in zip(changes.positions, points_of_each(changes), strict=True)
        if found
    ]


def points_of_each(changes: SettledChanges) -> list[list[Point]]:
    """Return the points of each series, oldest first."""
    columns = [map(Point, *column) for column in changes.columns]
    return [[point for point in points if point.timestamp] for points in zip(*columns, strict=True)]


def settled(store: Store, now: int = NOW, points: int = 1) -> Sequence[tuple[int, float]]:
    """Return the newest settled readings of a store with one zone and one measure."""
    (only,) = all_settled(store, now, points)
    return only.points
