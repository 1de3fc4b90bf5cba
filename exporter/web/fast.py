"""The short way for the common case: one valid event, from who may send it, answered without the web framework.

It answers as the view of `web` would, to the byte, and leaves everything else to it: what is wrong in any way, arrays,
and what is refused. So it can be taken away, and nothing but the speed changes.
"""

from collections.abc import Sequence

from exporter.ingest.intake import Ingest
from exporter.journal.interface import JournalError
from exporter.rule.outcome import Outcome
from exporter.web.auth import Guard


def _answer(outcome: Outcome) -> bytes:
    body = b'{"received":1,"outcomes":{"%b":1}}\n' % outcome.value.encode()
    return b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


ANSWERS = {outcome: _answer(outcome) for outcome in Outcome}
"""What answers an event of each outcome, but for the first line: headers and body as the view's."""

Headers = Sequence[tuple[bytes, bytes]]
"""Names in lower case, and values, as they came."""


class FastWebhook:
    """The short way to one webhook."""

    def __init__(self, path: str, max_body: int, ingest: Ingest, guard: Guard) -> None:
        """Take the path, the bytes of the max_body body, what takes events, and who knows the senders."""
        self.path = path.encode()
        self.max_body = max_body
        self._ingest = ingest
        self._guard = guard

    def accepts(self, headers: Headers) -> bool:
        """Tell by the headers of a POST whether the body may be looked at here."""
        given = dict(headers)
        # Two of one name are for who joins them, and what may pass for another for who drops it.
        if len(given) < len(headers) or b"content-encoding" in given or any(b"_" in name for name in given):
            return False
        if int(given.get(b"content-length", 0)) > self.max_body:
            return False
        if not self._guard.challenges:
            return True
        return self._guard.admits(
            {
                "HTTP_" + name.decode("latin-1").upper().replace("-", "_"): value.decode("latin-1").strip(" \t")
                for name, value in given.items()
            }
        )

    def respond(self, bodies: Sequence[bytes]) -> list[bytes | None]:
        """Take an event each, and return what answers it; None, and nothing was done, if it is for the long way."""
        try:
            outcomes = self._ingest.receive_each(bodies)
        except JournalError:  # the long way fails as well, and says so
            return [None] * len(bodies)
        return [None if outcome is None else ANSWERS[outcome] for outcome in outcomes]
