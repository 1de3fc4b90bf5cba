"""`butlr-exporter check --against FILE`: which capacity rule each zone of some events takes."""

import sys

from exporter.capacity import Capacity
from exporter.events import InvalidEvent, Metadata, NotJson, OccupancyEvent, parse_body, parse_event


def show(capacity: Capacity, file: str) -> int:
    """Print a line for each zone of a file, a request body on each line; return 1 if something was not understood."""
    newest: dict[str, tuple[int, Metadata]] = {}
    status = 0
    try:
        with open(file, "rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    events = [parse_event(item) for item in parse_body(line)] if line.strip() else []
                except (NotJson, InvalidEvent) as error:
                    print(f"butlr-exporter: {file} line {number}: {error}", file=sys.stderr)  # noqa: T201
                    status = 1
                    continue
                for event in events:
                    if isinstance(event, OccupancyEvent):
                        last = newest.get(event.space_id, (-1, event.metadata))
                        newest[event.space_id] = max(last, (event.timestamp, event.metadata))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "that is no path"
        print(f"butlr-exporter: {file!r} cannot be read: {reason}", file=sys.stderr)  # noqa: T201
        return 1
    for _, metadata in sorted(newest.values(), key=lambda seen: seen[1]):
        print(f"{_place(metadata)}: {_taken(capacity, metadata)}")  # noqa: T201
    return status


def _place(metadata: Metadata) -> str:
    names = (metadata.building_name, metadata.floor_name, metadata.room_name, metadata.zone_name)
    return " / ".join([*filter(None, names), metadata.zone_id])


def _taken(capacity: Capacity, metadata: Metadata) -> str:
    rule = capacity.rule(metadata)
    if rule is None:
        return "no rule"
    return f"{'no capacity' if rule.max is None else f'{rule.max:g}'} by line {rule.line}"
