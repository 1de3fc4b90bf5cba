"""Failed calls of Butlr's API, as errors that tell people the reason and the remedy."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from enum import StrEnum
from json import dumps
from typing import NamedTuple, TypeVar

import msgspec
from pydantic import SecretStr

from exporter.events.text import repaired

_T = TypeVar("_T")

REPAIRS: tuple[Callable[[bytes], bytes], ...] = (bytes, repaired)
"""The texts to decode an answer from, one after the other until one is JSON: a search for repairs takes long."""

_MAX_SHOWN = 300
"""Characters of a text from an answer that an error shows."""

TOKEN_PAGE = "app.butlr.io, Account Settings, API Tokens"  # noqa: S105 - the place where one is made
"""The page on which API tokens are made."""


class CallOutcome(StrEnum):
    """The result of one request, as it is counted."""

    OK = "ok"
    UNAUTHORIZED = "unauthorized"
    THROTTLED = "throttled"
    TIMEOUT = "timeout"
    ERROR = "error"


class CloudError(Exception):
    """A failed call; the text is for people, without secrets."""

    outcome = CallOutcome.ERROR
    is_temporary = False
    """Whether the same request may succeed later."""

    def __init__(self, message: str, *, wait_seconds: float | None = None, was_sent: bool = True) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds
        """Time for which Butlr asks to send nothing; None if it does not say."""
        self.was_sent = was_sent
        """Whether Butlr may have received the request."""


class Unreachable(CloudError):  # noqa: N818 - the name reads as what happened
    """No connection, or one that broke."""

    is_temporary = True


class TimedOut(CloudError):  # noqa: N818 - the name reads as what happened
    """No complete answer in time."""

    outcome = CallOutcome.TIMEOUT
    is_temporary = True


class Throttled(CloudError):  # noqa: N818 - the name reads as what happened
    """More requests than Butlr accepts."""

    outcome = CallOutcome.THROTTLED
    is_temporary = True


class Unavailable(CloudError):  # noqa: N818 - the name reads as what happened
    """A failure inside Butlr's cloud (5xx)."""

    is_temporary = True


class Unauthorized(CloudError):  # noqa: N818 - the name reads as what happened
    """Rejected credentials, or a rejected token."""

    outcome = CallOutcome.UNAUTHORIZED


class Forbidden(CloudError):  # noqa: N818 - the name reads as what happened
    """A call for which the API token has no right."""

    outcome = CallOutcome.UNAUTHORIZED


class BadAnswer(CloudError):  # noqa: N818 - the name reads as what happened
    """An answer that is no answer of Butlr's API: HTML, half of it, wrong types, too much."""


class HalfAnswer(BadAnswer):
    """An answer that begins as JSON and does not end so."""

    is_temporary = True


class Refused(CloudError):  # noqa: N818 - the name reads as what happened
    """A GraphQL query that was answered with errors."""


class UnknownName(NamedTuple):
    """A name that the schema does not have: a field of a type, or a type or argument."""

    type: str
    """The type of the field; else the word `type` or `argument`."""
    field: str

    def __str__(self) -> str:
        """Return the name for people."""
        return f"{self.type} {self.field}" if self.type in ("type", "argument") else f"{self.field} in {self.type}"


class SchemaRefused(Refused):
    """A GraphQL query with names that the schema does not have."""

    def __init__(self, names: Iterable[UnknownName]) -> None:
        self.names = tuple(dict.fromkeys(names))
        listed = ", ".join(map(str, self.names))
        super().__init__(
            f"Butlr's schema has no {listed}; this version of the exporter and Butlr's API differ: please report it"
        )


def parsed(body: bytes, form: type[_T], subject: str) -> _T:
    """Return the JSON value of an answer that `subject` names; half of a character in a name is no mistake.

    Raises BadAnswer.
    """
    for repair in REPAIRS:
        with suppress(msgspec.MsgspecError, RecursionError, ValueError):
            return msgspec.json.decode(repair(body), type=form)
    raise unreadable(body, subject)


def unreadable(body: bytes, subject: str) -> BadAnswer:
    """Return the error of a body that is not JSON; `subject` names the answer, such as `Butlr's answer`."""
    beginning = body.lstrip()[:1]
    if beginning == b"<":
        return BadAnswer(f"{subject} is HTML; check butlr_api_url")
    error = HalfAnswer if beginning in (b"{", b"[") else BadAnswer
    return error(f"{subject} is not JSON, or half of it; check butlr_api_url")


def shown(text: str, secrets: Iterable[SecretStr] = ()) -> str:
    """Return a text from an answer on one line, shortened, and without secrets that the answer repeats."""
    for secret in secrets:
        plain = secret.get_secret_value()
        for form in {plain, dumps(plain)[1:-1], repr(plain)[1:-1]} if plain else ():
            text = text.replace(form, "<secret>")
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return line if len(line) <= _MAX_SHOWN else f"{line[:_MAX_SHOWN]}..."
