"""Butlr's webhook JSON turned into frozen events, or into errors that name the field.

This module decides whether an event is valid; `fast` accepts only a subset, and no code behind them checks again. It
knows nothing of Flask, of metrics, or of the use that is made of an event.

Source of the payload: docs.butlr.io/real-time-occupancy/webhooks-overview/zone-occupancy. The docs promise neither the
shape of ids nor that optional fields are left out, so a missing field, null and an empty string are read alike.
"""

import gc
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, create_model
from pydantic_core import ErrorDetails, from_json

from exporter.events.measures import PEOPLE, Kind, KnownType, Payload, known_type, name_of
from exporter.events.model import FIELDS, MAX_STRING, METADATA, Event, UnsupportedEvent
from exporter.events.payloads import DATA, NUMBER, data_error, event_of
from exporter.events.text import BYTE_ORDER_MARK, is_utf_16, repaired
from exporter.events.times import EARLIEST_TIMESTAMP, LATEST_SECONDS, utc


class FieldError(NamedTuple):
    """One mistake in an event or request; `field` is a dotted path, `""` for the whole."""

    field: str
    message: str

    def __str__(self) -> str:
        """Return the mistake in one line."""
        return f"{self.field}: {self.message}" if self.field else self.message


class NotJson(ValueError):  # noqa: N818 - the name reads as the answer it becomes
    """The body is not JSON; the text gives line and column."""


class InvalidEvent(ValueError):  # noqa: N818
    """A rejected event: `errors` says why, `type` is Butlr's name of its event type, if it has one."""

    def __init__(self, errors: list[FieldError], event_type: str | None) -> None:
        super().__init__("; ".join(map(str, errors)))
        self.errors = errors
        self.type = event_type


_Text = Annotated[str, StringConstraints(max_length=MAX_STRING)]
_Id = Annotated[str, StringConstraints(min_length=1, max_length=MAX_STRING)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class _Envelope(_Strict):
    """The fields of every event, of any type."""

    id: _Id
    type: _Id
    timestamp: Annotated[NUMBER, Field(ge=EARLIEST_TIMESTAMP)]
    version: _Text | None = None


@cache
def _model(payload: Payload, kind: Kind, *, needs_id: bool) -> Any:
    """Return the model of an event of this kind of space; its metadata need the space's own id only if `needs_id`."""
    fields: dict[str, Any] = dict.fromkeys(FIELDS[kind], (_Text | None, None))
    if needs_id:
        fields[kind.id_field] = (_Id, ...)
    metadata = create_model("_Metadata", __base__=_Strict, **fields)
    data: dict[str, Any] = {"data": (DATA[payload], ...)} if payload in DATA else {}
    return create_model("_Event", __base__=_Envelope, metadata=(metadata, ...), **data)


def parse_body(body: bytes) -> list[Any]:
    """Return the items of a request body: those of an array, or the one object.

    A byte order mark is skipped, and half of a surrogate pair is read as U+FFFD. Raises NotJson, also for `NaN`,
    `Infinity`, invalid UTF-8 and JSON nested deeper than 200 levels.
    """
    body = body.removeprefix(BYTE_ORDER_MARK)
    gc.disable()  # or the collector would walk the new objects again and again, none of them garbage
    try:
        parsed = from_json(body, allow_inf_nan=False)
    except ValueError:
        parsed = _parse_repaired(body)
    finally:
        gc.enable()
    return parsed if isinstance(parsed, list) else [parsed]


def _parse_repaired(body: bytes) -> Any:
    """Return the JSON value of a body that no JSON reader accepts as it is. Raises NotJson."""
    if is_utf_16(body):
        raise NotJson("UTF-16 text instead of UTF-8 at line 1 column 1")
    try:
        return from_json(repaired(body), allow_inf_nan=False)
    except ValueError as error:
        raise NotJson(str(error)) from None


def parse_event(item: Any) -> Event | UnsupportedEvent:
    """Turn one parsed JSON item into a frozen event. Raises InvalidEvent."""
    event_type = item.get("type") if isinstance(item, dict) else None
    known = known_type(event_type) if isinstance(event_type, str) else None
    try:
        if known is None:
            return UnsupportedEvent(_Envelope.model_validate(item).type)
        declared = known.measure.declared
        payload = _model(declared.payload, declared.kind, needs_id=True).model_validate(item)
    except ValidationError as error:
        mistakes = [_field_error(detail) for detail in error.errors(include_url=False, include_context=False)]
    else:
        return _event(known, payload)
    # Out of the `except` block, or the new error would hold the old one with its callers.
    raise InvalidEvent(mistakes, name_of(event_type) if isinstance(event_type, str) else None)


def parse_strict(body: bytes) -> Event | None:
    """Return the event of a body that is one valid event with a number of people, in one step.

    None for any other body, and where `parse_body` and `parse_event` might come to another result.
    """
    if body[:1] != b"{" or b"NaN" in body or b"Infinity" in body:
        return None
    try:
        payload = _validate_json(body)
    except ValidationError:
        return None
    known = known_type(payload.type)
    if known is None or known.measure.declared.payload not in PEOPLE:
        return None
    return _event(known, payload) if getattr(payload.metadata, known.measure.kind.id_field) else None


_validate_json: Callable[[bytes], Any] = _model(
    Payload.COUNT, Kind.ZONE, needs_id=False
).__pydantic_validator__.validate_json


def _event(known: KnownType, payload: Any) -> Event:
    kind = known.measure.kind
    names = {name: getattr(payload.metadata, name) or "" for name in FIELDS[kind]}
    return event_of(known, payload.id, payload.timestamp, getattr(payload, "data", None), METADATA[kind](**names))


_MESSAGES = {
    "missing": "is required",
    "string_type": "must be a string",
    "string_too_short": "must not be empty",
    "string_too_long": f"must be at most {MAX_STRING:,} characters long",
    "float_type": "must be a JSON number, not quoted and not a boolean",
    "finite_number": "must be a finite number",
    "greater_than_equal": "must be 0 or more",
    "model_type": "must be a JSON object",
}


def _field_error(detail: ErrorDetails) -> FieldError:
    field = ".".join(map(str, detail["loc"]))
    if not field:
        return FieldError("", "an event must be a JSON object")
    if field.startswith("data.") and (in_data := data_error(detail)):
        return FieldError(*in_data)
    kind, value = detail["type"], detail["input"]
    if kind == "greater_than_equal" and field == "timestamp":
        return FieldError(field, _too_early(value))
    if kind == "float_type" and type(value) is int:  # pydantic's word for an integer beyond any float
        kind = "finite_number"
    return FieldError(field, _MESSAGES.get(kind, detail["msg"]))


def _too_early(timestamp: float) -> str:
    """Return the error text for a timestamp before 2015; the text says so if the number looks like seconds."""
    if EARLIEST_TIMESTAMP // 1000 <= timestamp < LATEST_SECONDS:
        milliseconds = int(timestamp * 1000)
        return f"looks like seconds; send milliseconds since the epoch ({milliseconds} for {utc(milliseconds)})"
    return "is before 2015; send milliseconds since the epoch"
