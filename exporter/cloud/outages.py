"""One warning for each failure of Butlr's API, however often it comes again and however many threads meet it."""

import logging
from threading import Lock

from exporter.butlr.errors import CloudError

log = logging.getLogger(__name__)


class Outages:
    """The present failures, by the work that failed. Thread-safe."""

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}
        self._lock = Lock()

    def failed(self, work: str, error: CloudError) -> None:
        """Log the failure of some work, such as `read the assets`, unless the same reason was logged already."""
        reason = str(error)
        with self._lock:
            is_known = reason in self._reasons.values()
            self._reasons[work] = reason
        if not is_known:
            log.warning("request to Butlr failed", {"work": work, "reason": reason})

    def succeeded(self, work: str) -> None:
        """Log the end of the failure of some work, if it had failed."""
        with self._lock:
            had_failed = self._reasons.pop(work, None) is not None
        if had_failed:
            log.info("request to Butlr succeeded again", {"work": work})
