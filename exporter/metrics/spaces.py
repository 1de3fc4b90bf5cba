"""The families of spaces as text: the lines of a space are kept until the space changes, and joined at a scrape.

They read as prometheus_client would write them, in the text format and in OpenMetrics alike, since both write gauges
the same way; only the comments of a counter differ. A scrape is made of the spaces that are known then, so no series
outlives its space or its name. It reads, in part:

    # HELP butlr_zone_occupancy People in the zone now, deduplicated and corrected.
    # TYPE butlr_zone_occupancy gauge
    butlr_zone_occupancy{building_name="HQ",floor_name="1st Floor",...,zone_name="Desk 01"} 4.0
"""

from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from itertools import compress
from operator import is_not
from threading import Lock

from exporter.capacity.rules import Capacity
from exporter.events.measures import Cadence, Kind, Measure
from exporter.events.model import FIELDS, METADATA, AnyMetadata
from exporter.metrics.columns import (
    NEVER,
    SMALL_COUNTS,
    LabelColumns,
    MeasureColumns,
    SettledSuffixes,
    SharedParts,
    alternating,
    interleaved,
    interleaved_where,
    reordered,
    seconds_suffix,
    value_suffix,
)
from exporter.metrics.families import INFO, SETTLED, SPACES, SPACES_HELP, Family, Role, families_of, labels_of
from exporter.metrics.text import head, number, with_comments
from exporter.metrics.traffic import CrossingColumns
from exporter.rule.reading import Count
from exporter.rule.settled import SettledChanges, Settlement
from exporter.rule.space import Space
from exporter.rule.store import Snapshot
from exporter.rule.traffic import Crossed

_MAX_SHARED = 4
"""Shared parts of labels kept for each space; with more, most belong to spaces that are gone."""


_SETTLED_SPACES = 4096
"""Spaces whose settled readings are put together at a time."""


class SpaceFamilies:
    """The families of all kinds of spaces. Thread-safe."""

    def __init__(self, labels: Sequence[str], capacity: Callable[[], Capacity]) -> None:
        """Take the metadata fields that label a space, and a function that returns the capacity rules in force."""
        self.listed: Mapping[Kind, Collection[str]] = {}
        """The ids of the spaces that Butlr's assets list, by kind; no kind before the assets were read."""
        self._kinds = [_KindFamilies(kind, labels, capacity) for kind in Kind]
        self._lock = Lock()

    def render(
        self, read: Callable[[], Snapshot], names: Container[str] | None = None, *, openmetrics: bool = False
    ) -> Iterator[bytes]:
        """Write the families in pieces of some ten KiB; with `names`, only those of them that have samples."""
        with self._lock:  # one scrape at a time, and each with a later snapshot than the one before
            snapshot = read()
            for kind in self._kinds:
                kind.write(snapshot.by_kind.get(kind.kind, []))
                for family in kind.families:
                    if names is None or family.name in names:
                        lines = kind.lines(family, snapshot.fresh_since)
                        comments = _comments(family, openmetrics=openmetrics)
                        yield from with_comments(comments, lines, with_samples_only=names is not None)
            if names is None or SPACES in names:
                listed, since = self.listed, snapshot.fresh_since
                states = [line for kind in self._kinds for line in kind.states(since, listed.get(kind.kind))]
                yield from with_comments(head(SPACES, SPACES_HELP), interleaved(states), with_samples_only=False)

    def render_settled(self, read: Callable[[], Settlement]) -> Iterator[bytes]:
        """Write the families of settled readings in such pieces, as OpenMetrics without its end."""
        with self._lock:
            settlement = read()
            kinds = {kind.kind: kind for kind in self._kinds}
            for kind in self._kinds:
                if settlement.by_kind is not None:
                    kind.write(settlement.by_kind[kind.kind])
                kind.expect_settled(settlement.points)
            suffixes = SettledSuffixes()
            for changes in settlement.changes:
                kinds[changes.measure.kind].write_settled(changes, suffixes)
            for measure, family in SETTLED.items():
                lines = kinds[measure.kind].settled(measure)
                yield from with_comments(head(family, measure.declared.settled_help), lines, with_samples_only=False)


def _comments(family: Family, *, openmetrics: bool) -> str:
    """Return the comment lines of a family; those of a counter are without `_total` in OpenMetrics."""
    if family.role is not Role.CROSSINGS:
        return head(family.name, family.help)
    return head(family.name.removesuffix("_total") if openmetrics else family.name, family.help, "counter")


def _columns_of(measure: Measure) -> MeasureColumns:
    return CrossingColumns() if measure.declared.cadence is Cadence.EVENT else MeasureColumns()


