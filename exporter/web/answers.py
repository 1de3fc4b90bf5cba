"""The answers to bodies of events, which the view and the fast path give alike. It knows neither Flask nor connections.

An answer costs a few microseconds, so that a flood of rejected events is no worse than one of accepted events.
"""

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from exporter.events.parse import NotJson
from exporter.ingest.intake import Intake, TooManyEvents
from exporter.ingest.receipt import MAX_ERRORS, Receipt
from exporter.journal.interface import JournalError
from exporter.metrics.registry import Rejection

log = logging.getLogger(__name__)

PATH = "/webhook"

RETRY_AFTER = 5
"""Seconds after which a client may try again when the journal cannot be written."""

TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    413: "Request Entity Too Large",
    422: "Unprocessable Entity",
    503: "Service Unavailable",
}
"""The titles of problems, as Werkzeug has them: those of the standard library differ between versions."""

JSON, PROBLEM = "application/json", "application/problem+json"

Refuse = Callable[[Rejection, str], None]
"""Counts a request that is refused before any event is read; the text is the detail of the answer."""


class Answer(NamedTuple):
    """One answer, without the headers that all answers have."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    is_of_use: bool = False
    """Whether an event was accepted; its sender is then no stranger."""


class Answers:
    """The answers of one webhook. Thread-safe."""

    def __init__(self, intake: Intake, refuse: Refuse, wanted: str, challenges: list[str]) -> None:
        """Give bodies to `intake`; ask a client without credentials for those `wanted`, with these challenges."""
        self._intake = intake
        self._refuse = refuse
        self._challenges = [("WWW-Authenticate", challenge) for challenge in challenges]
        self._no_credentials = no_credentials(wanted)

    def to(self, body: bytes, client: str) -> Answer:
        """Apply the events of a body, which comes from this address, and return the answer."""
        try:
            receipt = self._intake.receive(body)
        except NotJson as error:
            return self._refused(Rejection.MALFORMED, 400, f"the body is not JSON: {error}", client)
        except TooManyEvents as error:
            return self._refused(Rejection.TOO_LARGE, 413, str(error), client)
        except JournalError:  # the journal logs the outage once
            return not_written()
        return answer_to(receipt)

    def to_stranger(self, client: str) -> Answer:
        """Return the answer to a request from this address without the right credentials."""
        answer = self._refused(Rejection.UNAUTHORIZED, 401, self._no_credentials, client)
        return answer._replace(headers=[*answer.headers, *self._challenges])

    def _refused(self, reason: Rejection, status: int, detail: str, client: str) -> Answer:
        self._refuse(reason, detail)
        log_refused(status, detail, "POST", PATH, client)
        return _problem(status, detail)


def not_written() -> Answer:
    """Return the answer to events that the journal does not accept."""
    answer = _problem(503, "the journal cannot be written now; please send this again")
    return answer._replace(headers=[*answer.headers, ("Retry-After", str(RETRY_AFTER))])


def no_credentials(wanted: str) -> str:
    """Return the detail of a refusal for want of credentials."""
    return f"this needs {wanted}; the request has none, or a wrong one"


def log_refused(status: int, detail: str, method: str, path: str, client: str | None) -> None:
    """Log one refused request."""
    # A browser that asks for /favicon.ico is no trouble; a webhook sent to the wrong path is.
    level = logging.DEBUG if status == 404 and method == "GET" else logging.WARNING
    fields = {"status": status, "reason": detail, "method": method, "path": path, "client": client}
    log.log(level, "request refused", fields)


def answer_to(receipt: Receipt) -> Answer:
    """Return the answer to a body with this receipt."""
    counts = {"received": receipt.received, "outcomes": {each.value: n for each, n in receipt.outcomes.items()}}
    refused = receipt.refused
    if not refused:
        return Answer(200, [("Content-Type", JSON)], _encoded(counts), is_of_use=receipt.received > 0)
    detail = f"{refused} of {receipt.received} events refused"
    if len(receipt.errors) == MAX_ERRORS:
        detail += f"; at most {MAX_ERRORS} errors are listed"
    answer = _problem(422, detail, errors=receipt.errors, **counts)
    return answer._replace(is_of_use=True) if refused < receipt.received else answer


def _problem(status: int, detail: str, **members: Any) -> Answer:
    problem = {"type": "about:blank", "title": TITLES[status], "status": status, "detail": detail, **members}
    return Answer(status, [("Content-Type", PROBLEM)], _encoded(problem))


def _encoded(value: object) -> bytes:
    return msgspec.json.encode(value) + b"\n"
