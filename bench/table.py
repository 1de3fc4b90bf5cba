"""The table of measurements: in each row a figure of the exporter beside another one of the same run."""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import NamedTuple


class Row(NamedTuple):
    """One line of the table."""

    subject: str
    """Such as `events`."""
    ours: str
    """The exporter's figure with its unit."""
    other: str
    """The other figure with its unit and source."""
    ratio: float | None
    """How many times better the exporter is; None if not measured.

    With a goal of `<=`, the exporter's cost as a multiple of the other.
    """
    goal: str
    """Such as `>= 3`, or empty."""

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None without a goal or a measurement."""
        if self.ratio is None or not self.goal:
            return None
        comparison, number = self.goal.split()
        return self.ratio >= float(number) if comparison == ">=" else self.ratio <= float(number)


def ratio_of(ours: Sequence[float], others: Sequence[float]) -> float:
    """Return the median over the rounds of the other's cost divided by the exporter's."""
    return median(other / own for own, other in zip(ours, others, strict=True))


def microseconds(seconds: Sequence[float]) -> str:
    """Return the median of some costs as text."""
    return f"{median(seconds) * 1e6:,.1f} us"


def missing(subject: str, reason: str, goal: str = "") -> Row:
    """Return the row of a measurement that was not possible."""
    return Row(subject, "-", f"not measured: {reason}", None, goal)


def text(rows: Iterable[Row]) -> str:
    """Return rows as the lines of a table."""
    lines = [("", "butlr-exporter", "compared with", "ratio", "goal", "")]
    for row in rows:
        verdict = {None: "", True: "ok", False: "not reached"}[row.reached]
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        lines.append((row.subject, row.ours, row.other, ratio, row.goal, verdict))
    widths = [max(len(line[column]) for line in lines) for column in range(6)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in (1, 3) else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
