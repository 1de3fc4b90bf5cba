"""The fast path of the webhook: one valid event, sent with the right credentials, is answered without Flask.

It answers as the view in `webhook` would, to the byte, and leaves every other request to that view: arrays, requests
with any mistake, and events to be refused. Without it, only the speed changes.
"""

from collections.abc import Sequence

from exporter.ingest.intake import Intake
from exporter.journal.interface import JournalError
from exporter.rule.outcome import REFUSED, Outcome
from exporter.web.auth import Guard


def _response(outcome: Outcome) -> bytes:
    body = b'{"received":1,"outcomes":{"%b":1}}\n' % outcome.value.encode()
    return b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


RESPONSES = {outcome: _response(outcome) for outcome in Outcome if outcome not in REFUSED}
"""The response to an event of each accepted outcome, without the status line: headers and body as the view sends
them."""

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
        except JournalError:  # the view fails as well, and answers so
            return [None] * len(bodies)
        return [None if outcome is None else RESPONSES[outcome] for outcome in outcomes]
