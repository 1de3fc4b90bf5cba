"""Measures the exporter beside programs that could replace it, in one run: `make bench`, or `python -m bench --help`.

Each figure is the median of some rounds. Its ratio to the other figure is taken within each round, so that it means
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

from bench import ingest, large, refusals, rules, scrapes, store
from bench.table import Row, text


def measure(options: argparse.Namespace) -> Iterator[Row]:
    """Measure everything, from the smallest to the largest."""
    announce("events, one for each request ...")
    yield from ingest.rows(options.zones, options.minutes, options.rounds)
    yield from refusals.rows(max(1, options.zones // 4), options.minutes, options.rounds)
    yield from large.rows(options.scraped[-1], options.zones, options.minutes, options.rounds)
    announce("scrapes ...")
    yield from scrapes.rendering(options.scraped, options.rounds)
    yield from scrapes.over_http(options.scraped, options.rounds)
    announce("memory and start ...")
    yield store.memory(options.kept, options.readings)
    yield from store.reading_back(options.scraped[-1])
    announce("rules of Prometheus ...")
    yield from rules.rows(options.evaluated, options.rounds)


def announce(text: str) -> None:
    """Print the present measurement on standard error."""
    print(f"measuring {text}", file=sys.stderr, flush=True)


def positive(text: str) -> int:
    """Parse a whole number of at least 1. Raises ValueError."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def main() -> None:
    """Measure, and print each row at once, as measuring takes minutes, and the table at the end."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that started programs are ended
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--rounds", type=positive, default=3, help="rounds, of which the median counts (default: %(default)s)"
    )
    parser.add_argument("--zones", type=positive, default=1000, help="zones that send events (default: %(default)s)")
    parser.add_argument("--minutes", type=positive, default=10, help="minutes of their events (default: %(default)s)")
    parser.add_argument(
        "--scraped",
        type=positive,
        nargs="+",
        default=[1000, 10_000, 100_000],
        help="numbers of zones to scrape, each ten times the one before (default: 1000 10000 100000)",
    )
    parser.add_argument(
        "--kept", type=positive, default=10_000, help="zones whose memory is measured (default: %(default)s)"
    )
    parser.add_argument("--readings", type=positive, default=6, help="readings of each (default: %(default)s)")
    parser.add_argument(
        "--evaluated",
        type=positive,
        default=20_000,
        help="zones for which Prometheus evaluates alerts.yml (default: %(default)s)",
    )
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
        from bench.plot import draw  # matplotlib is needed only here

        draw(rows, options.plot)


if __name__ == "__main__":
    main()
