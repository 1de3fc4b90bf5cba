"""Crossings of one sensor: deliveries, the counters that they lead to, and the events and payloads of deliveries."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from exporter.events.ids import generation
from exporter.events.measures import Measure
from exporter.events.model import CrossingEvent, SensorMetadata
from exporter.rule.outcome import Outcome
from exporter.rule.traffic import Crossings, CrossingsState
from tests.support.deliveries import HOUR, NOW, SECOND
from tests.support.stores import LIMITS

DAY = 24 * HOUR


class Delivery(NamedTuple):
    """One delivery of a crossing."""

    id: str
    timestamp: int
    entered: int
    left: int


class Totals(NamedTuple):
    """The families of one sensor."""

    entered: int
    left: int
    last_crossing: int


def crossing(n: int, entered: int = 1, left: int = 0, *, t: int | None = None) -> Delivery:
    """Return the delivery number `n`, `n` seconds before now unless `t` is its timestamp."""
    return Delivery(f"event_{n}", NOW - n * SECOND if t is None else t, entered, left)


def apply(crossings: Crossings, delivery: Delivery, window: int = DAY, most: int = 8192) -> Outcome:
    """Apply one delivery with these limits."""
    return crossings.apply(event(delivery), NOW, replace(LIMITS, traffic_window=window, max_crossings=most))


def counted(deliveries: Sequence[Delivery], most: int = 8192) -> Crossings:
    """Return the crossings of these deliveries in this order."""
    crossings = Crossings()
    for delivery in deliveries:
        apply(crossings, delivery, most=most)
    return crossings


def totals(crossings: Crossings) -> Totals:
    """Return the counters and the time of the last crossing."""
    return Totals(crossings.entered, crossings.left, crossings.last_crossing)


def state(crossings: Crossings) -> CrossingsState:
    """Return all that is known of a sensor."""
    return crossings.state(LIMITS)


def sensor(sensor_id: str = "sensor_a", floor: str = "1st Floor") -> SensorMetadata:
    """Return the metadata of a sensor at a door."""
    return SensorMetadata(
        floor_name=floor,
        hive_serial="HV-0042",
        sensor_id=sensor_id,
        mac_address="00-17-0d-00-00-cc-bb-aa",
        sensor_mode="traffic",
        sensor_model="Heatic 2+",
    )


def event(delivery: Delivery, metadata: SensorMetadata | None = None) -> CrossingEvent:
    """Return the parsed event of a delivery."""
    metadata = metadata or sensor()
    return CrossingEvent(
        id=delivery.id,
        measure=Measure.CROSSINGS,
        space_id=metadata.sensor_id,
        timestamp=delivery.timestamp,
        entered=delivery.entered,
        left=delivery.left,
        generation=generation(delivery.id),
        metadata=metadata,
    )


def payload(delivery: Delivery, metadata: SensorMetadata | None = None) -> dict[str, Any]:
    """Return the payload that Butlr would POST for a delivery."""
    return {
        "id": delivery.id,
        "type": "TRAFFIC",
        "timestamp": delivery.timestamp,
        "version": "v1.0.0",
        "metadata": (metadata or sensor())._asdict(),
        "data": {"in": delivery.entered, "out": delivery.left},
    }
