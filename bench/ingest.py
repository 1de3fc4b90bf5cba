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
PLAIN, KEPT = "without a journal", "with a journal"

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
            for name, measured in ours.items():
                costs.setdefault(name, []).append(Cost(*map(mean, zip(*measured, strict=True))))
    for name, rate, processor in ((EMPTY, ">= 3", ">= 3"), (PUSHED, ">= 1", ">= 1"), (CHECKED, ">= 20", ">= 20")):
        if name in absent:
            yield missing("an event, rate", absent[name], rate)
            yield missing("an event, processor time", absent[name], processor)
        else:
            yield _row("an event, rate", name, [c.second for c in costs[PLAIN]], [c.second for c in costs[name]], rate)
            plain, others = ([cost.processor for cost in costs[which]] for which in (PLAIN, name))
            yield _row("an event, processor time", name, plain, others, processor)
    plain, kept = ([cost.processor for cost in costs[which]] for which in (PLAIN, KEPT))
    than = f"{_shown(plain)} the same without a journal"
    yield Row("with a journal, processor time", _shown(kept), than, ratio_of(plain, kept), "<= 1.25")


def _row(what: str, name: str, ours: Sequence[float], others: Sequence[float], goal: str) -> Row:
    return Row(what, _shown(ours), f"{_shown(others)} {name}", ratio_of(ours, others), goal)


def _shown(costs: Sequence[float]) -> str:
    return f"{median(costs) * 1e6:.1f} us"


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
