"""One event for each POST: how many a second, and what processor time each, beside what a user would pick instead."""

import importlib.util
import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from statistics import mean, median
from typing import NamedTuple

from flask import Flask, Response, jsonify

from bench.building import fill, scrape
from bench.load import send
from bench.processes import Program, exporter, program
from bench.table import Row, missing, ratio_of

EMPTY = "an empty Flask view behind Granian"
PUSHED, CHECKED = "Pushgateway without its check", "Pushgateway with its check"
PLAIN, KEPT, VARIED = "without a journal", "with a journal", "with heads that vary"

PROGRAMS = {
    CHECKED: "prometheus-pushgateway --web.listen-address 127.0.0.1:{port}",
    PUSHED: "prometheus-pushgateway --web.listen-address 127.0.0.1:{port} --push.disable-consistency-check",
    EMPTY: "-m granian --interface wsgi --workers 1 --blocking-threads 1 --no-log --host 127.0.0.1 --port {port} "
    "--factory bench.ingest:empty_app",
}
"""The command of each; ours comes next, so the one that takes long is the first."""

FEW = 3000
"""Requests at most for one that is slow."""


class Cost(NamedTuple):
    """What one program took."""

    second: float
    """Seconds an event."""
    processor: float
    """Seconds of processor time an event."""


def empty_app() -> Flask:
    """Return the least that Flask can do: it takes nothing in and answers the same to everyone."""
    app = Flask("empty", static_folder=None)

    @app.post("/webhook")
    def webhook() -> Response:
        return jsonify({"received": 1})

    return app


def measure(running: Program, kind: str, zones: int, minutes: int, most: int = 1 << 40) -> Cost:
    """Send a load to a program."""
    before = running.processor_seconds()
    answered = send(running.port, kind, zones, minutes, most)
    return Cost(1 / answered.rate, (running.processor_seconds() - before) / answered.requests)


def rows(zones: int, minutes: int, rounds: int) -> Iterator[Row]:
    """Measure all in turn, some rounds of it."""
    absent = {}
    if importlib.util.find_spec("granian") is None:
        absent[EMPTY] = "granian is not installed"
    if shutil.which("prometheus-pushgateway") is None:
        absent |= dict.fromkeys((PUSHED, CHECKED), "prometheus-pushgateway is not installed")
    costs: dict[str, list[Cost]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for n in range(rounds):
            for name, command in PROGRAMS.items():
                if name not in absent:
                    kind = "webhooks" if name == EMPTY else "pushes"
                    with program(command) as running:
                        most = FEW if name == CHECKED else 1 << 40
                        costs.setdefault(name, []).append(measure(running, kind, zones, minutes, most))
            # There and back, so that a machine that becomes slower or faster meanwhile makes no difference.
            ours: dict[str, list[Cost]] = {PLAIN: [], KEPT: []}
            for name in (PLAIN, KEPT, KEPT, PLAIN):
                flags = [f"--journal {folder}/{n}-{len(ours[KEPT])}.db"] if name == KEPT else []
                with exporter(*flags) as running:
                    ours[name].append(measure(running, "webhooks", zones, minutes))
            with exporter() as running:
                ours[VARIED] = [measure(running, "varied", zones, minutes)]
            for name, measured in ours.items():
                costs.setdefault(name, []).append(Cost(*map(mean, zip(*measured, strict=True))))
    for name, rate, processor in ((EMPTY, ">= 3", ">= 3"), (PUSHED, ">= 1", ">= 1"), (CHECKED, ">= 20", ">= 20")):
        if name in absent:
            yield missing("events", absent[name], rate)
            yield missing("an event, processor time", absent[name], processor)
        else:
            yield _rate("events", costs[PLAIN], costs[name], name, rate)
            yield _processor("an event, processor time", costs[PLAIN], costs[name], name, processor)
    plain, kept = _processors(costs[PLAIN]), _processors(costs[KEPT])
    than = f"{_shown(plain)} the same without a journal"
    yield Row("with a journal, processor time", _shown(kept), than, ratio_of(plain, kept), "<= 1.25")
    what = "an event under a head of its own"
    if EMPTY in absent:
        yield missing(what, absent[EMPTY])
    else:
        yield _processor(what, costs[VARIED], costs[EMPTY], EMPTY)


def _rate(what: str, ours: Sequence[Cost], others: Sequence[Cost], name: str, goal: str = "") -> Row:
    own, other = ([cost.second for cost in costs] for costs in (ours, others))
    rates = [f"{1 / median(seconds):,.0f}/s" for seconds in (own, other)]
    return Row(what, rates[0], f"{rates[1]} {name}", ratio_of(own, other), goal)


def _processor(what: str, ours: Sequence[Cost], others: Sequence[Cost], name: str, goal: str = "") -> Row:
    own, other = _processors(ours), _processors(others)
    return Row(what, _shown(own), f"{_shown(other)} {name}", ratio_of(own, other), goal)


def _processors(costs: Sequence[Cost]) -> list[float]:
    return [cost.processor for cost in costs]


def _shown(seconds: Sequence[float]) -> str:
    return f"{median(seconds) * 1e6:,.1f} us"


def latency(known: int, zones: int, minutes: int) -> Row:
    """Measure how long 99 of 100 events wait while a scrape of many zones follows the other, flat out."""
    with exporter() as running:
        fill(running.port, known)
        scrape(running.port, "gzip")  # the first one writes every name
        ended = threading.Event()
        scrapes = 0

        def follow() -> None:
            nonlocal scrapes
            while not ended.is_set():
                scrape(running.port, "gzip")
                scrapes += 1

        thread = threading.Thread(target=follow)
        thread.start()
        try:
            answered = send(running.port, "webhooks", zones, minutes)
        finally:
            ended.set()
            thread.join()
    what = f"p99 of {answered.requests:,} POSTs at {answered.rate:,.0f}/s"
    than = f"50 ms, beside {scrapes} scrapes of {known:,} zones"
    return Row(what, f"{answered.p99 * 1e3:.1f} ms", than, 0.05 / answered.p99, ">= 1")
