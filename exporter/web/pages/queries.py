"""PromQL queries on one space, to copy from its page."""

import json
from collections.abc import Sequence
from typing import NamedTuple

from exporter.events.measures import Measure, Payload
from exporter.metrics.families import CAPACITY, CROSSINGS, LAST_CROSSING, OCCUPANCY, SETTLED, TIMESTAMP


class LabelledQuery(NamedTuple):
    """A PromQL query, with a label for its result."""

    label: str
    promql: str


def queries_of(measure: Measure, space_id: str) -> Sequence[LabelledQuery]:
    """Return useful queries on one measure of a space."""
    selector = f"{{{measure.kind.id_field}={json.dumps(space_id, ensure_ascii=False)}}}"
    if measure is Measure.CROSSINGS:
        return [
            LabelledQuery("In and out in a day", f"sum by (direction) (increase({CROSSINGS}{selector}[1d]))"),
            LabelledQuery("Seconds since somebody crossed", f"clamp_min(time() - {LAST_CROSSING}{selector}, 0)"),
        ]
    family = OCCUPANCY[measure]
    age = f"clamp_min(time() - {TIMESTAMP[measure]}{selector}, 0)"
    if measure.declared.payload is Payload.MOTION:
        return [
            LabelledQuery("1 while there is motion", f"{family}{selector}"),
            LabelledQuery("Seconds since it changed", age),
            LabelledQuery("Share of a day with motion", f"avg_over_time({family}{selector}[1d])"),
        ]
    if measure.declared.payload is Payload.DETECTIONS:
        return [
            LabelledQuery("People that it sees now", f"{family}{selector}"),
            LabelledQuery("Seconds since its last message", age),
            LabelledQuery("The most people in a day", f"max_over_time({family}{selector}[1d])"),
        ]
    return [
        LabelledQuery("People now", f"{family}{selector}"),
        LabelledQuery("How full it is", f"{family}{selector} / {CAPACITY[measure.kind]}{selector}"),
        LabelledQuery("The most people in a day", f"max_over_time({SETTLED[measure]}{selector}[1d])"),
        LabelledQuery("Seconds since it was sensed", age),
        LabelledQuery(
            "The newest final count: minutes old, so an instant query needs last_over_time",
            f"last_over_time({SETTLED[measure]}{selector}[15m])",
        ),
    ]
