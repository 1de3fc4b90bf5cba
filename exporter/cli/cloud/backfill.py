"""`butlr-exporter backfill`: final minutes from Butlr's Reporting API as OpenMetrics, for promtool.

Every answer is read within Butlr's limits, two hours of all spaces at a time, oldest first. So after an interruption
everything before a certain time is there, and the command can go on from it. It could be pushed by remote write as
well: `_series` is all that a sender needs.
"""

import os
import sys
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import NamedTuple

from tqdm import tqdm

from exporter.butlr.assets import Place, read_topology
from exporter.butlr.batches import PACE_SECONDS, Batches, fruitless_requests
from exporter.butlr.client import Client
from exporter.butlr.errors import CloudError
from exporter.butlr.graphql import Graphql
from exporter.butlr.names import MEASUREMENTS
from exporter.butlr.reporting import MAX_IDS, MAX_SPAN_MS, MINUTE_MS, Dropped, Report, Reporting
from exporter.cli.arguments import print_error, write_output
from exporter.cli.cloud.connection import connected_client
from exporter.cli.cloud.display import counted, plain
from exporter.cloud.readings import MEASURES
from exporter.events.measures import Kind
from exporter.events.times import milliseconds, utc
from exporter.files import STANDARD_STREAM
from exporter.metrics.settled import END, family_lines
from exporter.rule.reading import Point
from exporter.rule.settled import Settled
from exporter.settings.declared import Settings
from exporter.settings.types import show_duration

_BAR = "{percentage:3.0f}%|{bar}| {n_fmt} of {total_fmt} requests, {remaining} left"


class Job(NamedTuple):
    """The minutes to read, and how to write them."""

    now_ms: int
    """The time by which minutes are final or not, milliseconds since the epoch, as all times."""
    start_ms: int
    stop_ms: int
    """The end of the last minute."""
    kinds: tuple[Kind, ...]
    ids: tuple[str, ...]
    """The ids of the spaces; all spaces if there is none."""
    out: str
    extra_labels: Mapping[str, str]


class _Mistake(Exception):  # noqa: N818 - the name reads as what happened
    """A job that the account does not allow; the text is for people."""


class _Column(NamedTuple):
    """The minutes of one space, oldest first, in a sixth of the memory that objects take."""

    times_ms: "array[int]"
    values: "array[float]"

    def end_at(self, stop_ms: int) -> None:
        """Remove the minutes from a time on."""
        number = bisect_left(self.times_ms, stop_ms)
        del self.times_ms[number:], self.values[number:]

    def points(self) -> list[Point]:
        """Return all minutes."""
        return [*map(Point, self.times_ms, self.values)]


class _Minutes:
    """The minutes that were read."""

    def __init__(self, complete_ms: int) -> None:
        self.complete_ms = complete_ms
        """The time before which every minute of every space was read."""
        self.columns: dict[tuple[Kind, str], _Column] = {}
        self.dropped: Counter[Dropped] = Counter()

    def add(self, report: Report) -> None:
        """Keep the minutes of an answer."""
        kind = report.query.kind
        self.dropped += report.dropped
        for space_id, start_ms, value in report.minutes:
            column = self.columns.setdefault((kind, space_id), _Column(array("q"), array("d")))
            column.times_ms.append(start_ms)
            # A room or floor may count less than nobody, which events of it are read as, too.
            column.values.append(max(0.0, value))


Spaces = dict[Kind, dict[str, Place]]
"""The spaces that are asked about, by kind and id."""


