"""`butlr-exporter check --against FILE`: which capacity rule each zone of some events takes."""

from exporter.capacity import Capacity
from exporter.cli.captured import Captured, Unreadable, say
from exporter.events.model import Metadata


def show(capacity: Capacity, file: str) -> int:
    """Print a line for each zone of a file, a request body on each line; return 1 if something was not understood."""
    newest: dict[str, tuple[int, Metadata]] = {}
    captured = Captured(file)
    try:
        for event in captured:
            last = newest.get(event.space_id, (-1, event.metadata))
            newest[event.space_id] = max(last, (event.timestamp, event.metadata))
    except Unreadable as error:
        say(str(error))
        return 1
    for _, metadata in sorted(newest.values(), key=lambda seen: seen[1]):
        print(f"{_place(metadata)}: {_taken(capacity, metadata)}")  # noqa: T201
    return 1 if captured.mistakes else 0


def _place(metadata: Metadata) -> str:
    names = (metadata.building_name, metadata.floor_name, metadata.room_name, metadata.zone_name)
    return " / ".join([*filter(None, names), metadata.zone_id])


def _taken(capacity: Capacity, metadata: Metadata) -> str:
    rule = capacity.rule(metadata)
    if rule is None:
        return "no rule"
    return f"{'no capacity' if rule.max is None else f'{rule.max:g}'} by line {rule.line}"
