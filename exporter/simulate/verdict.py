"""The verdict on an exporter: the comparison with the oracle, printed for people."""

import sys
from collections.abc import Callable, Sequence
from typing import IO, NamedTuple

from exporter.simulate.client import Target
from exporter.simulate.load.report import printable, table
from exporter.simulate.verify.arrivals import Exchange, Rule
from exporter.simulate.verify.compare import Difference, answer_differences, exposition_differences
from exporter.simulate.verify.oracle import NOTHING_BEFORE, Before, Oracle
from exporter.simulate.verify.scrape import (
    Scraped,
    crossing_totals,
    newest_readings_ms,
    process_start_ms,
    scrape,
)


class Judge(NamedTuple):
    """The exporter that is judged, and its settings."""

    metrics: Target
    rule: Rule
    has_journal: bool
    """Whether the exporter keeps its readings over a restart."""

    async def verify(
        self,
        exchanges: Sequence[Exchange],
        unanswered: Sequence[bytes],
        before: Scraped | None,
        clock: Callable[[], float],
    ) -> int:
        """Compare the exporter with the oracle, print the verdict, and return the exit status. Raises ScrapeFailed.

        `before` is the exposition from before the first delivery; `clock` returns Unix seconds.
        """
        since_ms = clock() * 1000
        scraped = await scrape(self.metrics)
        until_ms = clock() * 1000
        started_ms = process_start_ms(scraped)
        restarted = any(exchange.connected_ms < started_ms for exchange in exchanges)
        if restarted and not self.has_journal:  # an exporter without a journal has lost all from before
            exchanges = [exchange for exchange in exchanges if exchange.connected_ms > started_ms]
            before = None
        oracle = Oracle(
            exchanges,
            self.rule,
            unanswered=unanswered,
            before=Before(newest_readings_ms(before), crossing_totals(before)) if before else NOTHING_BEFORE,
            started_ms=started_ms if restarted else 0,
        )
        judgements = list(oracle.judgements())
        counts = len(oracle.expected_counts()) + len(oracle.expected_totals())
        differences = [
            *exposition_differences(oracle, scraped, since_ms, until_ms),
            *answer_differences(judgements),
        ]
        compared = f"{counts:,} counts with their labels and {len(judgements):,} of {len(exchanges):,} answers"
        if differences:
            print_lines(*table(Difference._fields, differences))
            hint = "; the exporter was restarted during the run: if it has no journal, pass --no-journal"
            return print_failure(
                f"{len(differences):,} differences in {compared}{hint if restarted and self.has_journal else ''}"
            )
        if not counts:
            reason = (
                "the exporter had newer readings of these spaces; another --seed makes others"
                if oracle.series_sent
                else "no reading was delivered"
            )
            return print_failure(f"there was no count to verify: {reason}")
        print_lines(f"verified: {compared} are as they must be")
        if unverified := oracle.series_sent - counts:
            print_lines(f"not verified: {unverified:,} counts of which the exporter had newer readings before the run")
        return 0


def print_lines(*lines: str, file: IO[str] | None = None) -> None:
    """Print lines, with unprintable characters escaped."""
    print(*map(printable, lines), sep="\n", file=file, flush=True)


def print_failure(reason: str) -> int:
    """Print why the run failed; return the exit status."""
    print_lines(f"butlr-exporter: {reason}", file=sys.stderr)
    return 1
