"""The families of entryways as text. An entryway is a sensor that has reported a crossing.

A scrape reads, in part:

    # HELP butlr_entryway_crossings_total People who crossed the entryway, by direction.
    # TYPE butlr_entryway_crossings_total counter
    butlr_entryway_crossings_total{building_name="HQ",direction="in",...,sensor_id="2oULMisdkRfEp6mBag2gLpJ0d7Z"} 12.0

There are few beside zones, so the lines of one are text that is kept until its sensor changes, and no columns.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from exporter.events.measures import Kind
from exporter.metrics.columns import seconds_suffix, value_suffix
from exporter.metrics.families import CROSSINGS, LAST_CROSSING, Role, labels_of
from exporter.metrics.text import label_values, labelled
from exporter.rule.space import Space
from exporter.rule.traffic import Crossed

ENTRYWAY_ROLES = frozenset({Role.CROSSINGS, Role.LAST_CROSSING})
"""The roles of the families of entryways."""

_PIECE = 200
"""Entryways whose lines are joined at a time: some ten KiB."""


class _Entryway(NamedTuple):
    """The lines of one entryway."""

    sensor: Space
    """The sensor that the lines were written from."""
    lines: dict[str, bytes]
    """By family; empty for a sensor that has reported no crossing."""


class Entryways:
    """The lines of all entryways. For one thread at a time."""

    def __init__(self, labels: Sequence[str]) -> None:
        """Take the metadata fields that label a space."""
        self._names = labels_of(Kind.SENSOR, labels)
        self._values_of = label_values(Kind.SENSOR, self._names)
        self._entryways: dict[str, _Entryway] = {}
        """By the id of the sensor."""

    def write(self, sensors: Iterable[Space]) -> None:
        """Write the lines of the sensors that have changed since the last scrape."""
        before, self._entryways = self._entryways, {}
        for sensor in sensors:
            entryway = before.get(sensor.id)
            if entryway is None or entryway.sensor is not sensor:
                entryway = _Entryway(sensor, self._lines_of(sensor))
            self._entryways[sensor.id] = entryway

    def lines(self, family: str) -> Iterator[bytes]:
        """Return the lines of a family in pieces."""
        each = [lines for entryway in self._entryways.values() if (lines := entryway.lines.get(family))]
        for first in range(0, len(each), _PIECE):
            yield b"".join(each[first : first + _PIECE])

    def _lines_of(self, sensor: Space) -> dict[str, bytes]:
        crossed = next((count for count in sensor.counts if isinstance(count, Crossed)), None)
        if crossed is None:
            return {}
        values = self._values_of(sensor.metadata)
        names = (*self._names, "direction")
        lines = {
            CROSSINGS: b"".join(
                [
                    (CROSSINGS + labelled(names, (*values, direction))).encode() + value_suffix(people)
                    for direction, people in (("in", crossed.value), ("out", float(crossed.left)))
                ]
            )
        }
        if crossed.last_crossing >= 0:
            series = (LAST_CROSSING + labelled(self._names, values)).encode()
            lines[LAST_CROSSING] = series + seconds_suffix(crossed.last_crossing)
        return lines