def run(settings: Settings, job: Job) -> int:
    """Read the minutes and write them; return the exit status."""
    final_ms = job.now_ms - milliseconds(settings.settle_after)
    # Neither a minute that may be corrected, nor one that has not ended.
    last_ms = min(final_ms // MINUTE_MS * MINUTE_MS + MINUTE_MS, job.now_ms // MINUTE_MS * MINUTE_MS)
    job = job._replace(
        start_ms=-(-job.start_ms // MINUTE_MS) * MINUTE_MS, stop_ms=min(job.stop_ms // MINUTE_MS * MINUTE_MS, last_ms)
    )
    if job.start_ms >= job.stop_ms:
        print_error(f"no minute of that time is final yet; the newest final one begins at {utc(last_ms - MINUTE_MS)}")
        return 1
    if mistake := _unwritable(job.out):
        print_error(mistake)
        return 1
    return connected_client(settings, lambda client: _backfill(client, settings, job), _print_above)


def _print_above(text: str) -> None:
    """Print a line on standard error, above the progress bar."""
    tqdm.write(f"butlr-exporter: {text}", file=sys.stderr)


def _unwritable(out: str) -> str | None:
    """Return the mistake if the file cannot be written: better before an hour of requests than after it."""
    if out == STANDARD_STREAM:
        return None
    path = os.path.realpath(out)
    if os.path.isdir(path):
        return f"{out!r} cannot be written: it is a directory"
    if not os.path.isdir(folder := os.path.dirname(path)):
        return f"{out!r} cannot be written: there is no directory {folder!r}"
    return None if os.access(folder, os.W_OK) else f"{out!r} cannot be written: no permission for {folder!r}"


def _backfill(client: Client, settings: Settings, job: Job) -> int:
    """Read the minutes and write them; return the exit status. Raises CloudError, KeyboardInterrupt."""
    try:
        spaces = _spaces(read_topology(Graphql(client)).places, job)
    except _Mistake as error:
        print_error(str(error))
        return 1
    minutes = _Minutes(job.start_ms)
    try:
        _read(Batches(Reporting(client), interval_seconds=0), spaces, job, minutes)
    except (CloudError, KeyboardInterrupt) as error:
        reason = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error)
        if minutes.complete_ms == job.start_ms:
            print_error(f"{reason}; nothing is written")
            status = 1
        else:
            print_error(f"{reason}; go on with --from {utc(minutes.complete_ms)}, before which everything is written")
            status = _write(spaces, minutes, settings, job)
        if isinstance(error, KeyboardInterrupt):
            raise
        return status or 1
    return _write(spaces, minutes, settings, job)


def _spaces(places: tuple[Place, ...], job: Job) -> Spaces:
    """Return the spaces that are asked about. Raises _Mistake."""
    known = {place.id: place for place in places}
    names = ",".join(MEASUREMENTS[kind].name for kind in job.kinds)
    for each in job.ids:
        place = known.get(each)
        if place is None:
            raise _Mistake(f"Butlr lists no place with the id {plain(each)!r}; butlr-exporter assets shows all")
        if place.level.kind is None:
            raise _Mistake(f"{each} is a {place.level}, which Butlr counts nobody in; give its floors, rooms or zones")
        if place.level.kind not in job.kinds:
            wanted = MEASUREMENTS[place.level.kind].name
            raise _Mistake(f"{each} is a {place.level}; it needs --measurements {names},{wanted}")
    spaces: Spaces = {kind: {} for kind in job.kinds}
    for place in places:
        if place.level.kind in spaces and (not job.ids or place.id in job.ids):
            spaces[place.level.kind][place.id] = place
    if not any(spaces.values()):
        kinds = " or ".join(f"{kind}s" for kind in job.kinds)
        raise _Mistake(f"the account has no {kinds} that this API token may read")
    return spaces


def _paced(requests: int) -> str:
    """Return the least time that so many requests take."""
    return show_duration(timedelta(seconds=round(requests * PACE_SECONDS)))


def _read(batches: Batches, spaces: Spaces, job: Job, minutes: _Minutes) -> None:
    """Read all minutes into `minutes`. Raises CloudError."""
    firsts = [-(-len(each) // MAX_IDS) for each in spaces.values()]
    at_a_time = sum(firsts)
    begins = range(job.start_ms, job.stop_ms, MAX_SPAN_MS)
    requests = at_a_time * len(begins)
    fruitless = len(begins) * sum(map(fruitless_requests, firsts))
    print_error(
        f"reading {show_duration(timedelta(milliseconds=job.stop_ms - job.start_ms))} from {utc(job.start_ms)} of "
        f"{', '.join(counted(len(each), kind) for kind, each in spaces.items())}: {counted(requests, 'request')}, "
        f"{_paced(requests)}; up to {fruitless:,}, {_paced(fruitless)}, where Butlr has no minutes"
    )
    with tqdm(total=requests, disable=None, leave=False, dynamic_ncols=True, bar_format=_BAR) as progress:
        for number, begin_ms in enumerate(begins, 1):
            end_ms = min(begin_ms + MAX_SPAN_MS, job.stop_ms)
            for kind, each in spaces.items():
                for report in batches.read(kind, each, begin_ms, end_ms):
                    minutes.add(report)
                    # An empty answer is asked again in halves, which do not count.
                    progress.update(progress.n < number * at_a_time)
            progress.update(number * at_a_time - progress.n)
            minutes.complete_ms = end_ms


def _series(spaces: Spaces, minutes: _Minutes, kind: Kind) -> Iterator[Settled]:
    """Return the minutes of each space of a kind."""
    for space_id, place in spaces[kind].items():
        if column := minutes.columns.get((kind, space_id)):
            yield Settled(place.metadata, MEASURES[kind], column.points())


def _lines(spaces: Spaces, minutes: _Minutes, settings: Settings, job: Job) -> Iterator[str]:
    for kind in spaces:
        series = _series(spaces, minutes, kind)
        yield from family_lines(MEASURES[kind], series, settings.labels, job.extra_labels)
    yield END


def _write(spaces: Spaces, minutes: _Minutes, settings: Settings, job: Job) -> int:
    """Write the minutes of the time that was read whole; return the exit status."""
    for column in minutes.columns.values():
        column.end_at(minutes.complete_ms)
    minutes.columns = {key: column for key, column in minutes.columns.items() if column.times_ms}
    if minutes.dropped:
        kinds = ", ".join(f"{number:,} {reason}" for reason, number in minutes.dropped.most_common())
        print_error(f"left out: {counted(minutes.dropped.total(), 'point')} of Butlr's answers: {kinds}")
    if not minutes.columns:
        print_error("nothing to write: Butlr has no minutes of these spaces in that time")
        return 1
    if not write_output(job.out, _lines(spaces, minutes, settings, job)):
        return 1
    times = [column.times_ms for column in minutes.columns.values()]
    number = sum(map(len, spaces.values()))
    print_error(
        f"{counted(sum(map(len, times)), 'minute')} of {len(times):,} of {counted(number, 'space')}, "
        f"from {utc(min(each[0] for each in times))} to {utc(max(each[-1] for each in times))}"
    )
    return 0
