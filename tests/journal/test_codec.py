"""The bytes of a journal: numbers, order of fields and version are pinned.

A change that makes a test here fail makes the files of the version before unreadable: it needs another
`codec.FORMAT`, and from the first release on a reader of the old one.
"""

import pytest

from exporter.events.measures import Kind, Measure
from exporter.events.model import METADATA as CLASSES
from exporter.events.model import Metadata, ReadingEvent
from exporter.journal.codec import (
    FORMAT,
    METADATA_FIELDS,
    DeliveryRecord,
    SavedSpace,
    SeriesRecord,
    SpaceRecord,
    decode_delivery,
    decode_entry,
    decode_metadata,
    decode_space,
    encode_delivery,
    encode_entry,
    encode_space,
)
from exporter.journal.records import frame, unframe
from exporter.rule.outcome import NUMBERS, Outcome
from exporter.rule.reading import Reading, fingerprint, pack, revise, unpack
from exporter.rule.series import SeriesState
from exporter.rule.space import SpaceState
from tests.support.deliveries import NOW

METADATA = Metadata(**{name: name for name in Metadata._fields})
FIRST = ReadingEvent(
    id="event_1",
    measure=Measure.ZONE_OCCUPANCY_1MIN,
    space_id="zone_1",
    timestamp=NOW - 1,
    value=2.5,
    generation=1_700_000_000,
    metadata=METADATA,
)
SECOND = FIRST._replace(id="event_2", value=3.0)
OTHER = FIRST._replace(measure=Measure.ZONE_OCCUPANCY, generation=None)

METADATA_BYTES = (
    b"\x9f\xa6org_id\xa8org_name\xa7site_id\xa9site_name\xabbuilding_id\xadbuilding_name"
    b"\xa8floor_id\xaafloor_name\xaffloor_custom_id\xa7room_id\xa9room_name\xaeroom_custom_id"
    b"\xa7zone_id\xa9zone_name\xaezone_custom_id"
)
TIMESTAMP = b"\xcf\x00\x00\x01\xa3\x18\\O\xff"
GENERATION = b"\xceeS\xf1\x00"

ENTRY = (
    b"\x94\x01"  # four values, the first of which is the version
    b"\x07"  # number
    b"\xcf\x00\x00\x01\xa3\x18\\P\x00"  # arrival
    b"\x92"  # two deliveries: id, measure, space, timestamp, value, generation, metadata
    b"\x97\xa7event_1\x01\xa6zone_1" + TIMESTAMP + b"\xcb@\x04\x00\x00\x00\x00\x00\x00" + GENERATION + METADATA_BYTES
) + (b"\x97\xa7event_1\x00\xa6zone_1" + TIMESTAMP + b"\xcb@\x04\x00\x00\x00\x00\x00\x00\xc0\xc0")

READING = (
    b"\x00\x00\x01\xa3\x18\\O\xff"  # timestamp
    b"\x8ap4\xc2\x89\xdbm\xbe\xefW\x8a\xabl#\xd5\xe9"  # hashes of two deliveries
    b"event_2"
    b"\x00\x00\x00\x00\x00\x00\x08@"  # value
    b"\x00\xf1Se\x00\x00\x00\x00"  # generation
    b"\x05P\\\x18\xa3\x01\x00\x00"  # arrival
    b"\x01\x00"  # revisions
    b"\x08"  # outcome
    b"\x07\x00"  # length of the id
)

SPACE = (
    b"\x98\x01"  # eight values, the first of which is the version
    b"\x07"  # number
    b"\xa6zone_1" + METADATA_BYTES + TIMESTAMP + GENERATION + b"\xcf\x00\x00\x01\xa3\x18\\P\x05"  # arrival
    b"\x91\x93\x01"  # one series: measure, floor, readings
    b"\xcf\x00\x00\x01\xa3\x18N\x94`"
    b"\x91\xc4<" + READING
)


def space() -> SpaceState:
    """Return the space after both deliveries."""
    reading, _ = revise(pack(FIRST, fingerprint(FIRST), NOW, Outcome.NEW), SECOND, fingerprint(SECOND), NOW + 5)
    return SpaceState(
        space_id="zone_1",
        metadata=METADATA,
        named_at=NOW - 1,
        named_generation=1_700_000_000,
        arrival=NOW + 5,
        series=[SeriesState(measure=Measure.ZONE_OCCUPANCY_1MIN, floor=NOW - 900_000, readings=[reading])],
    )


