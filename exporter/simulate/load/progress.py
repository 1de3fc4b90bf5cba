"""A progress bar on standard error while a person is watching."""

import sys

from tqdm import tqdm

from exporter.simulate.world.delivery import Delivery


class Progress:
    """Shows the share of the simulated time that has passed, and the number of answered deliveries."""

    def __init__(self, start_ms: int = 0, length_ms: int | None = None) -> None:
        """Show a bar for `length_ms` of simulated time from `start_ms` on; without a length, the number only."""
        self._start_ms = start_ms
        self._number = 0
        form = "{percentage:3.0f}%|{bar}| {elapsed}{postfix}" if length_ms else "{elapsed}{postfix}"
        self._bar = tqdm(total=length_ms, disable=None, leave=False, dynamic_ncols=True, bar_format=form)

    def count(self, delivery: Delivery) -> None:
        """Count one delivery and move the bar to its time."""
        self._number += 1
        self._bar.set_postfix_str(f"{self._number:,} deliveries", refresh=False)
        self._bar.update(max(0, delivery.due_ms - self._start_ms - self._bar.n) if self._bar.total else 1)

    def print_above(self, line: str) -> None:
        """Print a line above the bar."""
        self._bar.write(line, file=sys.stderr)

    def close(self) -> None:
        """Remove the bar."""
        self._bar.close()
