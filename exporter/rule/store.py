"""All spaces: the one true current value of each measure, as a fold of `Store.apply` over deliveries.

Rows 3 and 4 of the rule are decided here. Pure, like the rest of the rule.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from threading import Lock
from typing import NamedTuple

from exporter.events.measures import Cadence, Kind, Measure
from exporter.events.model import AnyMetadata, Event
from exporter.rule.limits import Limits
from exporter.rule.outcome import Outcome
from exporter.rule.reading import Count, Reading, unpack
from exporter.rule.series import FOREVER, Series
from exporter.rule.settled import SettledChanges, Settlement, SettlingSeries, settled_span, settling_series
from exporter.rule.space import Forgotten, Roster, Space, SpaceSeries, SpaceState
from exporter.rule.traffic import Crossings, CrossingsState

_BATCH = 200
"""Spaces whose settled readings are collected under one lock; deliveries pass in between."""


class Snapshot(NamedTuple):
    """Every known space at one instant; safe to read without a lock. Times are in milliseconds."""

    now: int
    fresh_since: Mapping[Measure, int]
    """The oldest timestamp of a count of each measure that is exported as the present one; 0 if none is too old."""
    by_kind: Mapping[Kind, list[Space]]

    @property
    def spaces(self) -> list[Space]:
        """The spaces of all kinds."""
        return list(chain.from_iterable(self.by_kind.values()))

    def is_stale(self, count: Count) -> bool:
        """Tell whether a count is too old to be exported as the present one."""
        return count.timestamp < self.fresh_since[count.measure]

    def is_fresh(self, space: Space) -> bool:
        """Tell whether any count of a space is still exported."""
        return not all(map(self.is_stale, space.counts))


class Store:
    """All spaces. Thread-safe: each event is applied atomically, and readers get values that no writer changes."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._spaces: dict[Kind, dict[str, SpaceSeries]] = {kind: {} for kind in Kind}
        self._searched = 0
        """Time of the last search for spaces to forget."""
        self._none_until = -1
        """Time up to which no space is to be forgotten since then, as arrivals only rise."""
        lifetimes = (limits.forget_after, limits.motion_forget_after)
        self._shortest_life = min((lifetime for lifetime in lifetimes if lifetime > 0), default=FOREVER)
        """Time after its last delivery up to which no space is to be forgotten."""
        self._held: Mapping[Kind, Container[str]] = {}
        """The ids of the spaces that no silence makes forgotten."""
        self._all_held_until = -1
        """Time up to which no silence makes any space forgotten."""
        self._roster = Roster()
        self._settling: list[SettlingSeries] = []
        """All series whose readings settle, as of the last `Settlement`."""
        self._settled_read = (0, 0)
        """Time and number of points of the last `Settlement`; FOREVER while its changes are being read."""
        self._lock = Lock()

    def apply(self, event: Event, now: int) -> Outcome:
        """Apply one event that arrives at `now`, milliseconds since the epoch; return its outcome."""
        if event.timestamp > now + self._limits.future_tolerance:
            return Outcome.FUTURE
        with self._lock:
            kind, space_id = event.measure.kind, event.space_id
            space = self._find(kind, space_id, now)
            if space is None:
                if not self._has_room(now):
                    return Outcome.OVERFLOW
                space = self._add(kind, space_id)
            return space.apply(event, now, self._limits)

    def apply_all(self, events: Iterable[Event], now: int) -> list[Outcome]:
        """Apply events that arrive together at `now`, milliseconds since the epoch; return their outcomes."""
        return [self.apply(event, now) for event in events]

    def snapshot(self, now: int) -> Snapshot:
        """Return every space that is known at `now`."""
        with self._lock:
            self._forget(now)
            by_kind = {kind: [space.view for space in spaces.values()] for kind, spaces in self._spaces.items()}
        return Snapshot(now, oldest_fresh(now, self._limits), by_kind)

    def settled(self, now: int, points: int) -> Settlement:
        """Return the changes, since the last call, of the settled readings of all spaces that are known at `now`.

        There are at most `points` readings of each measure, the newest. All come as changed at the first call, after
        one whose changes were not read to the end, with other `points`, and with a clock that has moved back. Each
        space is read at one instant, but not all at the same: deliveries go on in between. For one reader at a time.
        """
        last, last_points = self._settled_read
        anew = now < last or points != last_points
        self._settled_read = FOREVER, points
        every, by_kind = None, None
        with self._lock:
            self._forget(now)
            if anew or not self._roster.is_read:
                every = {kind: [*spaces.values()] for kind, spaces in self._spaces.items()}
                by_kind = {kind: [space.view for space in spaces] for kind, spaces in every.items()}
                self._roster.is_read = True
        return Settlement(by_kind, points, self._settled_changes(every, now, points, anew=anew))

    def _settled_changes(
        self, every: Mapping[Kind, Sequence[SpaceSeries]] | None, now: int, points: int, *, anew: bool
    ) -> Iterator[SettledChanges]:
        """Read the series that are due; of `every` space if it is given, else of those of the last time."""
        if every is not None:
            self._settling = [
                each for kind, spaces in every.items() for each in settling_series(kind, spaces, self._lock, _BATCH)
            ]
        span = settled_span(now, points, self._limits)
        for each in self._settling:
            for places in each.batches(None if anew else now, _BATCH):
                with self._lock:
                    changes = each.read(places, span)
                yield changes
        self._settled_read = now, points

    def names(self, kind: Kind, space_id: str, now: int) -> AnyMetadata | None:
        """Return the present metadata of a space that is known at `now`; None if it is not."""
        with self._lock:
            space = self._known(kind, space_id, now)
            return space.view.metadata if space is not None else None

    def readings(self, measure: Measure, space_id: str) -> list[Reading]:
        """Return the readings in the window of one measure of one space, oldest first."""
        with self._lock:
            space = self._spaces[measure.kind].get(space_id)
            series = space.find(measure) if space else None
            packed = series.readings[:] if isinstance(series, Series) else []
        return list(map(unpack, packed))

    def crossings(self, sensor_id: str) -> CrossingsState | None:
        """Return all that is known of the crossings of one sensor; None if it has reported none."""
        with self._lock:
            space = self._spaces[Kind.SENSOR].get(sensor_id)
            crossings = space.find(Measure.CROSSINGS) if space else None
            return crossings.state(self._limits) if isinstance(crossings, Crossings) else None

    def states(self, keys: Iterable[str]) -> list[SpaceState]:
        """Return the states of the spaces with these keys, without those that are forgotten."""
        parts = [key.partition(":") for key in keys]
        with self._lock:
            return [
                space.state(self._limits)
                for kind, _, space_id in parts
                if (space := self._spaces[Kind(kind)].get(space_id)) and space.is_kept
            ]

    def keys(self) -> list[str]:
        """Return the keys of all spaces of which a journal keeps anything."""
        with self._lock:
            known = list(chain.from_iterable(spaces.values() for spaces in self._spaces.values()))
        return [space.key for space in known if space.is_kept]

    def is_renewed(self, event: Event, now: int) -> bool:
        """Tell whether an event of a stream, applied at `now`, keeps a space known that a journal keeps, too."""
        space = self._spaces[event.measure.kind].get(event.space_id)
        return space is not None and space.arrival == now and space.is_kept

    def __len__(self) -> int:
        """Return the number of spaces, with those that are to be forgotten and that no call has dropped yet."""
        return sum(map(len, self._spaces.values()))

    def knows(self, space: Forgotten, now: int) -> bool:
        """Tell whether a space is known at `now`."""
        with self._lock:
            return self._known(space.kind, space.space_id, now) is not None

    def hold(self, held: Mapping[Kind, Container[str]]) -> None:
        """Keep the spaces with these ids from now on, however long they are silent, and no others.

        A held space stays until somebody has it forgotten. Its events are decided as if it were not held, so that state
        is a fold of deliveries alone: one that comes when the space would be forgotten makes it anew.
        """
        with self._lock:
            self._held, self._all_held_until = held, -1
            self._none_until = -1

    def hold_all(self, until: int) -> None:
        """Keep all spaces until `until` (ms), until `hold` says which, or until there is no room for a new one."""
        self._all_held_until = until

    def forget(self, space: Forgotten, now: int) -> bool:
        """Forget a space entirely, so that its next event makes it anew; return whether it was known at `now`."""
        with self._lock:
            is_known = self._known(space.kind, space.space_id, now) is not None
            self._drop(space.kind, space.space_id)
        return is_known

    def restore(self, states: Iterable[SpaceState]) -> None:
        """Continue from saved states, before any delivery."""
        with self._lock:
            for state in states:
                self._add(state.kind, state.space_id).restore(state, self._limits)
            self._none_until = -1

    def replay(self, deliveries: Iterable[tuple[Event | Forgotten, int]]) -> int:
        """Apply deliveries again, each with its arrival; return the number of events.

        They were acknowledged, so none is rejected. Of a stream only the arrival counts, as its values are short-lived.
        """
        number = 0
        with self._lock:
            for event, arrival in deliveries:
                if isinstance(event, Forgotten):
                    self._drop(event.kind, event.space_id)
                    continue
                kind, space_id = event.measure.kind, event.space_id
                space = self._find(kind, space_id, arrival)
                if event.measure.declared.cadence is Cadence.STREAM:
                    if space is not None:
                        space.renew(event, arrival, self._limits)
                else:
                    (space or self._add(kind, space_id)).apply(event, arrival, self._limits)
                number += 1
            if number:
                self._none_until = -1  # an arrival may be older than those of the other spaces
        return number

    def _known(self, kind: Kind, space_id: str, now: int) -> SpaceSeries | None:
        """Return a space that is known at `now`, also if only because it is held."""
        space = self._spaces[kind].get(space_id)
        if space is None or space.known_until(self._limits) >= now or now <= self._all_held_until:
            return space
        return space if space_id in self._held.get(kind, ()) else None

    def _find(self, kind: Kind, space_id: str, now: int) -> SpaceSeries | None:
        """Return a space to which deliveries at `now` belong; drop it if it is to be forgotten, also if it is held."""
        spaces = self._spaces[kind]
        space = spaces.get(space_id)
        if space is None or now - space.arrival <= self._shortest_life:
            return space
        if space.known_until(self._limits) < now:
            self._drop(kind, space_id)
            return None
        return space

    def _has_room(self, now: int) -> bool:
        """Tell whether there may be one more space."""
        if len(self) >= self._limits.max_spaces:
            self._all_held_until = -1
            self._forget(now)
        return len(self) < self._limits.max_spaces

    def _add(self, kind: Kind, space_id: str) -> SpaceSeries:
        space = self._spaces[kind][space_id] = SpaceSeries(kind, space_id, self._roster)
        return space

    def _drop(self, kind: Kind, space_id: str) -> None:
        """Drop a space, if it is there."""
        self._spaces[kind].pop(space_id, None)
        self._roster.is_read = False

    def _forget(self, now: int) -> None:
        """Drop every space that was without a delivery for too long, if there may be one."""
        if self._searched <= now <= self._none_until or now <= self._all_held_until or self._shortest_life == FOREVER:
            return
        until = now + self._shortest_life  # the first end of a space that has a delivery from now on
        for kind, spaces in self._spaces.items():
            held = self._held.get(kind, ())
            arrivals = [space.arrival for space in spaces.values()]
            until = min([until, *[a + self._shortest_life for a in arrivals if now - a <= self._shortest_life]])
            for space in [space for space in spaces.values() if now - space.arrival > self._shortest_life]:
                if (end := space.known_until(self._limits)) >= now:
                    until = min(until, end)
                elif space.view.id not in held:
                    self._drop(kind, space.view.id)
        self._searched, self._none_until = now, until


def oldest_fresh(now: int, limits: Limits) -> dict[Measure, int]:
    """Return the oldest timestamp of each measure that is not stale at `now` (ms); 0 if none is stale."""
    stale_after = {Cadence.MINUTE: limits.stale_after, Cadence.STREAM: limits.detections_stale_after}
    oldest = {cadence: max(0, now - after) for cadence, after in stale_after.items() if after > 0}
    return {measure: oldest.get(measure.declared.cadence, 0) for measure in Measure}
