"""`butlr-exporter check --against FILE`: the capacity rule that matches each space of some events."""

from exporter.capacity.rules import Capacity
from exporter.cli.arguments import print_error
from exporter.cli.captured import CapturedEvents, UnreadableCapture
from exporter.events.measures import WITH_PEOPLE, Kind
from exporter.events.model import AnyMetadata


def print_rules(capacity: Capacity, file: str) -> int:
    """Print the matching rule of each space in a file of captured deliveries, zones first.

    Return the exit status: 1 if something in the file was not understood.
    """
    newest: dict[Kind, dict[str, tuple[int, AnyMetadata]]] = {kind: {} for kind in Kind}
    captured = CapturedEvents(file)
    try:
        for event in captured:
            known = newest[event.measure.kind]
            last = known.get(event.space_id, (-1, event.metadata))
            known[event.space_id] = max(last, (event.timestamp, event.metadata))
    except UnreadableCapture as error:
        print_error(str(error))
        return 1
    for kind in WITH_PEOPLE:
        for metadata in sorted(metadata for _, metadata in newest[kind].values()):
            print(f"{_place(kind, metadata)}: {_capacity_text(capacity, kind, metadata)}")  # noqa: T201
    return 1 if captured.mistakes else 0


def _place(kind: Kind, metadata: AnyMetadata) -> str:
    fields = metadata._asdict()
    names = [fields[name] for name in ("building_name", "floor_name", "room_name", "zone_name")]
    return " / ".join([*filter(None, names), fields[kind.id_field]])


def _capacity_text(capacity: Capacity, kind: Kind, metadata: AnyMetadata) -> str:
    rule = capacity.rule(metadata, kind)
    if rule is None:
        return "no rule"
    return f"{'no capacity' if rule.max is None else f'{rule.max:.15g}'} by line {rule.line}"
