"""The entries of a journal as they are appended: their numbers, and the metadata that each one needs.

An entry has the metadata of a space only where the next start would not find it in an earlier record.
"""

from collections.abc import Callable, Iterable, Sequence

from exporter.events.model import AnyMetadata, Event
from exporter.journal.codec import DeliveryRecord, encode_delivery, encode_entry, encode_forgotten
from exporter.rule.space import Forgotten, SpaceState


class Entries:
    """The entries so far. For one thread at a time."""

    def __init__(self) -> None:
        """Begin with none."""
        self.last = 0
        """The number of the last entry."""
        self.bytes = 0
        """Bytes of all entries so far, with those that were removed."""
        self.metadata: dict[str, AnyMetadata] = {}
        """The metadata in the last record of each space, by the key of the space. The next entry of a space has its
        metadata unless it is the same as here."""

    def append(self, write: Callable[[bytes], None], events: Sequence[Event], arrival_ms: int) -> None:
        """Have `write` write the record of one entry; if it raises, there is no such entry."""
        deliveries: list[DeliveryRecord] = []
        renamed: list[str] = []
        for event in events:
            key, metadata = event.space_key, event.metadata
            is_renamed = self.metadata.get(key) != metadata
            if is_renamed:
                self.metadata[key] = metadata
                renamed.append(key)
            deliveries.append(encode_delivery(event, is_renamed))
        record = encode_entry(self.last + 1, arrival_ms, deliveries)
        try:
            write(record)
        except BaseException:
            self.forget(renamed)
            raise
        self.last += 1
        self.bytes += len(record)

    def forget_space(self, write: Callable[[bytes], None], space: Forgotten, arrival_ms: int) -> None:
        """Have `write` write the record of the entry that forgets a space; if it raises, there is no such entry."""
        record = encode_entry(self.last + 1, arrival_ms, [encode_forgotten(space)])
        write(record)
        self.last += 1
        self.bytes += len(record)

    def forget(self, keys: Iterable[str]) -> None:
        """Let the next entry of each of these spaces have its metadata."""
        for key in keys:
            self.metadata.pop(key, None)

    def note(self, states: Iterable[SpaceState]) -> None:
        """Note that spaces were saved; a space with an entry since then has its metadata in that one."""
        for state in states:
            self.metadata.setdefault(state.key, state.metadata)
