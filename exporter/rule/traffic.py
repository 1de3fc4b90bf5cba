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

from bisect import bisect_left, bisect_right
from hashlib import blake2b
from struct import Struct
from typing import NamedTuple

from exporter.rule.limits import Limits
from exporter.rule.outcome import Outcome

_HASH = 8
"""Bytes of the hash of an id."""

_TIME = Struct(">Q")

_RECORD = Struct("<QII")
"""Timestamp (ms), people in, people out. With its hash an id takes 24 bytes. Journals hold hashes and records, so a
change of this layout is a new `FORMAT` of `exporter.journal.codec`."""


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
    """The timestamp and numbers of each, in the same order."""

    def events(self) -> list[tuple[int, int, int]]:
        """Return timestamp (ms), people in and people out of each known event, oldest first."""
        return list(_RECORD.iter_unpack(self.records))


class Crossings:
    """The crossings of one sensor. Times are in milliseconds."""

    __slots__ = ("_floor", "_ids", "_records", "entered", "last_crossing", "left")

    def __init__(self) -> None:
        self.entered = 0
        self.left = 0
        self.last_crossing = -1
        """The newest timestamp of an event with a person; -1 before the first."""
        self._floor = b""
        """The key of the newest id that was forgotten. It only rises, so a forgotten id stays late."""
        self._ids = bytearray()
        self._records = bytearray()

    @property
    def newest(self) -> int:
        """The newest timestamp; -1 before the first."""
        return self._time_at(-1) if self._records else -1

    def apply(self, event_id: str, timestamp: int, entered: int, left: int, limits: Limits) -> Outcome:
        """Apply one delivery; its numbers are below 2^32."""
        own = blake2b(event_id.encode(), digest_size=_HASH).digest()
        if timestamp <= self.newest - limits.traffic_window or _key(timestamp, own) <= self._floor:
            return Outcome.LATE
        if timestamp > self.last_crossing and (entered or left):
            self.last_crossing = timestamp
        at = self.find(own)
        if at < 0:
            outcome = Outcome.NEW
            self.entered += entered
            self.left += left
        else:
            known, counted_entered, counted_left = _RECORD.unpack_from(self._records, at * _RECORD.size)
            if entered > counted_entered or left > counted_left:
                outcome = Outcome.CORRECTED
            elif entered == counted_entered and left == counted_left:
                outcome = Outcome.DUPLICATE
            else:
                outcome = Outcome.SUPERSEDED
            timestamp = max(timestamp, known)
            entered, left = max(entered, counted_entered), max(left, counted_left)
            self.entered += entered - counted_entered
            self.left += left - counted_left
            self._remove(at, at + 1)
        self._insert(own, timestamp, entered, left)
        self._forget(limits)
        return outcome

    def find(self, own: bytes) -> int:
        """Return the position of the id with this hash, -1 if it is not known; bytes across two hashes do not count."""
        at = self._ids.find(own)
        while at > 0 and at % _HASH:
            at = self._ids.find(own, at + 1)
        return at // _HASH

    def state(self, limits: Limits) -> CrossingsState:
        """Return all that is known of the sensor."""
        floor = max(self._floor, _key(self.newest - limits.traffic_window, b"\xff" * _HASH))
        return CrossingsState(
            self.entered, self.left, self.last_crossing, floor, bytes(self._ids), bytes(self._records)
        )

    def restore(self, state: CrossingsState, limits: Limits) -> None:
        """Continue from a saved state, as far as these limits allow."""
        self.entered, self.left, self.last_crossing = state.entered, state.left, state.last_crossing
        self._floor, self._ids, self._records = state.floor, bytearray(state.ids), bytearray(state.records)
        self._forget(limits)

    def _insert(self, own: bytes, timestamp: int, entered: int, left: int) -> None:
        at = number = len(self._ids) // _HASH
        if timestamp <= self.newest:
            at = bisect_left(range(number), _key(timestamp, own), key=self._key_at)
        self._ids[at * _HASH : at * _HASH] = own
        first = at * _RECORD.size
        self._records[first:first] = _RECORD.pack(timestamp, entered, left)

    def _remove(self, first: int, end: int) -> None:
        del self._ids[first * _HASH : end * _HASH]
        del self._records[first * _RECORD.size : end * _RECORD.size]

    def _forget(self, limits: Limits) -> None:
        """Forget the ids that are out of the window, or too many."""
        if not self._records:
            return
        number = len(self._ids) // _HASH
        end, last_late = 0, self.newest - limits.traffic_window
        if self._time_at(0) <= last_late:
            end = bisect_right(range(number), last_late, key=self._time_at)
        end = max(end, number - limits.max_crossings)
        if end > 0:
            self._floor = self._key_at(end - 1)
            self._remove(0, end)

    def _time_at(self, at: int) -> int:
        timestamp: int = _RECORD.unpack_from(self._records, at * _RECORD.size)[0]
        return timestamp

    def _key_at(self, at: int) -> bytes:
        return _key(self._time_at(at), bytes(self._ids[at * _HASH : (at + 1) * _HASH]))


def _key(timestamp: int, own: bytes) -> bytes:
    """Return bytes that sort ids by time, then by hash; empty before all time."""
    return _TIME.pack(timestamp) + own if timestamp >= 0 else b""
