"""The crossings of one sensor: each event id is counted once, whatever the order or repetition of deliveries.

For an event with id `e`, timestamp `t` and the numbers of people in and out, the first row that holds decides.
`n` is the newest timestamp of the sensor, which is unknown before its first event. Rows 1 to 4 are those of the
readings (`exporter.rule`).

| #  | when                                                    | outcome    | effect                                  |
|----|---------------------------------------------------------|------------|-----------------------------------------|
| 5  | `t` <= `n` - `traffic_window`, or forgotten (see below) | late       | none                                    |
| 6  | `e` is not known                                        | new        | both counters rise by the numbers       |
| 7  | a number is larger than the one that `e` counts as      | corrected  | `e` counts as the larger of each number |
| 8  | the numbers are those that `e` counts as                | duplicate  | none                                    |
| 9  | otherwise                                               | superseded | none                                    |

So a counter never falls, and within the window any order of the same deliveries ends in the same state. The last
crossing is the newest timestamp of an event of rows 6 to 9 with a number above 0.

An id is known for `traffic_window`, counted back from `n` by the newest timestamp that came with it. At most
`max_crossings` ids are known: one more forgets the oldest by timestamp, then by hash, and every event up to there is
late from then on, as it may have been counted. So no delivery is counted twice. A sensor with more crossings in the
window counts all that come in the order of time, and loses only one that comes after so many later ones. The ids that
are known depend on the set of deliveries and not on their order.

An id is recognised by a 64-bit hash, the same in every process. Pure, like the rest of the rule.
"""

import sys
from array import array
from bisect import bisect_left, insort
from hashlib import blake2b
from struct import Struct
from typing import NamedTuple

from exporter.events.measures import Measure
from exporter.events.model import CrossingEvent
from exporter.rule.limits import Limits
from exporter.rule.outcome import Outcome
from exporter.rule.reading import Count

_HASH = 8
"""Bytes of the hash of an id."""

_RECORD = Struct("<QII")
"""Timestamp (ms), people in, people out of one id: a record whose people may be many. Journals hold hashes and records,
so a change of their layouts is a new `FORMAT` of `exporter.journal.codec`."""

_TIME_SHIFT, _PEOPLE_SHIFT = 22, 11
_MANY = (1 << _PEOPLE_SHIFT) - 1
"""A usual record is one number of 64 bits: the timestamp, then 11 bits for each direction. More people do not fit."""

_PREFIX_SHIFT = 32

_NEW, _CORRECTED, _SUPERSEDED, _DUPLICATE = Outcome.NEW, Outcome.CORRECTED, Outcome.SUPERSEDED, Outcome.DUPLICATE


class Crossed(Count, frozen=True, gc=False):
    """The crossings of a sensor: `value` is the number of people in, `timestamp` that of the newest event."""

    left: int
    """The number of people out."""
    last_crossing: int
    """The newest timestamp (ms) of an event with a person; -1 before the first."""


class CrossingsState(NamedTuple):
    """All that is known of the crossings of one sensor."""

    entered: int
    left: int
    last_crossing: int
    floor: bytes
    """The key (timestamp, then hash) up to which every event is late; empty if none is."""
    ids: bytes
    """The hashes of the known ids, in the order of their keys."""
    records: bytes
    """The timestamp and numbers of each, in the same order: usual records, or `_RECORD` for all."""

    @property
    def has_usual_records(self) -> bool:
        """Whether each record is one number, as long as a hash."""
        return len(self.records) == len(self.ids)

    def events(self) -> list[tuple[int, int, int]]:
        """Return timestamp (ms), people in and people out of each known event, oldest first."""
        if not self.has_usual_records:
            return list(_RECORD.iter_unpack(self.records))
        return list(map(_unpacked, _numbers(self.records, "little")))


