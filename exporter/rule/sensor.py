"""One sensor: a space that counts crossings beside its readings. Pure, like the rest of the rule."""

from exporter.events.measures import Kind, Measure
from exporter.events.model import AnyMetadata, CrossingEvent, Event
from exporter.rule.limits import Limits
from exporter.rule.outcome import APPLIED, Outcome
from exporter.rule.space import Count, Space, SpaceSeries, SpaceState, is_plausible
from exporter.rule.traffic import Crossings


class Crossed(Count, frozen=True, gc=False):
    """The crossings of a sensor: `value` is the number of people in, `timestamp` that of the newest event."""

    left: int
    """The number of people out."""
    last_crossing: int
    """The newest timestamp (ms) of an event with a person; -1 before the first."""


class SensorSeries(SpaceSeries):
    """All that is known of one sensor: its readings, and its crossings once it has reported any."""

    __slots__ = ("_crossings",)

    def __init__(self, kind: Kind, space_id: str) -> None:
        super().__init__(kind, space_id)
        self._crossings: Crossings | None = None

    @property
    def is_kept(self) -> bool:
        """Whether a journal keeps anything of the sensor."""
        return self._crossings is not None or super().is_kept

    def apply(self, event: Event, now: int, limits: Limits) -> Outcome:
        """Apply one delivery that arrives at `now`."""
        if not isinstance(event, CrossingEvent):
            return super().apply(event, now, limits)
        self.arrival = now
        generation = event.generation
        if generation is not None and not is_plausible(generation, event.timestamp, now, limits):
            generation = None
        crossings = self._crossings = self._crossings or Crossings()
        outcome = crossings.apply(event.id, event.timestamp, event.entered, event.left, limits)
        metadata = self.view.metadata
        is_newest = event.timestamp == crossings.newest and outcome in APPLIED
        if is_newest and self._names(event.timestamp, generation) and event.metadata != metadata:
            metadata = event.metadata
        if outcome in APPLIED or _crossed(crossings) not in self.view.counts:
            self._view(metadata)
        return outcome

    def state(self, limits: Limits) -> SpaceState:
        """Return all that is known of the sensor."""
        state = super().state(limits)
        return state if self._crossings is None else state._replace(crossings=self._crossings.state(limits))

    def restore(self, state: SpaceState, limits: Limits) -> None:
        """Continue from a saved state."""
        if state.crossings is not None:
            self._crossings = Crossings()
            self._crossings.restore(state.crossings, limits)
        super().restore(state, limits)

    def _view(self, metadata: AnyMetadata) -> None:
        super()._view(metadata)
        view = self.view
        if self._crossings is not None:
            self.view = Space(view.kind, view.id, view.metadata, (*view.counts, _crossed(self._crossings)))


def _crossed(crossings: Crossings) -> Crossed:
    return Crossed(
        Measure.CROSSINGS,
        crossings.newest,
        float(crossings.entered),
        left=crossings.left,
        last_crossing=crossings.last_crossing,
    )
