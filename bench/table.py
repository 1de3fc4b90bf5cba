"""What was measured, as rows: each a figure of ours beside that of something else in the same run."""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import NamedTuple


class Row(NamedTuple):
    """One line of the table."""

    what: str
    ours: str
    than: str
    """What it is compared with, and the figure of that."""
    ratio: float | None
    """How many times better ours is; for costs that are ours alone, how many times as much; None if not measured."""
    goal: str
    """Such as `>= 3`, or empty."""

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None if there is none, or nothing was measured."""
        if self.ratio is None or not self.goal:
            return None
        comparison, number = self.goal.split()
        return self.ratio >= float(number) if comparison == ">=" else self.ratio <= float(number)


def ratio_of(ours: Sequence[float], others: Sequence[float]) -> float:
    """Return the median over the rounds of what others took by what ours did."""
    return median(other / own for own, other in zip(ours, others, strict=True))


def missing(what: str, why: str, goal: str = "") -> Row:
    """Return the row of what could not be measured."""
    return Row(what, "-", f"not measured: {why}", None, goal)


def text(rows: Iterable[Row]) -> str:
    """Return the table."""
    lines = [("", "butlr-exporter", "compared with", "ratio", "goal", "")]
    for row in rows:
        said = {None: "", True: "ok", False: "not reached"}[row.reached]
        lines.append((row.what, row.ours, row.than, "" if row.ratio is None else f"{row.ratio:.2f}", row.goal, said))
    widths = [max(len(line[column]) for line in lines) for column in range(6)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in (1, 3) else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
