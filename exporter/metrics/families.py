"""The names, help texts and labels of the families of zones."""

from collections.abc import Callable, Sequence
from operator import attrgetter

from exporter.events.model import Measure, Metadata

OCCUPANCY = {
    Measure.ZONE_OCCUPANCY: "butlr_zone_occupancy",
    Measure.ZONE_OCCUPANCY_1MIN: "butlr_zone_occupancy_1min",
}
"""The family of each measure."""

TIMESTAMP = {measure: f"{family}_timestamp_seconds" for measure, family in OCCUPANCY.items()}
"""The family of the times at which these were sensed."""

SETTLED = {measure: f"{family}_settled" for measure, family in OCCUPANCY.items()}
"""The family of each measure on `/metrics/settled`."""

INFO = "butlr_zone_info"

CAPACITY = "butlr_zone_capacity"

ZONES = "butlr_exporter_zones"

HELP = {
    OCCUPANCY[Measure.ZONE_OCCUPANCY]: "People in the zone now, deduplicated and corrected.",
    OCCUPANCY[Measure.ZONE_OCCUPANCY_1MIN]: "People in the zone now, smoothed by Butlr over a minute.",
    **{
        TIMESTAMP[measure]: f"When the reading of {family} was sensed, also while it is stale."
        for measure, family in OCCUPANCY.items()
    },
    INFO: "Every id and name Butlr gives for the zone; always 1.",
    CAPACITY: "People the zone is meant for, from the capacity file.",
    ZONES: "Zones known, by whether they are silent.",
}
"""Every family of zones, in the order in which they are written, with its help."""


def label_values(labels: Sequence[str]) -> Callable[[Metadata], tuple[str, ...]]:
    """Return what gives the values of these labels, each a field of the metadata."""
    if len(labels) > 1:
        return attrgetter(*labels)
    (label,) = labels
    return lambda metadata: (getattr(metadata, label),)
