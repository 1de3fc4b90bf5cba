"""The shapes of `data`, one for each payload, and the event that is made of it.

`parse` and `fast` read `data` in their own ways, and both make their events here, but for a number of people.
Source: docs.butlr.io/real-time-occupancy/webhooks-overview, the pages human-traffic and human-detections.
"""

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from exporter.events.ids import generation
from exporter.events.measures import KnownType, Payload
from exporter.events.model import ID_POSITION, AnyMetadata, CrossingEvent, Event, ReadingEvent

MAX_POINTS = 10_000
"""Points of each list of a detection at most."""

MAX_CROSSINGS = 1_000_000_000
"""People in each direction of one event at most: a larger number would never leave the counter."""

NUMBER = Annotated[float, Field(allow_inf_nan=False)]
_WholeNumber = Annotated[NUMBER, Field(ge=0, le=MAX_CROSSINGS, multiple_of=1)]
_Point = Annotated[list[NUMBER], Field(min_length=2, max_length=2, fail_fast=True)]
_Points = Annotated[list[_Point], Field(max_length=MAX_POINTS, fail_fast=True)]


class _Crossings(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    in_: Annotated[_WholeNumber, Field(alias="in")]
    out: _WholeNumber


class _Detections(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    local: _Points | None = None
    world: _Points | None = None

    @model_validator(mode="after")
    def has_points(self) -> Self:
        """Refuse an object without any list: it does not say that nobody is there."""
        if self.local is None and self.world is None:
            raise PydanticCustomError("no_points", "must have local or world, an array of points")
        return self


DATA: dict[Payload, Any] = {
    Payload.COUNT: Annotated[NUMBER, Field(ge=0)],
    Payload.CLAMPED: NUMBER,
    Payload.CROSSINGS: _Crossings,
    Payload.DETECTIONS: _Detections,
}
"""The type of the field `data` to pydantic; a payload that is not here has no `data`."""

_POINT_DEPTH = 3
"""Parts of the path of a point, such as `data.local.7`."""


def data_error(detail: ErrorDetails) -> tuple[str, str] | None:
    """Return the field of a mistake in `data`, and the message; None where the mistake is like one in other fields."""
    path, kind = detail["loc"], detail["type"]
    field = ".".join(map(str, path[:_POINT_DEPTH]))
    if len(path) >= _POINT_DEPTH:
        return field, "must be a pair of numbers"
    if kind == "missing" or len(path) < _POINT_DEPTH - 1:
        return None
    if kind == "less_than_equal":
        return field, f"must be at most {MAX_CROSSINGS:,}"
    if kind == "list_type":
        return field, "must be a JSON array of points"
    if kind == "too_long":
        return field, f"must have at most {MAX_POINTS:,} points"
    return field, "must be a whole number, 0 or more"


def event_of(known: KnownType, event_id: str, timestamp: float, data: Any, metadata: AnyMetadata) -> Event:
    """Return the event of a type with valid fields; `data` has the attributes of its payload."""
    measure = known.measure
    declared = measure.declared
    space_id = metadata[ID_POSITION[declared.kind]]
    computed = generation(event_id)
    if declared.payload is Payload.CROSSINGS:
        entered, left = int(data.in_), int(data.out)
        return CrossingEvent(event_id, measure, space_id, int(timestamp), entered, left, computed, metadata)
    was_negative = False
    if declared.payload is Payload.MOTION:
        assert known.value is not None  # noqa: S101 - as declared
        value = known.value
    elif declared.payload is Payload.DETECTIONS:
        value = float(max(len(data.local or ()), len(data.world or ())))
    else:
        was_negative = data < 0
        value = 0.0 if was_negative else abs(data)  # -0.0 is 0
    return ReadingEvent(event_id, measure, space_id, int(timestamp), value, computed, metadata, was_negative)
