"""The cost of a scrape beside prometheus_client's own rendering of the same families, as a function and over HTTP.

All sizes are measured in each round, so that a disturbance of the machine meets both sides of a comparison.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import pairwise
from statistics import median

from prometheus_client import CollectorRegistry, generate_latest

from bench.building import ZONES_PER_CHANGE, Building, post, scrape
from bench.processes import exporter, program
from bench.reference import Reference
from bench.table import Row, ratio_of
from exporter.capacity.rules import NO_RULES
from exporter.metrics.spaces import SpaceFamilies
from exporter.settings.declared import Settings

_GOAL_FROM = 10_000
"""Least number of zones for which there is a goal."""

RoundSeconds = dict[int, list[float]]
"""Seconds of each round, by the number of zones."""


def rendering(numbers: Sequence[int], rounds: int) -> Iterator[Row]:
    """Measure the rendering function beside `generate_latest`."""
    zones = {number: _RenderedZones(number) for number in numbers}
    ours, others = _no_rounds(numbers), _no_rounds(numbers)
    for _ in range(rounds):
        for each in zones.values():
            each.building.change()
        for number, each in zones.items():
            ours[number].append(each.render())
        for number, each in zones.items():
            others[number].append(_seconds(lambda: generate_latest(each.reference)))  # noqa: B023 - called at once
    for each in zones.values():
        each.check()
    subjects = {number: f"rendering {number:,} zones" for number in numbers}
    yield from _rows(subjects, ours, others, "generate_latest", ">= 25")
    yield from _tenfold_rows(subjects, ours)


def over_http(numbers: Sequence[int], rounds: int) -> Iterator[Row]:
    """Measure whole scrapes over HTTP, plain and with gzip, which Prometheus asks for."""
    buildings = {number: Building(number) for number in numbers}
    ours = {encoding: _no_rounds(numbers) for encoding in ("", "gzip")}
    others = {encoding: _no_rounds(numbers) for encoding in ours}
    with ExitStack() as stack:
        ports, references = {}, {}
        for number, building in buildings.items():
            command = f"-m bench.reference {{port}} {number}"
            ports[number] = stack.enter_context(exporter()).port
            references[number] = stack.enter_context(program(command, "/metrics?name[]=none")).port
            post(ports[number], building.events(1))
            scrape(ports[number])  # the first scrape renders every label
        for _ in range(rounds):
            for encoding in ours:
                for number, building in buildings.items():
                    post(ports[number], building.events(ZONES_PER_CHANGE))
                    ours[encoding][number].append(_scrape_seconds(ports[number], encoding))
                    others[encoding][number].append(_scrape_seconds(references[number], encoding))
    name = "prometheus_client's server"
    subjects = {number: f"{number:,} zones over HTTP" for number in numbers}
    yield from _rows(subjects, ours[""], others[""], name, ">= 12")
    yield from _tenfold_rows(subjects, ours[""])
    yield from _rows({n: f"{text}, gzip" for n, text in subjects.items()}, ours["gzip"], others["gzip"], name, ">= 5")


class _RenderedZones:
    """Some zones with both renderings of their families."""

    def __init__(self, number: int) -> None:
        self.building = Building(number)
        labels = Settings().labels
        self._families = SpaceFamilies(labels, lambda: NO_RULES)
        self.reference: CollectorRegistry = Reference(self.building.snapshot, labels, lambda *_: None).registry
        self.render()  # the first rendering renders every label

    def render(self) -> float:
        """Render piece by piece, as for compression; return the seconds."""
        snapshot = self.building.snapshot()
        return _seconds(lambda: deque(self._families.render(lambda: snapshot), maxlen=0))

    def check(self) -> None:
        """Check that both renderings are the same text."""
        assert b"".join(self._families.render(self.building.snapshot)) == generate_latest(self.reference)  # noqa: S101


def _no_rounds(numbers: Sequence[int]) -> RoundSeconds:
    return {number: [] for number in numbers}


def _scrape_seconds(port: int, encoding: str) -> float:
    return _seconds(lambda: scrape(port, encoding))


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _rows(subjects: Mapping[int, str], ours: RoundSeconds, others: RoundSeconds, name: str, goal: str) -> Iterator[Row]:
    for number, subject in subjects.items():
        other = f"{median(others[number]) * 1e3:,.0f} ms {name}"
        ratio = ratio_of(ours[number], others[number])
        yield Row(subject, _milliseconds(ours[number]), other, ratio, goal if number >= _GOAL_FROM else "")


def _tenfold_rows(subjects: Mapping[int, str], ours: RoundSeconds) -> Iterator[Row]:
    """Compare each size with the next smaller one."""
    for fewer, more in pairwise(ours):
        yield Row(
            subjects[more], _milliseconds(ours[more]), "a tenth of them", ratio_of(ours[fewer], ours[more]), "<= 12"
        )


def _milliseconds(seconds: Sequence[float]) -> str:
    return f"{median(seconds) * 1e3:.1f} ms"
