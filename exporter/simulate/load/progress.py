"""A bar on standard error while a person is watching."""

import sys

from tqdm import tqdm

from exporter.simulate.world.delivery import Delivery


class Progress:
    """How much of the simulated time has passed, and how many deliveries were answered."""

    def __init__(self, start: int = 0, length: int | None = None) -> None:
        """Take when the simulated time begins and how long it is, in milliseconds, if it is known."""
        self._start = start
        self._number = 0
        form = "{percentage:3.0f}%|{bar}| {elapsed}{postfix}" if length else "{elapsed}{postfix}"
        self._bar = tqdm(total=length, disable=None, leave=False, dynamic_ncols=True, bar_format=form)

    def __call__(self, delivery: Delivery) -> None:
        """Count one."""
        self._number += 1
        self._bar.set_postfix_str(f"{self._number:,} deliveries", refresh=False)
        self._bar.update(max(0, delivery.due - self._start - self._bar.n) if self._bar.total else 1)

    def say(self, line: str) -> None:
        """Print a line above it."""
        self._bar.write(line, file=sys.stderr)

    def close(self) -> None:
        """Take it away."""
        self._bar.close()
