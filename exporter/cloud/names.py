"""The names of a space for a reading that Butlr's API brought, which come from the inventory and from events.

An event may bring more names or newer ones than the inventory has, and a series must not change its labels with every
other reading. So the inventory's names are given when they are new, until they have become those of the space once;
after that a reading has the names that are known.
"""

from exporter.events.measures import Kind
from exporter.events.model import AnyMetadata, Metadata
from exporter.inventory import Assets
from exporter.rule.store import Store

_LEVELS = (
    ("org_id", "org_name"),
    ("site_id", "site_name"),
    ("building_id", "building_name"),
    ("floor_id", "floor_name", "floor_custom_id"),
    ("room_id", "room_name", "room_custom_id"),
    ("zone_id", "zone_name", "zone_custom_id"),
)
"""The fields of each place around a space, from the widest to the narrowest; its id is the first."""


class Names:
    """Names the spaces of readings, for one thread."""

    def __init__(self, assets: Assets, store: Store) -> None:
        self._assets = assets
        self._store = store
        self._given: dict[tuple[Kind, str], Metadata] = {}
        """The inventory's names that each space has had."""
        self._giving: dict[tuple[Kind, str], Metadata] = {}
        """New names that the poll under way has given."""

    def polled(self, kind: Kind, space_id: str, now_ms: int) -> AnyMetadata:
        """Return the names for a polled reading: those of the inventory while new, then those that are known."""
        asset = self._assets.current.spaces[kind].get(space_id)
        if asset is not None and self._given.get((kind, space_id)) != asset.metadata:
            self._giving[kind, space_id] = asset.metadata
            known = self._store.names(kind, space_id, now_ms)
            return filled(asset.metadata, known) if isinstance(known, Metadata) else asset.metadata
        return self.known(kind, space_id, now_ms)

    def known(self, kind: Kind, space_id: str, now_ms: int) -> AnyMetadata:
        """Return the names that are known of a space; else those of the inventory."""
        known = self._store.names(kind, space_id, now_ms)
        if known is None:
            asset = self._assets.current.spaces[kind].get(space_id)
            return asset.metadata if asset is not None else Metadata(**{kind.id_field: space_id})
        return known

    def end_poll(self, now_ms: int) -> None:
        """Let the names be no longer new that the poll gave, except where a newer event has others."""
        for (kind, space_id), metadata in self._giving.items():
            known = self._store.names(kind, space_id, now_ms)
            if isinstance(known, Metadata) and filled(metadata, known) == known:
                self._given[kind, space_id] = metadata
        self._giving.clear()


def filled(names: Metadata, known: Metadata) -> Metadata:
    """Return the names of the inventory; known ones fill its gaps, as far as both tell of the same places."""
    found: dict[str, str] = {}
    for fields in _LEVELS:
        own_id, known_id = getattr(names, fields[0]), getattr(known, fields[0])
        if own_id and known_id and own_id != known_id:
            break  # the space was moved: what is known of places further in tells of the old ones
        found |= {field: getattr(known, field) for field in fields if not getattr(names, field)}
    return names._replace(**found)
