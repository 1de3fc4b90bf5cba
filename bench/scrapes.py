"""What a scrape costs, beside prometheus_client's own rendering of the same families: as a function, and over HTTP.

All sizes are measured in each round, so that what disturbs one disturbs the other that it is compared with.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import pairwise
from statistics import median

from prometheus_client import CollectorRegistry, generate_latest

from bench.building import SHARE, Building, post, scrape
from bench.processes import exporter, program
from bench.reference import Reference
from bench.table import Row, ratio_of
from exporter.capacity import Capacity
from exporter.metrics.spaces import SpaceFamilies
from exporter.settings.declared import Settings

_NO_CAPACITY = Capacity([])

_LARGE = 10_000
"""Zones from which on a goal holds."""

Times = dict[int, list[float]]
"""Seconds of each round, by the number of zones."""


def rendering(numbers: Sequence[int], rounds: int) -> Iterator[Row]:
    """Measure function against function."""
    zones = {number: _Zones(number) for number in numbers}
    ours, others = _no_times(numbers), _no_times(numbers)
    for _ in range(rounds):
        for each in zones.values():
            each.building.change()
        for number, each in zones.items():
            ours[number].append(each.render())
        for number, each in zones.items():
            others[number].append(_seconds(lambda: generate_latest(each.reference)))  # noqa: B023 - called at once
    for each in zones.values():
        each.check()
    what = {number: f"rendering {number:,} zones" for number in numbers}
    yield from _rows(what, ours, others, "generate_latest", ">= 25")
    yield from _tenfold(what, ours)


def over_http(numbers: Sequence[int], rounds: int) -> Iterator[Row]:
    """Measure with HTTP around it, plain and with the gzip that Prometheus asks for."""
    buildings = {number: Building(number) for number in numbers}
    ours = {encoding: _no_times(numbers) for encoding in ("", "gzip")}
    others = {encoding: _no_times(numbers) for encoding in ours}
    with ExitStack() as stack:
        ports, references = {}, {}
        for number, building in buildings.items():
            command = f"-m bench.reference {{port}} {number}"
            ports[number] = stack.enter_context(exporter()).port
            references[number] = stack.enter_context(program(command, "/metrics?name[]=none")).port
            post(ports[number], building.events(1))
            scrape(ports[number])  # the first one writes every name
        for _ in range(rounds):
            for encoding in ours:
                for number, building in buildings.items():
                    post(ports[number], building.events(SHARE))
                    ours[encoding][number].append(_scraping(ports[number], encoding))
                    others[encoding][number].append(_scraping(references[number], encoding))
    name = "prometheus_client's server"
    what = {number: f"{number:,} zones over HTTP" for number in numbers}
    yield from _rows(what, ours[""], others[""], name, ">= 12")
    yield from _tenfold(what, ours[""])
    yield from _rows({n: f"{text}, gzip" for n, text in what.items()}, ours["gzip"], others["gzip"], name, ">= 5")


class _Zones:
    """Some zones, and what renders them."""

    def __init__(self, number: int) -> None:
        self.building = Building(number)
        labels = Settings().labels
        self._families = SpaceFamilies(labels, lambda: _NO_CAPACITY)
        self.reference: CollectorRegistry = Reference(self.building.snapshot, labels, lambda _: None).registry
        self.render()  # the first time writes every name

    def render(self) -> float:
        """Return the seconds it takes, with the pieces taken one after the other, as what compresses them does."""
        snapshot = self.building.snapshot()
        return _seconds(lambda: deque(self._families.render(snapshot), maxlen=0))

    def check(self) -> None:
        """See that both are the same text."""
        assert b"".join(self._families.render(self.building.snapshot())) == generate_latest(self.reference)  # noqa: S101


def _no_times(numbers: Sequence[int]) -> Times:
    return {number: [] for number in numbers}


def _scraping(port: int, encoding: str) -> float:
    return _seconds(lambda: scrape(port, encoding))


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _rows(what: Mapping[int, str], ours: Times, others: Times, name: str, goal: str) -> Iterator[Row]:
    for number, text in what.items():
        than = f"{median(others[number]) * 1e3:,.0f} ms {name}"
        ratio = ratio_of(ours[number], others[number])
        yield Row(text, _shown(ours[number]), than, ratio, goal if number >= _LARGE else "")


def _tenfold(what: Mapping[int, str], ours: Times) -> Iterator[Row]:
    for fewer, more in pairwise(ours):
        yield Row(what[more], _shown(ours[more]), "a tenth of them", ratio_of(ours[fewer], ours[more]), "<= 12")


def _shown(times: Sequence[float]) -> str:
    return f"{median(times) * 1e3:.1f} ms"
