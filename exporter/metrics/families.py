"""The families of spaces: names, help texts and labels, all made from the declarations of the measures."""

from collections.abc import Sequence
from enum import Enum, auto
from typing import NamedTuple

from exporter.events.measures import WITH_PEOPLE, Cadence, Kind, Measure, measures_of
from exporter.events.model import FIELDS, SensorMetadata

OCCUPANCY = {measure: measure.declared.family for measure in Measure if measure.declared.cadence is not Cadence.EVENT}
"""The family of the current value of each measure that has readings."""

TIMESTAMP = {measure: f"{family}_timestamp_seconds" for measure, family in OCCUPANCY.items()}
"""The family of the time at which that value was sensed."""

SETTLED = {
    measure: f"{family}_settled" for measure, family in OCCUPANCY.items() if measure.declared.cadence is Cadence.MINUTE
}
"""The family of the final counts, on `/metrics/settled` only."""

CROSSINGS = f"{Measure.CROSSINGS.declared.family}_total"

LAST_CROSSING = "butlr_entryway_last_crossing_timestamp_seconds"

INFO = {kind: f"butlr_{kind}_info" for kind in Kind}

CAPACITY = {kind: f"butlr_{kind}_capacity" for kind in WITH_PEOPLE}

_SENSED_HELP = "When the reading of {} was sensed, also while the space is silent."

_TIMESTAMP_HELP = {
    Cadence.MINUTE: _SENSED_HELP,
    Cadence.CHANGE: "When {} last changed.",
    Cadence.STREAM: _SENSED_HELP,
}
"""The help texts of timestamps, for the family of the value."""

SPACES = "butlr_exporter_spaces"

SPACES_HELP = "Spaces by kind and state: fresh, stale if silent, missing if Butlr lists it but it never came."

TAGS = {kind: f"butlr_{kind}_tag_info" for kind in WITH_PEOPLE}

SENSOR_ONLINE = "butlr_sensor_online"

SENSOR_HEARTBEAT = "butlr_sensor_last_heartbeat_timestamp_seconds"

HIVE_ONLINE = "butlr_hive_online"

HIVE_ID = "hive_id"
"""The metadata field with a hive's own id."""

ASSETS_HELP = {
    **{family: f"A tag of the {kind} in Butlr's assets; always 1." for kind, family in TAGS.items()},
    SENSOR_ONLINE: "1 while the sensor is connected, else 0, by Butlr's assets.",
    SENSOR_HEARTBEAT: "When Butlr last heard of the sensor.",
    HIVE_ONLINE: "1 while the hive is connected, else 0, by Butlr's assets.",
}
"""The help text of every family of assets, in the order of an exposition."""


class Role(Enum):
    """The meaning of a family's value."""

    VALUE = auto()
    TIMESTAMP = auto()
    INFO = auto()
    CAPACITY = auto()
    CROSSINGS = auto()
    """A counter, for each direction."""
    LAST_CROSSING = auto()


class Family(NamedTuple):
    """One family of one kind of space."""

    name: str
    help: str
    role: Role
    measure: Measure | None = None
    """None for a family that belongs to the space as a whole."""


def families_of(kind: Kind) -> list[Family]:
    """Return the families of a kind of space, in the order of an exposition."""
    measures = measures_of(kind)
    readings = [measure for measure in measures if measure in OCCUPANCY]
    capacity = f"People the {kind} is meant for, from the capacity file, else from Butlr."
    return [
        *(Family(OCCUPANCY[measure], measure.declared.help, Role.VALUE, measure) for measure in readings),
        *(
            Family(
                TIMESTAMP[measure],
                _TIMESTAMP_HELP[measure.declared.cadence].format(OCCUPANCY[measure]),
                Role.TIMESTAMP,
                measure,
            )
            for measure in readings
        ),
        *(family for measure in measures if measure not in OCCUPANCY for family in _of_crossings(measure)),
        Family(INFO[kind], f"Every id and name Butlr gives for the {kind}; always 1.", Role.INFO),
        *([Family(CAPACITY[kind], capacity, Role.CAPACITY)] if kind in CAPACITY else []),
    ]


def _of_crossings(measure: Measure) -> list[Family]:
    return [
        Family(CROSSINGS, measure.declared.help, Role.CROSSINGS, measure),
        Family(LAST_CROSSING, "When somebody last crossed the entryway.", Role.LAST_CROSSING, measure),
    ]


HELP = {family.name: family.help for kind in Kind for family in families_of(kind)} | {SPACES: SPACES_HELP}
"""The help text of every family of spaces, in the order of an exposition."""


def labels_of(kind: Kind, labels: Sequence[str]) -> list[str]:
    """Return the metadata fields that label a kind of space: the chosen ones that it can have, and its own id."""
    return [*(label for label in labels if label in FIELDS[kind] and label != kind.id_field), kind.id_field]


def hive_labels_of(labels: Sequence[str]) -> list[str]:
    """Return the metadata fields of a sensor that label a hive: the chosen ones that a hive can have, and its id."""
    fields = SensorMetadata._fields[: SensorMetadata._fields.index("sensor_id")]
    return [*(label for label in labels if label in fields and label != HIVE_ID), HIVE_ID]
