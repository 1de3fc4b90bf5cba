"""One event for each POST: rate and processor time, beside those of programs that could replace the exporter."""

import importlib.util
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from statistics import mean, median
from typing import NamedTuple

from flask import Flask, Response, jsonify

from bench.load import send
from bench.processes import Program, exporter, program
from bench.table import Row, microseconds, missing, ratio_of

EMPTY = "an empty Flask view behind Granian"
PUSHED, CHECKED = "Pushgateway without its check", "Pushgateway with its check"
PLAIN, KEPT, VARIED = "without a journal", "with a journal", "with heads that vary"
MIXED, DETECTED = "a mix of all types", "detections"

LOADS = {PLAIN: "webhooks", MIXED: "mixed", DETECTED: "detections", KEPT: "webhooks"}
"""The loads of the exporter, by what they are called in the table."""

PROGRAMS = {
    CHECKED: "prometheus-pushgateway --web.listen-address 127.0.0.1:{port}",
    PUSHED: "prometheus-pushgateway --web.listen-address 127.0.0.1:{port} --push.disable-consistency-check",
    EMPTY: "-m granian --interface wsgi --workers 1 --blocking-threads 1 --no-log --host 127.0.0.1 --port {port} "
    "--factory bench.ingest:empty_app",
}
"""Commands of the other programs. The exporter is measured after them, so the slowest one comes first."""

MAX_SLOW_REQUESTS = 3000
"""Requests to the one program that is slow."""

ALL_REQUESTS = 1 << 40


class Cost(NamedTuple):
    """The cost of one event."""

    seconds: float
    """Time from event to event."""
    processor_seconds: float
    """Processor time."""


def empty_app() -> Flask:
    """Return a Flask app that does as little as possible: it reads no body and always answers the same."""
    app = Flask("empty", static_folder=None)

    @app.post("/webhook")
    def webhook() -> Response:
        return jsonify({"received": 1})

    return app


def measure(running: Program, kind: str, zones: int, minutes: int, maximum: int = ALL_REQUESTS) -> Cost:
    """Send a load to a program; return its mean cost of an event."""
    before = running.processor_seconds()
    answered = send(running.port, kind, zones, minutes, maximum)
    return Cost(1 / answered.rate, (running.processor_seconds() - before) / answered.requests)


def rows(zones: int, minutes: int, rounds: int) -> Iterator[Row]:
    """Measure all programs in turn, in several rounds; return the rows."""
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
                        maximum = MAX_SLOW_REQUESTS if name == CHECKED else ALL_REQUESTS
                        costs.setdefault(name, []).append(measure(running, kind, zones, minutes, maximum))
            # In this order, so that a machine that becomes slower or faster meanwhile makes no difference.
            ours: dict[str, list[Cost]] = {name: [] for name in LOADS}
            for name in [*LOADS, *reversed(LOADS)]:
                flags = [f"--journal {folder}/{n}-{len(ours[KEPT])}.db"] if name == KEPT else []
                with exporter(*flags) as running:
                    ours[name].append(measure(running, LOADS[name], zones, minutes))
            with exporter() as running:
                ours[VARIED] = [measure(running, "varied", zones, minutes)]
            for name, measured in ours.items():
                costs.setdefault(name, []).append(Cost(*map(mean, zip(*measured, strict=True))))
    for name, rate_goal, processor_goal in (
        (EMPTY, ">= 3", ">= 3"),
        (PUSHED, ">= 1", ">= 1"),
        (CHECKED, ">= 20", ">= 20"),
    ):
        if name in absent:
            yield missing("events", absent[name], rate_goal)
            yield missing("an event, processor time", absent[name], processor_goal)
        else:
            yield _rate_row("events", costs[PLAIN], costs[name], name, rate_goal)
            yield _processor_row("an event, processor time", costs[PLAIN], costs[name], name, processor_goal)
    plain, kept = _processor_seconds(costs[PLAIN]), _processor_seconds(costs[KEPT])
    other = f"{microseconds(plain)} the same without a journal"
    yield Row("with a journal, processor time", microseconds(kept), other, ratio_of(plain, kept), "<= 1.25")
    for name in (MIXED, DETECTED):
        cost = _processor_seconds(costs[name])
        other = f"{microseconds(plain)} an event of zones alone"
        yield Row(f"{name}, processor time", microseconds(cost), other, ratio_of(plain, cost), "<= 1.2")
    subject = "an event with a header of its own"
    if EMPTY in absent:
        yield missing(subject, absent[EMPTY])
    else:
        yield _processor_row(subject, costs[VARIED], costs[EMPTY], EMPTY)


def _rate_row(subject: str, ours: Sequence[Cost], others: Sequence[Cost], name: str, goal: str = "") -> Row:
    own, other = ([cost.seconds for cost in costs] for costs in (ours, others))
    rates = [f"{1 / median(seconds):,.0f}/s" for seconds in (own, other)]
    return Row(subject, rates[0], f"{rates[1]} {name}", ratio_of(own, other), goal)


def _processor_row(subject: str, ours: Sequence[Cost], others: Sequence[Cost], name: str, goal: str = "") -> Row:
    own, other = _processor_seconds(ours), _processor_seconds(others)
    return Row(subject, microseconds(own), f"{microseconds(other)} {name}", ratio_of(own, other), goal)


def _processor_seconds(costs: Sequence[Cost]) -> list[float]:
    return [cost.processor_seconds for cost in costs]
