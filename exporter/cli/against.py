"""`butlr-exporter check --against FILE`: the capacity rule that matches each zone of some events."""

from exporter.capacity.rules import Capacity
from exporter.cli.arguments import print_error
from exporter.cli.captured import CapturedEvents, UnreadableCapture
from exporter.events.model import Metadata


def print_rules(capacity: Capacity, file: str) -> int:
    """Print the matching rule of each zone in a file of captured deliveries.

    Return the exit status: 1 if something in the file was not understood.
    """
    newest: dict[str, tuple[int, Metadata]] = {}
    captured = CapturedEvents(file)
    try:
        for event in captured:
            last = newest.get(event.space_id, (-1, event.metadata))
            newest[event.space_id] = max(last, (event.timestamp, event.metadata))
    except UnreadableCapture as error:
        print_error(str(error))
        return 1
    for metadata in sorted(metadata for _, metadata in newest.values()):
        print(f"{_place(metadata)}: {_capacity_text(capacity, metadata)}")  # noqa: T201
    return 1 if captured.mistakes else 0


def _place(metadata: Metadata) -> str:
    names = (metadata.building_name, metadata.floor_name, metadata.room_name, metadata.zone_name)
    return " / ".join([*filter(None, names), metadata.zone_id])


def _capacity_text(capacity: Capacity, metadata: Metadata) -> str:
    rule = capacity.rule(metadata)
    if rule is None:
        return "no rule"
    return f"{'no capacity' if rule.max is None else f'{rule.max:.15g}'} by line {rule.line}"
