"""Butlr's webhook JSON turned into frozen events, or into errors that name the field.

This module decides whether an event is valid; `fast` accepts only a subset, and no code behind them checks again. It
knows nothing of Flask, of metrics, or of the use that is made of an event.

Source of the payload: docs.butlr.io/real-time-occupancy/webhooks-overview/zone-occupancy. The docs promise neither the
shape of ids nor that optional fields are left out, so a missing field, null and an empty string are read alike.
"""

import gc
from collections.abc import Callable
from functools import cache
from operator import attrgetter
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, create_model
from pydantic_core import ErrorDetails, from_json

from exporter.events.ids import generation
from exporter.events.measures import Kind, Measure, Payload, measure_of
from exporter.events.model import ID_POSITION, MAX_STRING, Metadata, OccupancyEvent, UnsupportedEvent
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
    """A rejected event: `errors` says why, `measure` is its type if that is exported."""

    def __init__(self, errors: list[FieldError], measure: Measure | None) -> None:
        super().__init__("; ".join(map(str, errors)))
        self.errors = errors
        self.measure = measure


_Text = Annotated[str, StringConstraints(max_length=MAX_STRING)]
_Id = Annotated[str, StringConstraints(min_length=1, max_length=MAX_STRING)]
_Number = Annotated[float, Field(allow_inf_nan=False)]
_DATA: dict[Payload, Any] = {Payload.COUNT: Annotated[_Number, Field(ge=0)]}
"""The type of the field `data`."""


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class _Envelope(_Strict):
    """The fields of every event, of any type."""

    id: _Id
    type: _Id
    timestamp: Annotated[_Number, Field(ge=EARLIEST_TIMESTAMP)]
    version: _Text | None = None


_OPTIONAL: dict[str, Any] = dict.fromkeys(Metadata._fields, (_Text | None, None))
_metadata_values = attrgetter(*Metadata._fields)


@cache
def _model(payload: Payload, kind: Kind | None) -> Any:
    """Return the model of an event; with a kind, its metadata must hold the own id of such a space, and no more."""
    fields = _OPTIONAL if kind is None else _OPTIONAL | {kind.id_field: (_Id, ...)}
    metadata = create_model("_Metadata", __base__=_Strict, **fields)
    return create_model("_Event", __base__=_Envelope, metadata=(metadata, ...), data=(_DATA[payload], ...))


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


def parse_event(item: Any) -> OccupancyEvent | UnsupportedEvent:
    """Turn one parsed JSON item into a frozen event. Raises InvalidEvent."""
    event_type = item.get("type") if isinstance(item, dict) else None
    measure = measure_of(event_type) if isinstance(event_type, str) else None
    try:
        if measure is None:
            return UnsupportedEvent(_Envelope.model_validate(item).type)
        payload = _model(measure.declared.payload, measure.kind).model_validate(item)
    except ValidationError as error:
        mistakes = [_field_error(detail) for detail in error.errors(include_url=False, include_context=False)]
    else:
        return _occupancy_event(payload, measure)
    # Out of the `except` block, or the new error would hold the old one with its callers.
    raise InvalidEvent(mistakes, measure)


def parse_strict(body: bytes) -> OccupancyEvent | None:
    """Return the event of a body that is one valid event of an exported measure, in one step.

    None for any other body, and where `parse_body` and `parse_event` might come to another result.
    """
    if body[:1] != b"{" or b"NaN" in body or b"Infinity" in body:
        return None
    try:
        payload = _validate_json(body)
    except ValidationError:
        return None
    measure = measure_of(payload.type)
    if measure is None or not getattr(payload.metadata, measure.kind.id_field):
        return None
    return _occupancy_event(payload, measure)


_validate_json: Callable[[bytes], Any] = _model(Payload.COUNT, None).__pydantic_validator__.validate_json


def _occupancy_event(payload: Any, measure: Measure) -> OccupancyEvent:
    metadata = Metadata(*[value or "" for value in _metadata_values(payload.metadata)])
    return OccupancyEvent(
        id=payload.id,
        measure=measure,
        space_id=metadata[ID_POSITION[measure.kind]],
        timestamp=int(payload.timestamp),
        value=abs(payload.data),  # -0.0 is 0
        generation=generation(payload.id),
        metadata=metadata,
    )


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
