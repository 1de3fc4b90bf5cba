"""A body with one valid event, as nearly all are, read from its bytes in a third of the time.

It returns the same as `parse`, or nothing. It describes the payloads a second time, for a JSON reader that is
faster because it explains no mistake; `tests/events/test_fast.py` compares both.
"""

from operator import itemgetter
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import astuple

from exporter.events.ids import generation
from exporter.events.measures import PEOPLE, Kind, KnownType, Measure, Payload, known_type
from exporter.events.model import (
    FIELDS,
    ID_POSITION,
    MAX_STRING,
    METADATA,
    Event,
    Metadata,
    ReadingEvent,
    SensorMetadata,
    new_tuple,
)
from exporter.events.parse import parse_strict
from exporter.events.payloads import MAX_CROSSINGS, MAX_POINTS, event_of
from exporter.events.times import EARLIEST_TIMESTAMP

_Id = Annotated[str, Meta(min_length=1, max_length=MAX_STRING)]
_Text = Annotated[str, Meta(max_length=MAX_STRING)]
_WholeNumber = Annotated[int, Meta(ge=0, le=MAX_CROSSINGS)]
_Points = Annotated[list[tuple[float, float]], Meta(max_length=MAX_POINTS)]


_FIELDS = tuple(dict.fromkeys([*Metadata._fields, *SensorMetadata._fields]))
"""The metadata fields of all kinds of spaces, those of a zone first."""

_Metadata: Any = msgspec.defstruct(
    "_Metadata",
    [(name, _Text | None, "") for name in _FIELDS],
    kw_only=True,
    # A skipped field is not looked at, and so might not even be JSON.
    forbid_unknown_fields=True,
    gc=False,
)


class _Data(Struct, forbid_unknown_fields=True, gc=False, rename={"in_": "in"}):
    """The fields of every payload that is an object."""

    in_: _WholeNumber | UnsetType = UNSET
    out: _WholeNumber | UnsetType = UNSET
    world: _Points | None = None
    local: _Points | None = None


class _Event(Struct, forbid_unknown_fields=True, gc=False, kw_only=True):
    """An event of any type."""

    id: _Id
    type: _Id
    timestamp: Annotated[float, Meta(ge=EARLIEST_TIMESTAMP)]
    version: _Text | None = None
    metadata: _Metadata
    data: Annotated[float, Meta(ge=0)] | _Data | UnsetType = UNSET


_decode = msgspec.json.Decoder(_Event).decode


class _Counted(NamedTuple):
    """A measure of people."""

    measure: Measure
    own: int
    """The position of the space's own id in the metadata."""
    fields: int
    """The number of its metadata fields, which come first among those of all kinds."""
    missing: tuple[str, ...]
    """The values of its metadata behind these."""


_MISSING = {kind: ("",) * (len(METADATA[kind]._fields) - len(FIELDS[kind])) for kind in Kind}
"""The last values of the metadata of each kind of space: those of fields that it cannot have."""

_COUNTED = {
    spelling: _Counted(measure, ID_POSITION[measure.kind], len(FIELDS[measure.kind]), _MISSING[measure.kind])
    for measure in Measure
    if measure.declared.payload in PEOPLE
    for each in measure.declared.types
    for spelling in (each.name, *each.spellings)
}
"""The measures of people by the names of their event types: one look-up for nearly every event."""

_names_of = {kind: itemgetter(*map(_FIELDS.index, FIELDS[kind])) for kind in Kind}
"""Return the values of the metadata fields of each kind of space among those of all fields."""


def parse_fast(body: bytes) -> Event | None:
    """Return the event of a body that is one valid event of an exported measure.

    None for any other body, and where `parse_body` and `parse_event` might come to another result.
    """
    if body[:1] != b"{":
        return None
    try:
        payload = _decode(body)
    except ValueError:  # a mistake, or a field that is new
        return parse_strict(body)
    counted = _COUNTED.get(payload.type)
    if counted is None:
        known = known_type(payload.type)
        if known is None:
            return None
        counted = _COUNTED.get(known.name)
        if counted is None:
            return _other_event(known, payload)
    measure, own, number, missing = counted
    names = astuple(payload.metadata)[:number]
    if None in names:
        names = tuple([name or "" for name in names])
    space_id, people = names[own], payload.data
    if not space_id or people.__class__ is not float:
        return None
    event_id = payload.id
    event: ReadingEvent = new_tuple(
        ReadingEvent,
        (
            event_id,
            measure,
            space_id,
            int(payload.timestamp),
            abs(people),
            generation(event_id),
            new_tuple(Metadata, names + missing if missing else names),
            False,
        ),
    )
    return event


def _other_event(known: KnownType, payload: _Event) -> Event | None:
    """Return the event of a payload that is no number of people."""
    measure, data = known.measure, payload.data
    shape, people = measure.declared.payload, known.value or 0.0
    if shape is not Payload.MOTION:
        if data.__class__ is not _Data:
            return None
        if shape is Payload.DETECTIONS:
            world, local = data.world, data.local
            if world is None is local:
                return None
            people = float(max(len(world or ()), len(local or ())))
        elif UNSET in (data.in_, data.out):
            return None
    kind = measure.kind
    names = _names_of[kind](astuple(payload.metadata))
    if None in names:
        names = tuple([name or "" for name in names])
    space_id = names[ID_POSITION[kind]]
    if not space_id:
        return None
    metadata = new_tuple(METADATA[kind], names + _MISSING[kind])
    if shape is Payload.CROSSINGS:
        return event_of(known, payload.id, payload.timestamp, data, metadata)
    event_id = payload.id
    event: ReadingEvent = new_tuple(
        ReadingEvent,
        (event_id, measure, space_id, int(payload.timestamp), people, generation(event_id), metadata, False),
    )
    return event
