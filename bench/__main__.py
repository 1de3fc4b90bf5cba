"""Measures the exporter beside what a user would pick instead, in one run: `make bench`, or `python -m bench --help`.

Each figure is the median of some rounds, and its ratio to the other is taken within each round, so that it means
something on another machine.
"""

import argparse
import platform
import time
from collections.abc import Iterator
from pathlib import Path

from bench import ingest, scrapes, store
from bench.table import Row, text


def measure(options: argparse.Namespace) -> Iterator[Row]:
    """Measure everything, from the smallest to the largest."""
    yield from ingest.rows(options.zones, options.minutes, options.rounds)
    yield ingest.latency(options.scraped[-1], options.zones, options.minutes)
    yield from scrapes.rendering(options.scraped, options.rounds)
    yield from scrapes.over_http(options.scraped, options.rounds)
    yield store.memory(options.kept)
    yield store.reading_back(options.scraped[-1])


def main() -> None:
    """Measure, and print the table; a row as soon as it is known, for it takes minutes."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="of which the median counts (default: %(default)s)")
    parser.add_argument("--zones", type=int, default=1000, help="that send events (default: %(default)s)")
    parser.add_argument("--minutes", type=int, default=10, help="of their events (default: %(default)s)")
    parser.add_argument(
        "--scraped", type=int, nargs="+", default=[1000, 10_000, 100_000], help="zones that are scraped, in tenfolds"
    )
    parser.add_argument("--kept", type=int, default=10_000, help="zones whose memory counts (default: %(default)s)")
    parser.add_argument("--plot", type=Path, help="an SVG file to draw")
    options = parser.parse_args()
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
