"""What a scrape costs, beside prometheus_client's own rendering of the same families: as a function, and over HTTP."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from statistics import median

from prometheus_client import generate_latest

from bench.building import SHARE, Building, post, scrape
from bench.processes import exporter, program
from bench.reference import Reference
from bench.table import Row, ratio_of
from exporter.capacity import Capacity
from exporter.settings import Settings
from exporter.zone_families import ZoneFamilies

_NO_CAPACITY = Capacity([])


def rendering(number: int, rounds: int) -> tuple[Row, float]:
    """Measure function against function; return the seconds of ours as well."""
    building = Building(number)
    labels = Settings().labels
    families = ZoneFamilies(labels, lambda: _NO_CAPACITY)
    reference = Reference(building.snapshot, labels, lambda _: None)
    _through(families.render(building.snapshot()))
    ours, others = [], []
    for _ in range(rounds):
        building.change()
        snapshot = building.snapshot()
        ours.append(_seconds(lambda: _through(families.render(snapshot))))  # noqa: B023 - called at once
        others.append(_seconds(lambda: generate_latest(reference.registry)))
    assert b"".join(families.render(building.snapshot())) == generate_latest(reference.registry)  # noqa: S101
    goal = ">= 25" if number >= 10_000 else ""
    return _row(f"rendering {number:,} zones", ours, others, "generate_latest", goal), median(ours)


def over_http(number: int, rounds: int) -> tuple[Row, Row, float]:
    """Measure with HTTP around it, plain and with the gzip that Prometheus asks for; return our seconds of plain."""
    own: dict[str, list[float]] = {"": [], "gzip": []}
    other: dict[str, list[float]] = {"": [], "gzip": []}
    building = Building(number)
    command = f"-m bench.reference {{port}} {number}"
    with exporter() as running, program(command, "/metrics?name[]=none") as reference:
        post(running.port, building.events(1))
        for encoding in own:
            scrape(running.port, encoding)
            for _ in range(rounds):
                post(running.port, building.events(SHARE))
                own[encoding].append(_seconds(lambda: scrape(running.port, encoding)))  # noqa: B023 - called at once
                other[encoding].append(_seconds(lambda: scrape(reference.port, encoding)))  # noqa: B023
    name = "prometheus_client's server"
    large = number >= 10_000
    plain = _row(f"{number:,} zones over HTTP", own[""], other[""], name, ">= 12" if large else "")
    zipped = _row(f"{number:,} zones over HTTP, gzip", own["gzip"], other["gzip"], name, ">= 5" if large else "")
    return plain, zipped, median(own[""])


def _through(pieces: Iterator[bytes]) -> None:
    """Take the pieces one after the other, as what compresses them does."""
    deque(pieces, maxlen=0)


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _row(what: str, ours: Sequence[float], others: Sequence[float], name: str, goal: str) -> Row:
    shown = f"{median(ours) * 1e3:.1f} ms"
    return Row(what, shown, f"{median(others) * 1e3:,.0f} ms {name}", ratio_of(ours, others), goal)
