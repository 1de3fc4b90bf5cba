"""One space: its series and crossings, and the names of their newest event. Pure, like the rest of the rule."""

import sys
from operator import attrgetter
from typing import Any, NamedTuple

from msgspec import Struct

from exporter.events.measures import IN_MEMORY, Cadence, Kind, Measure
from exporter.events.model import ID_POSITION, METADATA, AnyMetadata, Event, new_tuple
from exporter.rule.limits import Limits
from exporter.rule.outcome import APPLIED, Outcome
from exporter.rule.reading import Count
from exporter.rule.series import FOREVER, Series, SeriesState, is_older, new_series
from exporter.rule.traffic import Crossings, CrossingsState

_REPEATED = Outcome.REPEATED

_MINUTE = 60_000

_MINUTES_OF_A_DAY = 1440
"""A space that is forgotten sooner than after a day has as many arrivals until then."""


class SpaceState(NamedTuple):
    """All that is known of one space, as a journal saves and returns it."""

    space_id: str
    metadata: AnyMetadata
    named_at: int
    """Timestamp of the reading that brought the metadata."""
    named_generation: int | None
    """Generation of the same reading."""
    arrival: int
    """Arrival of the last delivery."""
    series: list[SeriesState]
    """At least one, unless there are crossings."""
    crossings: CrossingsState | None = None
    """The crossings of a sensor that has reported any."""

    @property
    def kind(self) -> Kind:
        """The kind of the space, which each of its measures has."""
        return self.series[0].measure.kind if self.series else Kind.SENSOR

    @property
    def key(self) -> str:
        """The key of the space."""
        return self.kind.key(self.space_id)


class Forgotten(NamedTuple):
    """In the place of an event: somebody had a space forgotten, and all that is known of it."""

    kind: Kind
    space_id: str


class Space(Struct, frozen=True, gc=False):
    """One space as a reader sees it; the same object until something in it changes."""

    kind: Kind
    id: str
    metadata: AnyMetadata
    """The metadata of the newest reading of any measure, so that a space has one name at any time."""
    counts: tuple[Count, ...]


class Roster:
    """All spaces, with their names and measures, as somebody may have read them."""

    __slots__ = ("is_read",)

    def __init__(self) -> None:
        self.is_read = False
        """Whether no space has come, gone, been renamed, or got one more measure since it was read."""


