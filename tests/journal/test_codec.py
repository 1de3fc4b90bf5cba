"""The bytes of a journal: numbers, order of fields and version are pinned.

A change that makes a test here fail makes the files of the version before unreadable: it needs another
`codec.FORMAT`, and from the first release on a reader of the old one.
"""

import pytest

from exporter.events.measures import Kind, Measure
from exporter.events.model import METADATA as CLASSES
from exporter.events.model import CrossingEvent, Metadata, ReadingEvent, SensorMetadata
from exporter.journal.codec import (
    FORMAT,
    METADATA_FIELDS,
    CrossedRecord,
    CrossingsRecord,
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
    encode_forgotten,
    encode_space,
)
from exporter.journal.records import frame, unframe
from exporter.rule.outcome import NUMBERS, Outcome
from exporter.rule.reading import Reading, fingerprint, pack, revise, unpack
from exporter.rule.series import SeriesState
from exporter.rule.space import Forgotten, SpaceState
from exporter.rule.traffic import Crossings, CrossingsState
from tests.support.deliveries import NOW
from tests.support.stores import LIMITS

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
    b"\x99\x01"  # nine values, the first of which is the version
    b"\x07"  # number
    b"\xa6zone_1" + METADATA_BYTES + TIMESTAMP + GENERATION + b"\xcf\x00\x00\x01\xa3\x18\\P\x05"  # arrival
    b"\x91\x93\x01"  # one series: measure, floor, readings
    b"\xcf\x00\x00\x01\xa3\x18N\x94`"
    b"\x91\xc4<" + READING + b"\xc0"  # no crossings
)

SPACE_BEFORE = b"\x98" + SPACE[1:-1]
"""The same in version 4 of the files, which had no crossings."""

CROSSING = CrossingEvent(
    id="event_1",
    measure=Measure.CROSSINGS,
    space_id="sensor_1",
    timestamp=NOW - 1,
    entered=2,
    left=3,
    generation=1_700_000_000,
    metadata=SensorMetadata(),
)

CROSSING_BYTES = b"\x97\xa7event_1\x08\xa8sensor_1" + TIMESTAMP + b"\x92\x02\x03" + GENERATION + b"\xc0"

SENSOR = (
    b"\x99\x01\x07\xa8sensor_1\xdc\x00\x14"
    + 20 * b"\xa0"  # version, number, id, twenty names
    + TIMESTAMP
    + GENERATION
    + b"\xcf\x00\x00\x01\xa3\x18\\P\x05"  # arrival
    b"\x90"  # no series
    b"\x96\x02\x03"
    + TIMESTAMP  # crossings: entered, left, the last crossing
    + b"\xc4\x00"  # floor
    b"\xc4\x08HASH-ID1"  # ids
    b"\xc4\x10" + b"\xffO\\\x18\xa3\x01\x00\x00" + b"\x02\x00\x00\x00\x03\x00\x00\x00"  # timestamp, numbers
)

SENSOR_STATE = SpaceState(
    space_id="sensor_1",
    metadata=SensorMetadata(),
    named_at=NOW - 1,
    named_generation=1_700_000_000,
    arrival=NOW + 5,
    series=[],
    crossings=CrossingsState(
        entered=2,
        left=3,
        last_crossing=NOW - 1,
        floor=b"",
        ids=b"HASH-ID1",
        records=b"\xffO\\\x18\xa3\x01\x00\x00" + b"\x02\x00\x00\x00\x03\x00\x00\x00",
    ),
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

    def test_a_space_of_the_version_before_is_read(self) -> None:
        """A space without the field for crossings is the same space."""
        assert decode_space("zone:zone_1", frame(SPACE_BEFORE)) == SavedSpace(7, space())

    def test_a_crossing(self) -> None:
        """The numbers of a crossing are in the place of the value of a reading."""
        (written,) = unframe(encode_entry(7, NOW, [encode_delivery(CROSSING, False)]))
        assert written.endswith(b"\x91" + CROSSING_BYTES)
        (read,) = decode_entry(written).deliveries
        assert decode_delivery(read, SensorMetadata()) == CROSSING

    @pytest.mark.parametrize(("kind", "number"), [(Kind.ZONE, 0), (Kind.ROOM, 2), (Kind.FLOOR, 4), (Kind.SENSOR, 7)])
    def test_a_forgotten_space(self, kind: Kind, number: int) -> None:
        """A forgotten space has no value, and any measure of its kind."""
        (written,) = unframe(encode_entry(7, NOW, [encode_forgotten(Forgotten(kind, "x"))]))
        assert written.endswith(b"\x91\x97\xa0" + bytes([number]) + b"\xa1x\x00\xc0\xc0\xc0")
        (read,) = decode_entry(written).deliveries
        assert decode_delivery(read, METADATA) == Forgotten(kind, "x")

    def test_a_sensor(self) -> None:
        """The crossings of a sensor are the last field of its record."""
        assert list(unframe(encode_space(7, SENSOR_STATE))) == [SENSOR]
        assert decode_space("sensor:sensor_1", frame(SENSOR)) == SavedSpace(7, SENSOR_STATE)

    def test_known_ids(self) -> None:
        """The ids and records of crossings are as the rule packs them."""
        crossings = Crossings()
        crossings.apply(CROSSING, NOW, LIMITS)
        state = crossings.state(LIMITS)
        assert state.records == ((NOW - 1) << 22 | 2 << 11 | 3).to_bytes(8, "little")
        many = Crossings()
        many.apply(CROSSING._replace(entered=2047), NOW, LIMITS)
        assert many.state(LIMITS).records == b"\xffO\\\x18\xa3\x01\x00\x00" + b"\xff\x07\x00\x00\x03\x00\x00\x00"
        assert state.ids == b"\x99\xf0\xcf\xc5\x98\xf1\xd3\xcc"
        assert state.floor == b"\x00\x00\x01\xa3\x135\xf3\xff" + 8 * b"\xff"

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
            8: "CROSSINGS",
        }

    @pytest.mark.parametrize(
        ("written", "fields"),
        [
            *((fields, {*CLASSES[kind]._fields}) for kind, fields in METADATA_FIELDS.items()),
            # That Butlr sent a number below 0 is counted when it arrives, and matters no more.
            (DeliveryRecord.__struct_fields__, {*ReadingEvent._fields} - {"was_negative"}),
            (SeriesRecord.__struct_fields__, {*SeriesState._fields}),
            (SpaceRecord.__struct_fields__, {*SpaceState._fields, "number"}),
            (CrossingsRecord.__struct_fields__, {*CrossingsState._fields}),
            (
                {*DeliveryRecord.__struct_fields__, *CrossedRecord.__struct_fields__} - {"value"},
                {*CrossingEvent._fields} - {"was_negative"},
            ),
        ],
        ids=[*METADATA_FIELDS, "delivery", "series", "space", "crossings", "crossing"],
    )
    def test_every_field_is_written(self, written: tuple[str, ...], fields: set[str]) -> None:
        """A field that is new in the rule is not forgotten here."""
        assert set(written) == fields
