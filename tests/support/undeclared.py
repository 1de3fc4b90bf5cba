"""The measures whose rules are still to come, as `exporter.events.measures` will declare them with their rules."""

from collections.abc import Iterator
from contextlib import contextmanager

from exporter.events import measures
from exporter.events.measures import Cadence, Declaration, EventType, Kind, KnownType, Measure, Payload


def _measure(name: str, declared: Declaration) -> Measure:
    measure = str.__new__(Measure, name)
    measure._name_ = measure._value_ = name
    measure.declared, measure.kind = declared, declared.kind
    measure.only_type = declared.types[0].name if len(declared.types) == 1 else ""
    return measure


CROSSINGS = _measure(
    "CROSSINGS",
    Declaration(
        number=8,
        kind=Kind.SENSOR,
        payload=Payload.CROSSINGS,
        cadence=Cadence.EVENT,
        types=(EventType("TRAFFIC"),),
        family="butlr_entryway_crossings",
        title="Crossings",
        help="People who crossed the entryway, by direction.",
    ),
)

UNDECLARED = [CROSSINGS]


@contextmanager
def declared() -> Iterator[None]:
    """Let the parsers know these measures."""
    known = {
        each.name: KnownType(measure, each.name, each.value)
        for measure in UNDECLARED
        for each in measure.declared.types
    }
    before = measures._BY_NAME.copy()
    measures._BY_NAME.update(known)
    try:
        yield
    finally:
        measures._BY_NAME.clear()
        measures._BY_NAME.update(before)
