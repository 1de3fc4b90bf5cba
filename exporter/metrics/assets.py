"""The families of Butlr's assets: tags of spaces, and whether sensors and hives are connected.

Their lines are written once for each inventory, so that a scrape only yields them. They read, in part:

    # HELP butlr_zone_tag_info A tag of the zone in Butlr's assets; always 1.
    # TYPE butlr_zone_tag_info gauge
    butlr_zone_tag_info{tag="Desks",zone_id="zone_2oUJLGKGlqPjwnUCwXNXpX3HB28"} 1.0
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import islice

from exporter.events.measures import Kind
from exporter.events.model import FIELDS, SensorMetadata
from exporter.inventory import Device, Inventory
from exporter.metrics.families import (
    ASSETS_HELP,
    HIVE_ONLINE,
    SENSOR_HEARTBEAT,
    SENSOR_ONLINE,
    TAGS,
    hive_labels_of,
    labels_of,
)
from exporter.metrics.text import escaped, head, label_values, labelled, number, with_comments
from exporter.pieces import paced

_LINES_WITHOUT_PAUSE = 200
"""Lines that are written without a pause: some tenths of a millisecond."""

_LINES_OF_A_PIECE = 300
"""Lines of one piece of the exposition, of about 150 bytes each."""

_OF_PLACE = len(FIELDS[Kind.ROOM])
"""Number of the metadata fields that a place and a sensor have in common, the first of both."""


class AssetFamilies:
    """The families of the assets. Thread-safe: their pieces are only ever replaced."""

    def __init__(self, labels: Sequence[str]) -> None:
        """Take the metadata fields that label a space."""
        self._of_sensor = _Labels(labels_of(Kind.SENSOR, labels))
        self._of_hive = _Labels(hive_labels_of(labels))
        self._pieces: Mapping[str, list[bytes]] = {}
        """The lines of each family, in pieces."""

    def show(self, inventory: Inventory) -> None:
        """Expose this inventory from now on. Other threads run while its lines are written."""
        self._pieces = {family: list(_in_pieces(lines)) for family, lines in self._lines(inventory)}

    def render(self, names: Container[str] | None = None) -> Iterator[bytes]:
        """Write the families in pieces; with `names`, only those of them that have samples."""
        pieces = self._pieces
        for family, help_text in ASSETS_HELP.items():
            if names is None or family in names:
                samples = iter(pieces.get(family, ()))
                yield from with_comments(head(family, help_text), samples, with_samples_only=names is not None)

    def _lines(self, inventory: Inventory) -> Iterator[tuple[str, Iterator[str]]]:
        """Return the lines of each family."""
        for kind, family in TAGS.items():
            yield family, _tags(family, kind, inventory)
        sensors, hives = inventory.sensors, inventory.hives
        online = ((self._of_sensor.text(_sensor(each)), each.is_online) for each in sensors)
        yield SENSOR_ONLINE, _samples(SENSOR_ONLINE, online)
        heard = ((self._of_sensor.text(_sensor(each)), _seconds(each.last_heartbeat_ms)) for each in sensors)
        yield SENSOR_HEARTBEAT, _samples(SENSOR_HEARTBEAT, heard)
        online = ((self._of_hive.text(_hive(each)), each.is_online) for each in hives)
        yield HIVE_ONLINE, _samples(HIVE_ONLINE, online)


class _Labels:
    """The labels of a device as text."""

    def __init__(self, names: Iterable[str]) -> None:
        """Take the metadata fields of a sensor that are the labels."""
        ordered = sorted(names)
        self._values = label_values(Kind.SENSOR, ordered)
        self._template = "{" + ",".join(f'{name}="%s"' for name in ordered) + "}"

    def text(self, metadata: SensorMetadata) -> str:
        """Return the labels of the device with this metadata."""
        return self._template % tuple(map(escaped, self._values(metadata)))


def _tags(family: str, kind: Kind, inventory: Inventory) -> Iterator[str]:
    for space_id, asset in inventory.spaces[kind].items():
        for tag in asset.tags:
            yield f"{family}{labelled(('tag', kind.id_field), (tag, space_id))} 1.0\n"


def _sensor(device: Device) -> SensorMetadata:
    return _placed(device)._replace(sensor_id=device.id, mac_address=device.address)


def _hive(device: Device) -> SensorMetadata:
    return _placed(device)._replace(hive_id=device.id, hive_serial=device.address)


def _placed(device: Device) -> SensorMetadata:
    """Return the ids and names of the place of a device."""
    return SensorMetadata(*device.place[:_OF_PLACE])


def _seconds(time_ms: int | None) -> float | None:
    return None if time_ms is None else time_ms / 1000


def _samples(family: str, values: Iterable[tuple[str, float | None]]) -> Iterator[str]:
    """Return the lines of these labels and values, without those whose value is unknown."""
    return (f"{family}{labels} {number(value)}\n" for labels, value in values if value is not None)


def _in_pieces(lines: Iterator[str]) -> Iterator[bytes]:
    paced_lines = paced(lines, _LINES_WITHOUT_PAUSE)
    while piece := "".join(islice(paced_lines, _LINES_OF_A_PIECE)):
        yield piece.encode()
