"""The answer to a request, or its refusal."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

_NONE: Mapping[str, str] = MappingProxyType({})


class Answer(NamedTuple):
    """The answer to a request."""

    status: int
    content: Any
    """A JSON value, or text that is sent as HTML."""
    headers: Mapping[str, str] = _NONE
    padding_bytes: int = 0
    """Blanks behind the content."""
    drips: bool = False
    """Whether the body comes a few bytes at a time, and ends in the middle."""

    def body(self) -> bytes:
        """Return the bytes of the content."""
        return (self.content if isinstance(self.content, str) else json.dumps(self.content)).encode()

    @property
    def content_type(self) -> str:
        """The media type of the body."""
        return "text/html; charset=utf-8" if isinstance(self.content, str) else "application/json"


class Refused(Exception):  # noqa: N818 - the name reads as what happened
    """A request is refused."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def json_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a body. Raises Refused."""
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        raise Refused(Answer(400, {"error": "the body is not a JSON object"}))
    return parsed
