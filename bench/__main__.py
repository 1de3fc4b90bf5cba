"""Measures the exporter beside what a user would pick instead, in one run: `make bench`, or `python -m bench --help`.

Each figure is the median of some rounds, and its ratio to the other is taken within each round, so that it means
something on another machine.
"""

import argparse
import platform
import signal
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from bench import ingest, scrapes, store
from bench.table import Row, text


def measure(options: argparse.Namespace) -> Iterator[Row]:
    """Measure everything, from the smallest to the largest."""
    say("events, one for each request ...")
    yield from ingest.rows(options.zones, options.minutes, options.rounds)
    yield ingest.latency(options.scraped[-1], options.zones, options.minutes)
    say("scrapes ...")
    yield from scrapes.rendering(options.scraped, options.rounds)
    yield from scrapes.over_http(options.scraped, options.rounds)
    say("memory and start ...")
    yield store.memory(options.kept, options.readings)
    yield store.reading_back(options.scraped[-1])


def say(text: str) -> None:
    """Tell who waits what is measured now."""
    print(f"measuring {text}", file=sys.stderr, flush=True)


def positive(text: str) -> int:
    """Return a number of at least 1. Raises ValueError."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def main() -> None:
    """Measure, and print the table; a row as soon as it is known, for it takes minutes."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that what was started ends
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=positive, default=3, help="of which the median counts (default: %(default)s)")
    parser.add_argument("--zones", type=positive, default=1000, help="that send events (default: %(default)s)")
    parser.add_argument("--minutes", type=positive, default=10, help="of their events (default: %(default)s)")
    parser.add_argument(
        "--scraped",
        type=positive,
        nargs="+",
        default=[1000, 10_000, 100_000],
        help="zones that are scraped, each ten times the number before (default: 1000 10000 100000)",
    )
    parser.add_argument(
        "--kept", type=positive, default=10_000, help="zones whose memory counts (default: %(default)s)"
    )
    parser.add_argument("--readings", type=positive, default=6, help="of each of these (default: %(default)s)")
    parser.add_argument("--plot", type=Path, help="an SVG file to draw")
    options = parser.parse_args()
    if any(more != 10 * fewer for fewer, more in pairwise(options.scraped)):
        parser.error("argument --scraped: each must be ten times the number before")
    if options.plot and not options.plot.parent.is_dir():
        parser.error(f"argument --plot: there is no folder {options.plot.parent}")
    began = time.monotonic()
    rows = []
    for row in measure(options):
        print(text([row]).splitlines()[1], flush=True)
        rows.append(row)
    print(f"\n{text(rows)}\n")
    print(f"Python {platform.python_version()}, medians of {options.rounds} rounds, {time.monotonic() - began:.0f} s")
    if options.plot:
        from bench.plot import draw  # only where it is drawn must matplotlib be there

        draw(rows, options.plot)


if __name__ == "__main__":
    main()
