"""The fast path of the webhook: one valid event, sent with the right credentials, is answered without Flask.

It answers as the view in `webhook` would, to the byte, and leaves every other request to that view: arrays, requests
with any mistake, events to be refused, and all events while the journal cannot be written. Without it, only the speed
changes.
"""

import json
from collections.abc import Sequence

from exporter.ingest.intake import Intake, NotAcknowledged
from exporter.rule.outcome import REFUSED, Outcome
from exporter.web.auth import Guard

NOT_WRITTEN = "the journal cannot be written now; please send this again"
"""The detail of the problem that answers an event while the journal cannot be written."""

RETRY_AFTER = 5
"""Seconds after which a client may try again then."""


def _response(status: str, content_type: str, content: object, more_headers: str = "") -> bytes:
    body = json.dumps(content, separators=(",", ":")) + "\n"
    headers = f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n{more_headers}"
    return f"HTTP/1.1 {status}\r\n{headers}\r\n{body}".encode()


RESPONSES = {
    outcome: _response("200 OK", "application/json", {"received": 1, "outcomes": {outcome.value: 1}})
    for outcome in Outcome
    if outcome not in REFUSED
}
"""The response to an event of each accepted outcome, as the view sends it."""

NOT_WRITTEN_RESPONSE = _response(
    "503 Service Unavailable",
    "application/problem+json",
    {"type": "about:blank", "title": "Service Unavailable", "status": 503, "detail": NOT_WRITTEN},
    f"Retry-After: {RETRY_AFTER}\r\n",
)
"""The response to an event that was applied and could not be written, as the view sends it."""

Headers = Sequence[tuple[bytes, bytes]]
"""Names in lower case, and values, as received."""


class FastWebhook:
    """The fast path of one webhook."""

    def __init__(self, path: str, max_body: int, intake: Intake, guard: Guard) -> None:
        """Give bodies of at most `max_body` bytes that are posted to `path` to `intake`, if `guard` admits them."""
        self.path = path.encode()
        self.max_body = max_body
        self._intake = intake
        self._guard = guard

    def accepts(self, headers: Headers) -> bool:
        """Return whether the body of a POST with these headers may be handled here."""
        by_name = dict(headers)
        # Only the view knows how to join two headers of one name, and to drop one that passes for another (CGI).
        if (
            len(by_name) < len(headers)
            or b"content-encoding" in by_name
            or any(b"_" in name for name in by_name)
            or int(by_name.get(b"content-length", 0)) > self.max_body
        ):
            return False
        if not self._guard.challenges:
            return True
        return self._guard.admits(
            {
                "HTTP_" + name.decode("latin-1").upper().replace("-", "_"): value.decode("latin-1").strip(" \t")
                for name, value in by_name.items()
            }
        )

    def respond(self, bodies: Sequence[bytes]) -> list[bytes | None]:
        """Apply one event for each body and return the responses; None, with nothing changed, is for the view."""
        try:
            outcomes = self._intake.receive_each(bodies)
        except NotAcknowledged as error:
            return [None if outcome is None else NOT_WRITTEN_RESPONSE for outcome in error.outcomes]
        return [None if outcome is None else RESPONSES[outcome] for outcome in outcomes]
