"""The texts that a run prints for people: a summary and a table of differences."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

_LATENCY_STEPS = 50
"""Latencies are counted in this many steps for each factor of e: to 2 %."""

MAX_ROWS = 20
"""Rows of a printed table; the rest is only counted."""


@dataclass
class Totals:
    """Counts of one run."""

    outcomes: Counter[str] = field(default_factory=Counter)
    """Events by outcome."""
    answered: int = 0
    """Deliveries that were answered, be it with a refusal."""
    accepted: int = 0
    """Deliveries that were answered with 2xx."""
    refused: int = 0
    refusal: str = ""
    """Status and reason of the first refusal."""
    retries: int = 0
    lost: int = 0
    """Deliveries that were not sent because the plan loses them."""
    dropped: int = 0
    """Deliveries that were given up after their last retry."""
    _latencies: Counter[int] = field(default_factory=Counter)

    def record_latency(self, seconds: float) -> None:
        """Count the time from a delivery's last try to its answer."""
        self._latencies[round(math.log(max(seconds, 1e-6)) * _LATENCY_STEPS)] += 1

    def latency_seconds(self, share: float) -> float:
        """Return the time within which this share of the answers came."""
        rank = share * self._latencies.total()
        for step, number in sorted(self._latencies.items()):
            rank -= number
            if rank <= 0:
                return math.exp(step / _LATENCY_STEPS)
        return 0.0

    def summary(self, seconds: float) -> list[str]:
        """Return the lines that are printed at the end of a run of this many seconds."""
        lines = [f"{self.answered:,} deliveries answered in {seconds:.1f} s, {self.answered / seconds:,.0f} a second"]
        lines += outcome_lines(self.outcomes)
        if self.answered:
            median, p90, p99 = (_duration(self.latency_seconds(share)) for share in (0.5, 0.9, 0.99))
            lines.append(f"half of the answers within {median}, 90 % within {p90}, 99 % within {p99}")
        lines.append(f"{self.retries:,} retries, {self.refused:,} refused")
        if self.lost:
            lines[-1] += f", {self.lost:,} lost on purpose"
        if self.dropped:
            lines[-1] += f", {self.dropped:,} given up after the last retry"
        return lines


def outcome_lines(outcomes: Counter[str]) -> list[str]:
    """Return a line with number and share for each outcome, the most frequent first."""
    return [f"  {name:<12} {n:>12,} {n / outcomes.total():>7.1%}" for name, n in outcomes.most_common()]


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table with at most MAX_ROWS rows."""
    rows = [[printable(cell) for cell in row] for row in rows]
    shown = [heading, *rows[:MAX_ROWS]]
    widths = [max(len(row[n]) for row in shown) for n in range(len(heading))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in shown]
    if len(rows) > MAX_ROWS:
        lines.append(f"and {len(rows) - MAX_ROWS:,} more")
    return lines


def printable(text: str) -> str:
    """Return a text with unprintable characters escaped, so that it can neither move the cursor nor begin a line."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.2g} ms" if seconds < 0.1 else f"{seconds:.2g} s"