class Crossings:
    """The crossings of one sensor: 20 bytes for each known id. Times are in milliseconds."""

    measure = Measure.CROSSINGS

    adds_up = True
    """Whether an event that is not the newest changes the current value."""

    is_stream = False
    """Whether only the newest reading is kept, and only in memory."""

    __slots__ = ("_floor", "_ids", "_many", "_prefixes", "_records", "entered", "last_crossing", "left", "newest")

    def __init__(self) -> None:
        self.entered = 0
        self.left = 0
        self.last_crossing = -1
        """The newest timestamp of an event with a person; -1 before the first."""
        self.newest = -1
        """The newest timestamp; -1 before the first."""
        self._floor = -1
        """The key of the newest id that was forgotten. It only rises, so a forgotten id stays late."""
        self._ids = array("Q")
        """The hashes of the known ids, in the order of their keys."""
        self._records = array("Q")
        """The record of each, in the same order."""
        self._prefixes = array("I")
        """The first halves of the hashes, sorted: they tell at once that an id is new."""
        self._many: dict[int, tuple[int, int]] = _NONE
        """The people of the records in which they do not fit, by hash."""

    def apply(self, event: CrossingEvent, now: int, limits: Limits) -> Outcome:
        """Apply one delivery; its numbers are below 2^32."""
        del now
        timestamp, entered, left = event.timestamp, event.entered, event.left
        own = int.from_bytes(blake2b(event.id.encode(), digest_size=_HASH).digest())
        if timestamp <= self.newest - limits.traffic_window or _key(timestamp, own) <= self._floor:
            return Outcome.LATE
        if timestamp > self.last_crossing and (entered or left):
            self.last_crossing = timestamp
        at = self._find(timestamp, own)
        if at < 0:
            self.entered += entered
            self.left += left
            self._insert(own, timestamp, entered, left)
            self._forget(limits)
            return _NEW
        known, counted_entered, counted_left = self._record(at)
        if entered > counted_entered or left > counted_left:
            outcome = _CORRECTED
        elif entered == counted_entered and left == counted_left:
            outcome = _DUPLICATE
        else:
            outcome = _SUPERSEDED
        entered, left = max(entered, counted_entered), max(left, counted_left)
        self.entered += entered - counted_entered
        self.left += left - counted_left
        self._remove(at, at + 1)
        self._insert(own, max(timestamp, known), entered, left)
        self._forget(limits)
        return outcome

    def count(self) -> Crossed:
        """Return both counters, and their times."""
        return Crossed(self.measure, self.newest, float(self.entered), self.left, self.last_crossing)

    def state(self, limits: Limits) -> CrossingsState:
        """Return all that is known of the sensor."""
        floor = max(self._floor, _key(self.newest - limits.traffic_window + 1, 0) - 1)
        records = _bytes(self._records, "little")
        if self._many:
            records = b"".join([_RECORD.pack(*self._record(at)) for at in range(len(self._records))])
        return CrossingsState(
            self.entered,
            self.left,
            self.last_crossing,
            b"" if floor < 0 else floor.to_bytes(2 * _HASH),
            _bytes(self._ids, "big"),
            records,
        )

    def restore(self, state: CrossingsState, limits: Limits) -> None:
        """Continue from a saved state, as far as these limits allow."""
        self.entered, self.left, self.last_crossing = state.entered, state.left, state.last_crossing
        self._floor = int.from_bytes(state.floor) if state.floor else -1
        self._ids = _numbers(state.ids, "big")
        self._prefixes = array("I", sorted([own >> _PREFIX_SHIFT for own in self._ids]))
        if state.has_usual_records:
            self._records = _numbers(state.records, "little")
        else:
            self._records = array("Q", map(self._packed, self._ids, *zip(*state.events(), strict=True)))
        if self._records:
            self.newest = self._records[-1] >> _TIME_SHIFT
            self._forget(limits)

    def _find(self, timestamp: int, own: int) -> int:
        """Return the position of the id with this hash, -1 if it is not known; it mostly has this timestamp."""
        prefixes, prefix = self._prefixes, own >> _PREFIX_SHIFT
        at = bisect_left(prefixes, prefix)
        if at == len(prefixes) or prefixes[at] != prefix:
            return -1
        at = self._position(timestamp, own)
        if at < len(self._ids) and self._ids[at] == own:
            return at
        return self._ids.index(own) if own in self._ids else -1

    def _insert(self, own: int, timestamp: int, entered: int, left: int) -> None:
        if timestamp > self.newest:
            self.newest = timestamp
            at = len(self._ids)
        else:
            at = self._position(timestamp, own)
        self._ids.insert(at, own)
        self._records.insert(at, self._packed(own, timestamp, entered, left))
        insort(self._prefixes, own >> _PREFIX_SHIFT)

    def _remove(self, first: int, end: int) -> None:
        for own in self._ids[first:end]:
            del self._prefixes[bisect_left(self._prefixes, own >> _PREFIX_SHIFT)]
            self._many.pop(own, None)
        del self._ids[first:end]
        del self._records[first:end]

    def _forget(self, limits: Limits) -> None:
        """Forget the ids that are out of the window, or too many."""
        records, last_late = self._records, self.newest - limits.traffic_window
        end = len(records) - limits.max_crossings
        if records[0] >> _TIME_SHIFT <= last_late:
            end = max(end, bisect_left(records, last_late + 1 << _TIME_SHIFT))
        if end > 0:
            self._floor = _key(records[end - 1] >> _TIME_SHIFT, self._ids[end - 1])
            self._remove(0, end)

    def _packed(self, own: int, timestamp: int, entered: int, left: int) -> int:
        """Return the record of an id, and remember its people if they do not fit."""
        if entered >= _MANY or left >= _MANY:
            self._many = {**self._many, own: (entered, left)}
            entered = left = _MANY
        return timestamp << _TIME_SHIFT | entered << _PEOPLE_SHIFT | left

    def _record(self, at: int) -> tuple[int, int, int]:
        """Return timestamp, people in and people out of the id at a position."""
        timestamp, entered, left = _unpacked(self._records[at])
        if entered == _MANY:
            entered, left = self._many[self._ids[at]]
        return timestamp, entered, left

    def _position(self, timestamp: int, own: int) -> int:
        """Return the position of the id with this key, or for it."""
        first = bisect_left(self._records, timestamp << _TIME_SHIFT)
        end = bisect_left(self._records, timestamp + 1 << _TIME_SHIFT, first)
        return bisect_left(self._ids, own, first, end)


_NONE: dict[int, tuple[int, int]] = {}
"""No record with many people, as in nearly every sensor."""


def _unpacked(record: int) -> tuple[int, int, int]:
    """Return timestamp, people in and people out of a usual record."""
    return record >> _TIME_SHIFT, record >> _PEOPLE_SHIFT & _MANY, record & _MANY


def _bytes(numbers: "array[int]", byteorder: str) -> bytes:
    """Return numbers of 64 bits as bytes in an order."""
    if byteorder != sys.byteorder:
        numbers = numbers[:]
        numbers.byteswap()
    return numbers.tobytes()


def _numbers(text: bytes, byteorder: str) -> "array[int]":
    """Return numbers of 64 bits from bytes in an order."""
    numbers = array("Q", text)
    if byteorder != sys.byteorder:
        numbers.byteswap()
    return numbers


def _key(timestamp: int, own: int) -> int:
    """Return a number that sorts ids by time, then by hash; it is negative before all time."""
    return timestamp << 8 * _HASH | own
