"""An exporter of very many zones: events beside its scrapes, and scrapes of its settled readings."""

import threading
import time
from collections.abc import Iterator
from statistics import median

from bench.building import ZONES_PER_CHANGE, Building, post, scrape
from bench.load import send
from bench.processes import Program, exporter
from bench.table import Row, ratio_of

PATIENCE_SECONDS = 0.05
"""Time within which 99 % of events are to be answered."""

SHARE_SECONDS = 1.5
"""Processor time of both jobs of prometheus.yml at most, every 15 seconds: a tenth."""

COUNTS, SETTLED = "/metrics", "/metrics/settled"

SAMPLES_OF_A_ZONE = 3
"""Samples of a zone on `/metrics`: its count, its time, its info."""

READERS = {
    "first scrapes": COUNTS,  # the first one writes every label
    "scrapes": COUNTS,
    "settled scrapes": SETTLED,
    "lists as JSON": "/api/v1/spaces",
    "searched pages": "/?q=desk&sort=people",
}
"""Requests of readers, beside which events are answered."""

SETTLED_MS = 480_000
"""An age of a reading with which it has settled, and is in the window."""


def rows(number: int, zones: int, minutes: int, rounds: int) -> Iterator[Row]:
    """Measure an exporter with this number of zones; `zones` of a building send the events beside its scrapes."""
    building = Building(number)
    with exporter() as running:
        for age_ms in (SETTLED_MS, 0):
            post(running.port, building.events(1, at_ms=_now_ms() - age_ms))
        for readers, path in READERS.items():
            yield _latency(running, path, f"{readers} of {number:,} zones", zones, minutes)
        counts, settled = [], []
        for _ in range(rounds):
            for age_ms in (SETTLED_MS, 0):
                post(running.port, building.events(ZONES_PER_CHANGE, at_ms=_now_ms() - age_ms))
            counts.append(_cost_seconds(running, COUNTS))
            settled.append(_cost_seconds(running, SETTLED))
    as_many = [seconds / SAMPLES_OF_A_ZONE for seconds in counts]
    other = f"{median(as_many):.2f} s as many samples of /metrics"
    subject = f"{number:,} settled zones, processor time"
    yield Row(subject, f"{median(settled):.2f} s", other, ratio_of(as_many, settled), "<= 1.25")
    both = median(map(sum, zip(counts, settled, strict=True)))
    other = f"{SHARE_SECONDS} s: a tenth of their 15 s"
    yield Row(f"both jobs, {number:,} zones, processor time", f"{both:.2f} s", other, SHARE_SECONDS / both, ">= 1")


def _cost_seconds(running: Program, path: str) -> float:
    """Return the processor time of a scrape."""
    before = running.processor_seconds()
    scrape(running.port, "gzip", path)
    return running.processor_seconds() - before


def _latency(running: Program, path: str, beside: str, zones: int, minutes: int) -> Row:
    """Measure the time within which 99 % of events are answered during scrapes of a path, one after the other."""
    ended = threading.Event()
    scrapes = 0

    def scrape_until_ended() -> None:
        nonlocal scrapes
        while not ended.is_set():
            scrape(running.port, "gzip", path)
            scrapes += 1

    thread = threading.Thread(target=scrape_until_ended)
    try:
        answered = send(running.port, "webhooks", zones, minutes, begin=thread.start)
    finally:
        ended.set()
        if thread.ident is not None:
            thread.join()
    subject = f"p99 of {answered.requests:,} POSTs at {answered.rate:,.0f}/s"
    other = f"{PATIENCE_SECONDS * 1e3:.0f} ms, beside {scrapes} {beside}"
    p99_seconds = answered.p99_seconds
    return Row(subject, f"{p99_seconds * 1e3:.1f} ms", other, PATIENCE_SECONDS / p99_seconds, ">= 1")


def _now_ms() -> int:
    return int(time.time() * 1000)