class _KindFamilies:
    """The families of one kind of space. For one thread at a time."""

    def __init__(self, kind: Kind, labels: Sequence[str], capacity: Callable[[], Capacity]) -> None:
        self.kind = kind
        self.families = families_of(kind)
        self._names = labels_of(kind, labels)
        self._absent = Space(kind, "", METADATA[kind](), ())
        self._capacity = capacity
        self._rules = capacity()
        self._spaces: list[Space] = []
        """The spaces of the last scrape; the same object needs no new line."""
        self._measures: dict[Measure, MeasureColumns] = {}
        self._points = 0
        """Settled readings of each measure that there is room for; 0 until somebody asks for them."""
        self._labels = LabelColumns(kind, "", self._names)
        self._info = LabelColumns(kind, INFO[kind], FIELDS[kind])
        self._capacities: list[bytes] = []
        """The suffix of each space's capacity; empty without one."""
        self._shared: dict[bytes, bytes] = {}
        """The parts of labels that spaces share."""
        self._named: list[AnyMetadata] = []
        """The metadata that each space's labels were written from."""
        self._listed: Collection[str] = ()
        """The ids of Butlr's assets that spaces were last compared with."""
        self._missing: int | None = None
        """The number of them that no space has; None until it is counted, as ids have come or gone."""

    def lines(self, family: Family, fresh_since: Mapping[Measure, int]) -> Iterator[bytes]:
        """Return the lines of a family in pieces; a value sensed before `fresh_since` (ms) is left out."""
        if family.role is Role.INFO:
            return interleaved(*self._info.columns, [b" 1.0\n"] * len(self._spaces))
        if family.role is Role.CAPACITY:
            return self._series(family.name, self._capacities, self._capacities)
        assert family.measure is not None  # noqa: S101 - as of each family of another role
        columns = self._measures.get(family.measure) or _columns_of(family.measure)
        if isinstance(columns, CrossingColumns):
            if family.role is Role.CROSSINGS:
                return columns.crossings(self._labels.columns)
            return self._series(family.name, columns.times, columns.times)
        is_time = family.role is Role.TIMESTAMP
        suffixes, least = (columns.times, 0) if is_time else (columns.values, fresh_since[family.measure])
        all_shown = columns.oldest_ms >= least
        return self._series(family.name, suffixes, None if all_shown else [ms >= least for ms in columns.sensed_ms])

    def settled(self, measure: Measure) -> Iterator[bytes]:
        """Return the lines of the settled readings of a measure, in pieces."""
        points = self._measures[measure].settled if measure in self._measures else []
        if len(points) == 1:
            yield from self._series(SETTLED[measure], points[0], None if all(points[0]) else points[0])
            return
        for first in range(0, len(self._spaces), _SETTLED_SPACES):
            part = slice(first, first + _SETTLED_SPACES)
            suffixes = alternating([column[part] for column in points]) if points else []
            if any(suffixes):
                columns = [alternating([column[part]] * len(points)) for column in self._labels.columns]
                columns = [[SETTLED[measure].encode()] * len(suffixes), *columns, suffixes]
                yield from interleaved_where(suffixes, columns)

    def states(self, fresh_since: Mapping[Measure, int], listed: Collection[str] | None) -> list[bytes]:
        """Return the lines that count the spaces of this kind by state; `listed` has the ids of Butlr's assets."""
        fresh = self._fresh(fresh_since)
        numbers = [("fresh", fresh), ("stale", len(self._spaces) - fresh)]
        if listed is not None:
            if self._missing is None or listed is not self._listed:
                self._listed = listed
                self._missing = len(listed) - sum(space.id in listed for space in self._spaces)
            numbers.append(("missing", self._missing))
        return [
            f'{SPACES}{{kind="{self.kind}",state="{state}"}} {number(spaces)}\n'.encode() for state, spaces in numbers
        ]

    def _fresh(self, fresh_since: Mapping[Measure, int]) -> int:
        """Return the number of spaces with any reading that is not stale."""
        if any(columns.oldest_ms >= fresh_since[measure] for measure, columns in self._measures.items()):
            return len(self._spaces)
        fresh = [[ms >= fresh_since[measure] for ms in c.sensed_ms] for measure, c in self._measures.items()]
        return sum(map(any, zip(*fresh, strict=True)))

    def _series(self, family: str, suffixes: list[bytes], shown: Sequence[object] | None) -> Iterator[bytes]:
        """Write the lines with these suffixes; with `shown`, only where its entry is true."""
        if not any(suffixes):
            return
        columns = [[family.encode()] * len(suffixes), *self._labels.columns, suffixes]
        if shown is not None:
            columns = [list(compress(column, shown)) for column in columns]
        yield from interleaved(*columns)

    def write(self, spaces: list[Space]) -> None:
        """Write the lines of the spaces that have changed since the last scrape."""
        if (rules := self._capacity()) is not self._rules:
            self._rules = rules
            self._capacities = list(map(self._capacity_suffix, self._named))
        changed = self._changed(spaces)
        if len(spaces) != len(self._spaces) or any(spaces[at].id != self._spaces[at].id for at in changed):
            self._reorder(spaces)
            changed = self._changed(spaces)
        named, measures = self._named, self._measures
        times: dict[int, bytes] = {}  # suffixes of the timestamps that many spaces have in common
        parts: SharedParts = {}
        for at in changed:
            space = spaces[at]
            counts = space.counts
            if space.metadata is not named[at]:
                self._name(at, space.metadata, parts)
            if len(counts) < len(measures):
                self._clear_others(at, counts)
            for count in counts:
                columns = measures.get(count.measure)
                if columns is None:
                    columns = self._add(count.measure)
                    self._clear_others(at, counts)
                timestamp = count.timestamp
                columns.values[at] = SMALL_COUNTS.get(count.value) or value_suffix(count.value)
                columns.times[at] = times.get(timestamp) or times.setdefault(timestamp, seconds_suffix(timestamp))
                columns.sensed_ms[at] = timestamp
                if isinstance(count, Crossed) and isinstance(columns, CrossingColumns):
                    columns.write(at, count)
        if changed:
            for columns in measures.values():
                columns.oldest_ms = min(columns.sensed_ms, default=NEVER)
        self._spaces = spaces

    def _changed(self, spaces: list[Space]) -> list[int]:
        """Return the positions of the spaces that are not the same objects as at the last scrape."""
        return list(compress(range(len(spaces)), map(is_not, spaces, self._spaces)))

    def expect_settled(self, points: int) -> None:
        """Have room for the newest settled readings, so many of each measure."""
        self._points = points
        for columns in self._measures.values():
            if len(columns.settled) != points:
                columns.settled = [[b""] * len(self._spaces) for _ in range(points)]

    def write_settled(self, changes: SettledChanges, suffixes: SettledSuffixes) -> None:
        """Write the lines of settled readings that have changed; these are the suffixes of one scrape."""
        columns = self._measures.get(changes.measure) or self._add(changes.measure)
        for column, points in zip(columns.settled, changes.columns, strict=True):
            for at, suffix in zip(changes.positions, suffixes.of(points), strict=True):
                column[at] = suffix

    def _reorder(self, spaces: list[Space]) -> None:
        """Move all columns to the positions of these spaces, as some were forgotten or are new."""
        self._missing = None
        known = {space.id: at for at, space in enumerate(self._spaces)}
        order = [known.get(space.id, -1) for space in spaces]
        for columns in self._measures.values():
            columns.reorder(order)
        self._labels.reorder(order)
        self._info.reorder(order)
        self._capacities = reordered(self._capacities, order, b"")
        self._named = reordered(self._named, order, self._absent.metadata)
        self._spaces = reordered(self._spaces, order, self._absent)

    def _name(self, at: int, metadata: AnyMetadata, parts: SharedParts) -> None:
        """Write the labels and the capacity of a space, which stay the same as long as its metadata does."""
        if len(self._shared) > _MAX_SHARED * len(self._spaces):
            self._shared.clear()
        self._labels.write(at, metadata, parts, self._shared.setdefault)
        self._info.write(at, metadata, parts, self._shared.setdefault)
        own, same = self._labels.own, self._info.own
        if own[at] == same[at]:
            own[at] = same[at]
        self._capacities[at] = self._capacity_suffix(metadata)
        self._named[at] = metadata

    def _capacity_suffix(self, metadata: AnyMetadata) -> bytes:
        """Return the end of the line of a space's capacity; empty without one."""
        people = self._rules.of(metadata, self.kind)
        return b"" if people is None else SMALL_COUNTS.get(people) or value_suffix(people)

    def _clear_others(self, at: int, counts: Iterable[Count]) -> None:
        """Clear the lines of a space for every measure that is not among its counts."""
        present = {count.measure for count in counts}
        for measure, columns in self._measures.items():
            if measure not in present:
                columns.clear(at)

    def _add(self, measure: Measure) -> MeasureColumns:
        columns = self._measures[measure] = _columns_of(measure)
        columns.settled = [[] for _ in range(self._points)]
        columns.reorder([-1] * len(self._spaces))
        return columns
