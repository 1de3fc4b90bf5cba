"""What a journal costs: events a second with and without, side by side, and the time to read a large one back.

Run `python bench/journal.py`; docs/journal.md has what came of it. The simulator sends as fast as it is answered.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from exporter.events import Measure, Metadata
from exporter.readings import Memory
from exporter.salvage import open_journal

PROGRAM = str(Path(sys.executable).with_name("butlr-exporter"))
PORT = 19728
URL = f"http://127.0.0.1:{PORT}"
STARTING = 120  # seconds


def serve(journal: str) -> tuple[subprocess.Popen[bytes], float]:
    """Start an exporter; return it and the seconds until it was ready."""
    began = time.monotonic()
    command = [PROGRAM, "serve", f"--listen=127.0.0.1:{PORT}", f"--journal={journal}", "--log-level=warning"]
    process = subprocess.Popen(command)  # noqa: S603
    while time.monotonic() < began + STARTING:
        try:
            urllib.request.urlopen(f"{URL}/-/ready", timeout=5).close()  # noqa: S310
        except OSError:
            time.sleep(0.02)
        else:
            return process, time.monotonic() - began
    process.kill()
    sys.exit("the exporter did not start")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End an exporter."""
    process.terminate()
    process.wait()


def rate(journal: str, zones: int, duration: str) -> float:
    """Return the events a second that an exporter takes."""
    process, _ = serve(journal)
    try:
        flags = [f"--url={URL}/webhook", f"--zones={zones}", f"--duration={duration}", "--rate=max"]
        said = subprocess.run([PROGRAM, "simulate", *flags], capture_output=True, text=True, check=True).stdout  # noqa: S603
    finally:
        stop(process)
    found = re.search(r"([\d,]+) a second", said)
    return float(found[1].replace(",", "")) if found else 0.0


def full_window(zone: int, now: int) -> Iterator[Memory]:
    """Return a zone with 15 readings of five deliveries each."""
    place = Metadata(
        site_name="Berlin",
        building_name="Main Building",
        floor_name="1st Floor",
        zone_id=f"zone_{zone:027}",
        zone_name=f"Desk {zone}",
    )
    for n in range(15):
        deliveries = os.urandom(40)
        t = now - 60_000 * n
        yield Memory(place.zone_id, place, now, Measure.ZONE_OCCUPANCY, t, 3.0, now // 1000, deliveries, -1, False)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--zones", type=int, default=1000, help="for the rate (default: %(default)s)")
    parser.add_argument("--duration", default="10m", help="simulated time of each round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    parser.add_argument("--large", type=int, default=100_000, help="zones to read back (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ratios = []
        for n in range(options.rounds):
            without = rate("none", options.zones, options.duration)
            with_journal = rate(f"{folder}/{n}.db", options.zones, options.duration)
            ratios.append(with_journal / without)
            print(f"without {without:,.0f}/s, with a journal {with_journal:,.0f}/s, ratio {ratios[-1]:.2f}", flush=True)
        print(f"median ratio {median(ratios):.2f}")
        path = f"{folder}/large.db"
        journal = open_journal(path)
        now = int(time.time() * 1000)
        for first in range(0, options.large, 500):
            zones = range(first, min(first + 500, options.large))
            journal.append([memory for zone in zones for memory in full_window(zone, now)])
        journal.close()
        process, seconds = serve(path)
        stop(process)
        size = os.path.getsize(path) / 1e6
        print(f"{options.large:,} zones with full windows: {size:.0f} MB, ready after {seconds:.1f} s")


if __name__ == "__main__":
    main()
