"""Polls the last minutes of all spaces of some kinds, for an exporter that Butlr cannot deliver to."""

import logging
import math
from typing import NamedTuple

from exporter.butlr.batches import Batches
from exporter.butlr.errors import CloudError, Forbidden, Throttled, Unauthorized, Unreachable
from exporter.butlr.reporting import MAX_SPAN_MS, MINUTE_MS
from exporter.cloud.readings import MinutesParts
from exporter.events.measures import Kind

log = logging.getLogger(__name__)

LOOK_BACK_MS = 7 * MINUTE_MS
"""Minutes that every poll asks for: Butlr has each one or two minutes later, and computes it again for five."""

WORK = "poll"

_ENDS_A_POLL = (Unauthorized, Forbidden, Throttled, Unreachable)
"""Failures that the next query would meet, too."""

_IN_A_ROW = 2
"""Failed queries of one kind, one after the other, after which the others of the kind wait for the next poll."""

_HINT = "each poll begins as the last one ends; raise --poll, poll fewer measurements, or have Butlr deliver webhooks"


class Missed(NamedTuple):
    """Minutes of a kind of space that nobody has asked for."""

    kind: Kind
    start_ms: int
    stop_ms: int


class PollPlan(NamedTuple):
    """The settings of polling."""

    kinds: tuple[Kind, ...]
    interval_seconds: float
    recover_ms: int
    """The age of the oldest minute that is asked for after a failure."""


class Poller:
    """Polls, for one thread."""

    def __init__(self, plan: PollPlan, batches: Batches, parts: MinutesParts) -> None:
        self.plan = plan
        self._batches = batches
        self._parts = parts
        self._done_ms: dict[Kind, int] = {}
        """The time up to which each kind was read."""
        self._period_ms = math.ceil(1000 * plan.interval_seconds)
        """Time from one poll to the next, where none fails."""
        self._requests = 0
        self._was_slow = False

    def poll(self) -> list[Missed]:
        """Poll all kinds once; return the older minutes that failed polls have missed."""
        begin_seconds, now_ms = self._parts.monotonic(), int(self._parts.clock() * 1000)
        self._requests = 0
        missed: list[Missed] = []
        is_complete = True
        try:
            for kind in self.plan.kinds:
                is_complete &= self._read(kind, now_ms, missed)
        except _ENDS_A_POLL:
            is_complete = False
        self._parts.names.end_poll(int(self._parts.clock() * 1000))
        self._parts.readings.report_unused(WORK)
        if is_complete:
            self._parts.outages.succeeded(WORK)
            self._parts.families.last_poll_seconds = self._parts.clock()
            self._check_pace(self._parts.monotonic() - begin_seconds)
        return missed

    def _read(self, kind: Kind, now_ms: int, missed: list[Missed]) -> bool:
        """Poll the spaces of one kind; tell whether no query failed. Raises the errors that end a poll."""
        stop_ms = now_ms // MINUTE_MS * MINUTE_MS
        done_ms = self._done_ms.setdefault(kind, stop_ms)
        oldest_ms = now_ms - max(self.plan.recover_ms, self._period_ms + LOOK_BACK_MS)
        wanted_ms = min(stop_ms - LOOK_BACK_MS, max(done_ms - LOOK_BACK_MS, oldest_ms))
        start_ms = max(wanted_ms, stop_ms - MAX_SPAN_MS)
        failures = in_a_row = 0
        for answer in self._batches.answers(kind, self._parts.assets.current.spaces[kind], start_ms, stop_ms):
            if isinstance(answer, CloudError):
                self._parts.outages.failed(WORK, answer)
                if isinstance(answer, _ENDS_A_POLL):
                    raise answer
                failures += 1
                in_a_row += 1
                if in_a_row == _IN_A_ROW:
                    return False
            else:
                in_a_row = 0
                self._requests += 1
                self._parts.readings.apply(answer, self._parts.names.polled)
        if failures:
            return False
        self._done_ms[kind] = stop_ms
        if wanted_ms < start_ms:
            missed.append(Missed(kind, wanted_ms, start_ms))
        return True

    def _check_pace(self, seconds: float) -> None:
        """Warn once that polls without a failure take longer than their interval."""
        interval_seconds = self.plan.interval_seconds
        self._period_ms = math.ceil(1000 * max(seconds, interval_seconds))
        if seconds <= interval_seconds / 2:
            self._was_slow = False
        elif seconds > interval_seconds and not self._was_slow:
            self._was_slow = True
            spaces = sum(len(self._parts.assets.current.spaces[kind]) for kind in self.plan.kinds)
            log.warning(
                "poll takes longer than its interval",
                {
                    "spaces": spaces,
                    "requests": self._requests,
                    "seconds": round(seconds, 1),
                    "interval_seconds": interval_seconds,
                    "hint": _HINT,
                },
            )
