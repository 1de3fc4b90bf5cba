"""The places that one page lists: by floor, floors by building, or in another order. Without Flask.

More places than fit on a page are not cut into pages, but become an index of their floors, each with a page of its own.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple, TypeVar

from exporter.events.measures import Kind
from exporter.web.pages.floors import Floor, Floors, People, Tally
from exporter.web.pages.rows import Query, Row, Sort, floor_names, in_order

PAGE_SIZE = 100
"""Spaces on a page."""

INDEX_SIZE = 200
"""Floors on a page of the index."""

_Item = TypeVar("_Item")


class Group(NamedTuple):
    """The spaces of one floor, or the floors of one building."""

    key: str
    place: tuple[str, ...]
    """The names of the floor, building and site, the narrowest first; of a building without the floor."""
    tally: Tally
    """All spaces of the listed kind that are there, also those that the query does not find."""
    people: People | None
    itself: Row | None
    """The floor as a space, if Butlr counts its people."""


class Listing(NamedTuple):
    """One page of the places that a query finds."""

    sections: list[tuple[Group | None, list[Row]]]
    """Places under their group; under none in an order other than that of places."""
    floors: list[Group]
    """The floors to choose from; empty if there is only one, or if one is chosen."""
    page: int
    pages: int

    @property
    def rows(self) -> list[Row]:
        """All places of the page."""
        return [row for _, rows in self.sections for row in rows]


def listing_of(chosen: Sequence[Row], floors: Floors, kind: Kind, query: Query) -> Listing:
    """Return the page of a query with these places, which are sorted by place."""
    if query.sort is not Sort.PLACE:
        rows, page, pages = page_of(in_order(chosen, query.sort), len(chosen), query, PAGE_SIZE)
        return Listing([(None, rows)] if rows else [], [], page, pages)
    if kind is Kind.FLOOR:
        rows, page, pages = page_of(chosen, len(chosen), query, PAGE_SIZE)
        return Listing(_by_building(rows, floors), [], page, pages)
    every = floors.keys(chosen)
    if len(every) < 2 or len(chosen) <= PAGE_SIZE:
        rows, page, pages = page_of(chosen, len(chosen), query, PAGE_SIZE)
        sections = [(_group(floors[key], kind), of_floor) for key, of_floor in floors.grouped(rows).items()]
        return Listing([*sections], [group for group, _ in sections] if len(sections) > 1 else [], page, pages)
    keys, page, pages = page_of(every, len(every), query, INDEX_SIZE)
    return Listing([], [_group(floors[key], kind) for key in keys], page, pages)


def page_of(items: Iterable[_Item], number: int, query: Query, size: int) -> tuple[list[_Item], int, int]:
    """Return the items of the page that a query asks for, the page's number, and the number of pages."""
    pages = max(1, -(-number // size))
    page = min(query.page or 1, pages)
    return list(islice(items, (page - 1) * size, page * size)), page, pages


def _group(floor: Floor, kind: Kind) -> Group:
    return Group(floor.key, floor_names(floor.metadata), floor.tallies[kind], floor.people, floor.itself)


def _by_building(rows: Sequence[Row], floors: Floors) -> list[tuple[Group | None, list[Row]]]:
    """Return some floors, each under its building."""
    buildings, by_key = floors.buildings(), dict[str, list[Row]]()
    for row in rows:
        by_key.setdefault(floors.of(row).building, []).append(row)
    return [
        (Group(key, floor_names(inside[0].space.metadata)[1:], *buildings[key], None), inside)
        for key, inside in by_key.items()
    ]