class TestGolden:
    """One entry and one space, byte by byte."""

    def test_an_entry_is_written_so(self) -> None:
        """The version comes first; only the first delivery has the metadata."""
        record = encode_entry(7, NOW, [encode_delivery(FIRST, True), encode_delivery(OTHER, False)])
        assert record == frame(ENTRY)
        assert record[:12] == b"\xfd\x00\x00\x00\x02\xff\xff\xff'?G\xfe"

    def test_an_entry_is_read_so(self) -> None:
        """The same bytes give the same deliveries."""
        entry = decode_entry(ENTRY)
        assert (entry.number, entry.arrival_ms) == (7, NOW)
        first, other = entry.deliveries
        assert first.metadata is not None
        assert decode_delivery(first, decode_metadata(first.metadata, Kind.ZONE)) == FIRST
        assert other.metadata is None
        assert decode_delivery(other, METADATA) == OTHER

    def test_a_space_is_written_so(self) -> None:
        """The version comes first, and readings are as the rule packs them."""
        assert list(unframe(encode_space(7, space()))) == [SPACE]

    def test_a_space_is_read_so(self) -> None:
        """The same bytes give the same space."""
        assert decode_space("zone:zone_1", frame(SPACE)) == SavedSpace(7, space())
        assert unpack(READING) == Reading(
            timestamp=NOW - 1,
            value=3.0,
            generation=1_700_000_000,
            revisions=1,
            deliveries=2,
            outcome=Outcome.CORRECTED,
            arrival=NOW + 5,
            id="event_2",
        )

    @pytest.mark.parametrize("version", [0, FORMAT + 1])
    def test_another_version_is_refused(self, version: int) -> None:
        """A record of another version is not read as if it were of this one."""
        with pytest.raises(ValueError, match="Invalid value"):
            decode_entry(ENTRY[:1] + bytes([version]) + ENTRY[2:])
        with pytest.raises(ValueError, match="Invalid value"):
            decode_space("zone:zone_1", frame(SPACE[:1] + bytes([version]) + SPACE[2:]))


class TestDeclared:
    """Numbers and fields."""

    def test_outcomes_have_fixed_numbers(self) -> None:
        """An outcome keeps its number, and a new one gets another."""
        assert {number: outcome.value for outcome, number in NUMBERS.items()} == {
            0: "invalid",
            1: "unsupported",
            2: "future",
            3: "overflow",
            4: "late",
            5: "duplicate",
            6: "superseded",
            7: "repeated",
            8: "corrected",
            9: "new",
            10: "backfilled",
        }
        assert NUMBERS.keys() == set(Outcome)

    def test_measures_have_fixed_numbers(self) -> None:
        """A measure keeps its number, and a new one gets another."""
        assert {measure.declared.number: measure.value for measure in Measure} == {
            0: "ZONE_OCCUPANCY",
            1: "ZONE_OCCUPANCY_1MIN",
            2: "ROOM_OCCUPANCY",
            3: "ROOM_OCCUPANCY_1MIN",
            4: "FLOOR_OCCUPANCY",
            5: "FLOOR_OCCUPANCY_1MIN",
            6: "MOTION",
            7: "DETECTIONS",
        }

    @pytest.mark.parametrize(
        ("written", "fields"),
        [
            *((fields, {*CLASSES[kind]._fields}) for kind, fields in METADATA_FIELDS.items()),
            # That Butlr sent a number below 0 is counted when it arrives, and matters no more.
            (DeliveryRecord.__struct_fields__, {*ReadingEvent._fields} - {"was_negative"}),
            (SeriesRecord.__struct_fields__, {*SeriesState._fields}),
            (SpaceRecord.__struct_fields__, {*SpaceState._fields, "number"}),
        ],
        ids=[*METADATA_FIELDS, "delivery", "series", "space"],
    )
    def test_every_field_is_written(self, written: tuple[str, ...], fields: set[str]) -> None:
        """A field that is new in the rule is not forgotten here."""
        assert set(written) == fields
