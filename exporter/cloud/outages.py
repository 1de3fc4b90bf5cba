"""One warning for each failure of Butlr's API, however often it comes again and however many threads meet it."""

import logging
import re
from threading import Lock

from exporter.butlr.errors import CloudError

log = logging.getLogger(__name__)

RETRY_SECONDS = 60.0
"""Time after a failure to the next attempt, unless the work has a shorter interval."""

MAX_REASONS = 5
"""Different reasons that are logged of one failure of some work, until the work succeeds."""

_NUMBER = re.compile(r"\d+")


class Outages:
    """The present failures, by the work that failed. Thread-safe."""

    def __init__(self) -> None:
        self._reasons: dict[str, set[str]] = {}
        self._last: dict[str, str] = {}
        """The last reason of each."""
        self._lock = Lock()

    def reasons(self) -> dict[str, str]:
        """Return the last reason of each present failure, by the work that failed."""
        with self._lock:
            return dict(self._last)

    def failed(self, work: str, error: CloudError) -> None:
        """Log the failure of some work, such as `read the assets`, unless the same reason was logged already.

        Numbers, such as a time to wait, make no other reason.
        """
        reason = _NUMBER.sub("0", str(error))
        with self._lock:
            self._last[work] = str(error)
            is_known = any(reason in reasons for reasons in self._reasons.values())
            reasons = self._reasons.setdefault(work, set())
            has_room = len(reasons) < MAX_REASONS
            if has_room:
                reasons.add(reason)
        if has_room and not is_known:
            log.warning("request to Butlr failed", {"work": work, "reason": str(error)})

    def succeeded(self, work: str) -> None:
        """Log the end of the failure of some work, if it had failed."""
        if self.dismiss(work):
            log.info("request to Butlr succeeded again", {"work": work})

    def dismiss(self, work: str) -> bool:
        """Forget the failure of some work that nobody needs any more; return whether it had failed."""
        with self._lock:
            self._last.pop(work, None)
            return self._reasons.pop(work, None) is not None
