"""Debian's Chromium without its interface, driven by Playwright, and an exporter whose pages it shows."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.running import Running, program, running
from tests.support.sockets import fresh

SOON_MS = 15_000
"""A page that asks every five seconds has shown a change by then; on a busy machine as well."""

CHROMIUM = "chromium-headless-shell"
"""The browser without its interface starts in half of the time that the whole browser takes."""

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)

ELSEWHERE = "butlr.test"
"""A name of this machine to which browsers do not send `Sec-Fetch-Site`, as to every other machine without TLS."""


@contextmanager
def launched() -> Iterator[Browser]:
    """Run a browser until the end of the block."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=program(CHROMIUM, CHROMIUM),
            args=[*FLAGS.split(), f"--host-resolver-rules=MAP {ELSEWHERE} 127.0.0.1"],
            headless=True,
        )
        yield started
        started.close()


@contextmanager
def with_capacity(folder: Path) -> Iterator[Running]:
    """Run an exporter with a capacity file and zones that are soon stale."""
    (folder / "capacity.yml").write_text("capacity: [{zone_name: 'Full *', max: 2}, {zone_name: 'Roomy *', max: 9}]")
    with running(folder / "log", f"--capacity-file={folder / 'capacity.yml'}", "--stale-after=20s") as exporter:
        yield exporter


def post(exporter: Running, name: str, value: float, floor: str = "1st Floor", age: float = 0) -> None:
    """Post one reading of a zone with this name."""
    event = json.loads(fresh(f"zone {name}", value))
    event["metadata"] |= {"zone_name": name, "floor_name": floor, "room_name": "Room 7"}
    event["timestamp"] = int((time.time() - age) * 1000)
    exporter.post(json.dumps(event).encode())


def ask(page: Page) -> None:
    """Move the clock of a page on, so that it asks the exporter now: it would not while it waits for an answer."""
    settle(page)
    page.clock.fast_forward(5000)


def settle(page: Page) -> None:
    """Wait until the page has dealt with each answer that it asked for."""
    while page.evaluate("pending !== null"):
        page.wait_for_timeout(20)


def names(page: Page) -> list[str]:
    """Return the zones that are shown, in order."""
    return page.locator("tbody th[scope=row] a").all_text_contents()
