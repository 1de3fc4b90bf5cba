"""The fast path of the webhook: a request with one event, good or bad, is answered without Flask.

It answers as the view in `webhook` would, to the byte, and leaves every other request to that view: arrays, and
requests with unusual headers. Without it, only the speed changes.
"""

from collections.abc import Mapping, Sequence

from exporter.ingest.intake import Intake, NotAcknowledged
from exporter.ingest.receipt import Receipt
from exporter.rule.outcome import REFUSED, Outcome
from exporter.server.service import Response
from exporter.web.answers import Answer, Answers, answer_to, not_written
from exporter.web.auth import Guard


def _response(answer: Answer, *, admits: bool = False) -> Response:
    headers = [*answer.headers, ("Content-Length", str(len(answer.body)))]
    head = "".join([f"{name}: {value}\r\n" for name, value in headers])
    return Response(answer.status, head.encode("latin-1") + b"\r\n" + answer.body, admits or answer.is_of_use)


RESPONSES = {
    outcome: _response(answer_to(Receipt(1, {outcome: 1}, []))) for outcome in Outcome if outcome not in REFUSED
}
"""The response to an event of each accepted outcome: headers and body as the view sends them."""

_MAY_BE_ARRAYS = (b"[", b" ", b"\t", b"\n", b"\r", b"\xef")
"""First bytes of bodies that may hold thousands of events: the last one begins a byte order mark."""

Headers = Sequence[tuple[bytes, bytes]]
"""Names in lower case, and values, as received."""


class FastWebhook:
    """The fast path of one webhook."""

    def __init__(self, path: str, max_body: int, intake: Intake, guard: Guard, answers: Answers) -> None:
        """Give bodies of at most `max_body` bytes that are posted to `path` to `intake`, if `guard` admits them.

        `answers` are for all that it does not accept.
        """
        self.path = path.encode()
        self.max_body = max_body
        self._intake = intake
        self._guard = guard
        self._answers = answers

    def accepts(self, headers: Headers) -> bool:
        """Return whether the body of a POST with these headers may be handled here."""
        by_name = _by_name(headers)
        if by_name is None or b"content-encoding" in by_name or _is_of_browser(by_name):
            return False
        return int(by_name.get(b"content-length", 0)) <= self.max_body and self._admits(by_name)

    def refuse(self, headers: Headers, client: str) -> Response | None:
        """Return the response to a POST from this address whose headers are not accepted; None is for the view."""
        by_name = _by_name(headers)
        if by_name is None or _is_of_browser(by_name) or self._admits(by_name):
            return None
        return _response(self._answers.to_stranger(client))

    def respond(self, bodies: Sequence[bytes]) -> list[Response | None]:
        """Apply one event for each body and return the responses; None, with nothing changed, is for `answer`."""
        try:
            results = self._intake.receive_each(bodies)
        except NotAcknowledged as error:
            return [
                self._answer(not_written()) if isinstance(result, Outcome) else self._refused(result)
                for result in error.outcomes
            ]
        return [RESPONSES[result] if isinstance(result, Outcome) else self._refused(result) for result in results]

    def answer(self, body: bytes, client: str) -> Response | None:
        """Return the response to a body from this address that `respond` left; None if that may take long."""
        if body[:1] in _MAY_BE_ARRAYS:
            return None
        return self._answer(self._answers.to(body, client))

    def _refused(self, receipt: Receipt | None) -> Response | None:
        return None if receipt is None else self._answer(answer_to(receipt))

    def _answer(self, answer: Answer) -> Response:
        return _response(answer, admits=bool(self._guard.challenges))  # without credentials, anybody is a stranger

    def _admits(self, by_name: Mapping[bytes, bytes]) -> bool:
        if not self._guard.challenges:
            return True
        return self._guard.admits(
            {
                "HTTP_" + name.decode("latin-1").upper().replace("-", "_"): value.decode("latin-1").strip(" \t")
                for name, value in by_name.items()
            }
        )


def _by_name(headers: Headers) -> dict[bytes, bytes] | None:
    """Return the headers by name; None if only the view knows how to read them.

    It knows how to join two headers of one name, and to drop one that passes for another (CGI).
    """
    by_name = dict(headers)
    return None if len(by_name) < len(headers) or any(b"_" in name for name in by_name) else by_name


def _is_of_browser(by_name: Mapping[bytes, bytes]) -> bool:
    """Tell whether a browser says which site sends the request; the view judges that."""
    return b"origin" in by_name or b"sec-fetch-site" in by_name
