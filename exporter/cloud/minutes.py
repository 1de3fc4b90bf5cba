"""Polling and recovery in one thread, at one pace: a due poll goes before the next request of a recovery."""

from exporter.butlr.reporting import MINUTE_MS
from exporter.cloud.poll import LOOK_BACK_MS, Poller
from exporter.cloud.readings import MinutesParts
from exporter.cloud.recover import Recovery
from exporter.cloud.silence import Silence
from exporter.events.measures import Kind
from exporter.inventory import NOTHING

WAIT_SECONDS = 1.0
"""Time from one look for the first inventory to the next."""

LOOK_SECONDS = 15.0
"""Time from one look for the end of a silence to the next."""

LONGEST_SILENCE_SECONDS = 300.0
"""Time without an event in which no minute is lost: Butlr delivers each for five minutes."""

_SHORTEST_GAP_MS = 3 * MINUTE_MS
"""Age of the newest reading up to which the first poll reads all that was missed, with the lag of Butlr's minutes."""


class MinutesReader:
    """Reads minutes, for one thread."""

    def __init__(
        self,
        poller: Poller | None,
        recovery: Recovery,
        silence: Silence,
        before_ms: dict[Kind, int],
        parts: MinutesParts,
    ) -> None:
        """Take the poller, if there is polling, and the newest readings of each kind from before the start."""
        self._poller = poller
        self._polled = poller.plan.kinds if poller is not None else ()
        self._recovery = recovery
        self._silence = silence
        self._parts = parts
        self._before_ms = before_ms
        self._poll_at: float | None = None

    def work(self) -> float:
        """Do all that is due; return the seconds until the next time."""
        if self._parts.assets.current is NOTHING:
            return WAIT_SECONDS
        if self._poll_at is None:
            self._poll_at = self._parts.monotonic()
            self._recover_start()
        if self._poller is not None and self._poll_at <= self._parts.monotonic():
            self._poll_at += self._poller.plan.interval_seconds
            for missed in self._poller.poll():
                self._recovery.add(*missed)
            self._poll_at = max(self._poll_at, self._parts.monotonic())
        for kind, newest_ms in self._silence.ended().items():
            self._recover_since(kind, newest_ms)
        if self._recovery.step():
            return 0.0
        if self._poller is None:
            return LOOK_SECONDS
        return min(LOOK_SECONDS, max(0.0, self._poll_at - self._parts.monotonic()))

    def _recover_start(self) -> None:
        """Have the minutes from before the start asked for, where the first poll does not."""
        now_ms = self._now_ms()
        for kind in self._polled:
            since_ms = self._before_ms.get(kind, now_ms - self._recovery.recover_ms)
            if now_ms - since_ms > _SHORTEST_GAP_MS:
                self._recovery.add(kind, since_ms - LOOK_BACK_MS, now_ms - LOOK_BACK_MS)
        for kind, newest_ms in self._before_ms.items():
            self._recover_since(kind, newest_ms)

    def _recover_since(self, kind: Kind, newest_ms: int) -> None:
        """Have the minutes since the newest reading asked for, unless polls or the next events bring them."""
        now_ms = self._now_ms()
        if kind not in self._polled and now_ms - newest_ms > LONGEST_SILENCE_SECONDS * 1000:
            self._recovery.add(kind, newest_ms - LOOK_BACK_MS, now_ms)

    def _now_ms(self) -> int:
        return int(self._parts.clock() * 1000)
