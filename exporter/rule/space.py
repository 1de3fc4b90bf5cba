"""One space: its series, and the names it goes by."""

import sys
from operator import attrgetter
from typing import NamedTuple

from msgspec import Struct

from exporter.events.model import Measure, Metadata, OccupancyEvent
from exporter.rule.limits import Limits
from exporter.rule.outcome import APPLIED, Outcome
from exporter.rule.series import Series, SeriesState, is_older


class SpaceState(NamedTuple):
    """All that is known of one space: what a journal keeps, and gives back."""

    space_id: str
    metadata: Metadata
    named_at: int
    """The timestamp of the reading that the names came with."""
    named_generation: int | None
    """And its generation."""
    arrival: int
    """Of the last delivery."""
    series: list[SeriesState]
    """At least one."""


_OWN = Metadata._fields.index("zone_id")
"""The names from here on are a space's own."""


class Count(Struct, frozen=True, gc=False):
    """The current count of one measure of a space: the value of its newest reading.

    Like `Space`, no object that the garbage collector must look at: a scrape of many takes a tenth less for it.
    """

    measure: Measure
    timestamp: int
    value: float


class Space(Struct, frozen=True, gc=False):
    """One space as a reader sees it. The same object as long as nothing in it changes."""

    id: str
    metadata: Metadata
    """That of the newest reading of any measure, so that a space has one name at any time."""
    counts: tuple[Count, ...]


class _Space:
    """The series of one space, and the names that the newest of their readings came with."""

    __slots__ = ("arrival", "named_at", "named_generation", "series", "view")

    def __init__(self, space_id: str) -> None:
        self.arrival = 0
        self.named_at = -1
        """The timestamp of the reading that the names came with, and its generation."""
        self.named_generation: int | None = None
        self.series: tuple[Series, ...] = ()
        """In the order of their measures."""
        self.view = Space(space_id, Metadata(), ())

    def take(self, event: OccupancyEvent, now: int, limits: Limits) -> Outcome:
        self.arrival = now
        series = self.find(event.measure) or self._add(event.measure)
        outcome = series.take(event, now, limits)
        if event.timestamp == series.newest and outcome in APPLIED:
            self._show(event, outcome)
        return outcome

    def find(self, measure: Measure) -> Series | None:
        """Return the series of a measure, if there is one."""
        for series in self.series:
            if series.measure is measure:
                return series
        return None

    def _add(self, measure: Measure) -> Series:
        added = Series(measure)
        self.series = tuple(sorted([*self.series, added], key=attrgetter("measure")))
        return added

    def state(self, limits: Limits) -> SpaceState:
        """Return all that is known."""
        series = [series.state(limits) for series in self.series]
        return SpaceState(self.view.id, self.view.metadata, self.named_at, self.named_generation, self.arrival, series)

    def restore(self, state: SpaceState, limits: Limits) -> None:
        """Take back what was known."""
        self.arrival, self.named_at, self.named_generation = state.arrival, state.named_at, state.named_generation
        for known in state.series:
            self._add(known.measure).restore(known, limits)
        self._view(state.metadata)

    def _show(self, event: OccupancyEvent, outcome: Outcome) -> None:
        metadata = self.view.metadata
        if self._names(event.timestamp, event.generation) and event.metadata != metadata:
            self._view(event.metadata)
        elif outcome is not Outcome.REPEATED:
            self._view(metadata)

    def _view(self, metadata: Metadata) -> None:
        if metadata is not self.view.metadata:
            metadata = _shared(metadata)
        counts = tuple([Count(series.measure, series.newest, series.current()) for series in self.series])
        self.view = Space(self.view.id, metadata, counts)

    def _names(self, timestamp: int, generation: int | None) -> bool:
        """Tell whether the names are to be those that come with a reading, and note that they are."""
        if timestamp == self.named_at:
            if is_older(generation, self.named_generation):
                return False
            if generation is not None:
                self.named_generation = generation
            return True
        if timestamp < self.named_at:
            return False
        self.named_at, self.named_generation = timestamp, generation
        return True


def _shared(metadata: Metadata) -> Metadata:
    """Return the same names, of which those of what has many spaces are the same objects for all of them."""
    return Metadata(*map(sys.intern, metadata[:_OWN]), *metadata[_OWN:])