class SpaceSeries:
    """All that is known of one space: the series or crossings of each measure, and the names of their newest event."""

    __slots__ = ("_key", "_roster", "arrival", "named_at", "named_generation", "series", "view")

    def __init__(self, kind: Kind, space_id: str, roster: Roster) -> None:
        """Make a space without a measure, which is to be on this roster."""
        self._roster = roster
        self.arrival = 0
        self.named_at = -1
        """Timestamp of the reading that brought the metadata; -1 before the first."""
        self.named_generation: int | None = None
        """Generation of the same reading."""
        self.series: tuple[Series | Crossings, ...] = ()
        """In the order of their measures."""
        self.view = Space(kind, space_id, METADATA[kind](), ())
        self._key = ""

    @property
    def key(self) -> str:
        """The key of the space, made when a journal first asks for it and then always the same object."""
        if not self._key:
            self._key = self.view.kind.key(self.view.id)
        return self._key

    @property
    def is_kept(self) -> bool:
        """Whether a journal keeps anything of the space."""
        return any(series.measure not in IN_MEMORY for series in self.series)

    def known_until(self, limits: Limits) -> int:
        """Return the time (ms) after which the space is forgotten unless a delivery comes; FOREVER if it never is."""
        changes = any(series.measure.declared.cadence is Cadence.CHANGE for series in self.series)
        lifetime = limits.motion_forget_after if changes else limits.forget_after
        return self.arrival + lifetime if lifetime > 0 else FOREVER

    def apply(self, event: Event, now: int, limits: Limits) -> Outcome:
        """Apply one delivery that arrives at `now`."""
        if event.generation is not None and not _is_plausible(event.generation, event.timestamp, now, limits):
            event = event._replace(generation=None)
        series: Any = self.find(event.measure) or self._add(event.measure)  # takes the events of its measure
        if not (series.is_stream and self._arrived_lately(event, now, limits)):
            self.arrival = now
        outcome: Outcome = series.apply(event, now, limits)
        if event.timestamp == series.newest and outcome in APPLIED:
            self._show(event, outcome)
        elif series.adds_up and series.count() not in self.view.counts:
            self._view(self.view.metadata)
        return outcome

    def renew(self, event: Event, now: int, limits: Limits) -> None:
        """Keep the space known from the arrival of a delivery, whose value is not read back, and take its names."""
        self.arrival = now
        generation = event.generation
        if generation is not None and not _is_plausible(generation, event.timestamp, now, limits):
            generation = None
        if self._names(event.timestamp, generation):
            self._view(event.metadata)

    def find(self, measure: Measure) -> Series | Crossings | None:
        """Return the series or crossings of a measure, if there are any."""
        for series in self.series:
            if series.measure is measure:
                return series
        return None

    def _add(self, measure: Measure) -> Series | Crossings:
        added = Crossings() if measure.declared.cadence is Cadence.EVENT else new_series(measure)
        self.series = tuple(sorted([*self.series, added], key=attrgetter("measure.declared.number")))
        self._roster.is_read = False
        return added

    def state(self, limits: Limits) -> SpaceState:
        """Return all that a journal keeps of the space."""
        kept = [series.state(limits) for series in self.series if series.measure not in IN_MEMORY]
        return SpaceState(
            self.view.id,
            self.view.metadata,
            self.named_at,
            self.named_generation,
            self.arrival,
            [state for state in kept if isinstance(state, SeriesState)],
            next((state for state in kept if isinstance(state, CrossingsState)), None),
        )

    def restore(self, state: SpaceState, limits: Limits) -> None:
        """Continue from a saved state."""
        self.arrival, self.named_at, self.named_generation = state.arrival, state.named_at, state.named_generation
        restored: list[Series | Crossings] = []
        for each in state.series:
            series = new_series(each.measure)
            series.restore(each, limits)
            restored.append(series)
        if state.crossings is not None:
            crossings = Crossings()
            crossings.restore(state.crossings, limits)
            restored.append(crossings)
        self.series = tuple(restored)
        self._view(state.metadata)

    def _arrived_lately(self, event: Event, now: int, limits: Limits) -> bool:
        """Tell whether a message of a stream need not count as an arrival, as another one did in the same minute.

        A message that renames the space counts. Only those that count are in a journal, so a space is forgotten at the
        same time whether or not the exporter was restarted meanwhile.
        """
        since, lifetime = now - self.arrival, limits.forget_after
        is_recent = 0 <= since < _MINUTE and (lifetime == 0 or since < lifetime // _MINUTES_OF_A_DAY)
        return is_recent and event.metadata == self.view.metadata

    def _show(self, event: Event, outcome: Outcome) -> None:
        metadata = self.view.metadata
        if self._names(event.timestamp, event.generation) and event.metadata != metadata:
            self._view(event.metadata)
        elif outcome is not _REPEATED:
            self._view(metadata)

    def _view(self, metadata: AnyMetadata) -> None:
        if metadata is not self.view.metadata:
            self._roster.is_read = False
            metadata = _interned(metadata, ID_POSITION[self.view.kind])
        counts = tuple([series.count() for series in self.series])
        self.view = Space(self.view.kind, self.view.id, metadata, counts)

    def _names(self, timestamp: int, generation: int | None) -> bool:
        """Tell whether a reading's metadata names the space from now on, and remember the reading if so."""
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


def _is_plausible(generation: int, timestamp: int, now: int, limits: Limits) -> bool:
    """Tell whether an event that arrives at `now` (ms) can have been computed in this second.

    The generation of a clock that is ahead would freeze its reading; one from long before the reading is no time.
    """
    tolerance = limits.future_tolerance
    return (timestamp - tolerance) // 1000 <= generation <= (now + tolerance) // 1000


def _interned(metadata: AnyMetadata, own: int) -> AnyMetadata:
    """Return equal metadata, with one object for each name that many spaces share; from `own` on they share none."""
    interned: AnyMetadata = new_tuple(type(metadata), (*map(sys.intern, metadata[:own]), *metadata[own:]))
    return interned
