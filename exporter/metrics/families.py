"""The families of spaces: names, help texts and labels, all made from the declarations of the measures."""

from collections.abc import Sequence
from enum import Enum, auto
from typing import NamedTuple

from exporter.events.measures import WITH_PEOPLE, Cadence, Kind, Measure, measures_of
from exporter.events.model import FIELDS

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

SPACES_HELP = "Known spaces by kind and state: fresh, or stale if it is silent."


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
    capacity = f"People the {kind} is meant for, from the capacity file."
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
