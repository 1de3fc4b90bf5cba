"""Events for tests: ids that carry a generation, and the payloads that Butlr would send for them."""

import json
from typing import Any

from exporter.events import KSUID_EPOCH, Measure, Metadata, OccupancyEvent

NOW = 1_800_000_000_000
"""The tests' present, milliseconds since the epoch."""

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def event_id(generation: int, tail: int = 0) -> str:
    """Return an event id whose KSUID holds `generation` (Unix seconds) and `tail` (its random part)."""
    number = (generation - KSUID_EPOCH << 128) + tail
    digits = ""
    for _ in range(27):
        number, digit = divmod(number, 62)
        digits = _DIGITS[digit] + digits
    return f"event_{digits}"


def delivery(
    t: int = NOW,
    v: float = 1.0,
    *,
    generation: int | None = None,
    id: str | None = None,  # noqa: A002 - the field's own name
    zone: str = "zone_a",
    name: str = "Desk 01",
    measure: Measure = Measure.ZONE_OCCUPANCY,
) -> OccupancyEvent:
    """Return one parsed event; with a generation its id is made of it and so is one per generation."""
    return OccupancyEvent(
        id=id or (event_id(generation) if generation else "event_xxx"),
        measure=measure,
        space_id=zone,
        timestamp=t,
        value=v,
        generation=generation,
        metadata=Metadata(zone_id=zone, zone_name=name, floor_name="1st Floor"),
    )


def payload(event: OccupancyEvent) -> dict[str, Any]:
    """Return what Butlr would POST for an event."""
    return {
        "id": event.id,
        "type": event.measure.value,
        "timestamp": event.timestamp,
        "version": "v1.0.0",
        "metadata": event.metadata._asdict(),
        "data": event.value,
    }


def body(*events: OccupancyEvent) -> bytes:
    """Return a request body: one object for one event, an array for several."""
    payloads = [payload(event) for event in events]
    return json.dumps(payloads[0] if len(payloads) == 1 else payloads).encode()


class Clock:
    """A clock that tests move: Unix seconds, as `time.time` tells them."""

    def __init__(self, milliseconds: int = NOW) -> None:
        """Start at a time in milliseconds."""
        self.now = milliseconds

    def __call__(self) -> float:
        """Tell the time."""
        return self.now / 1000
