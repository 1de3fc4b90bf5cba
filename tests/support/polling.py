"""The thread that polls and recovers, in memory: a Reporting API that counts requests, and clocks that pauses move."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta

from exporter.butlr.batches import Pace
from exporter.butlr.errors import CloudError
from exporter.butlr.reporting import Dropped, Minute, Query, Report
from exporter.capacity.file import CapacityFile
from exporter.cloud.outages import Outages
from exporter.cloud.readings import Readings
from exporter.cloud.service import ExporterParts, minutes_reader
from exporter.events.measures import Kind
from exporter.events.model import AnyMetadata, Metadata, ReadingEvent
from exporter.ingest.activity import Activity
from exporter.ingest.intake import Intake
from exporter.ingest.observer import EventObserver, Observer
from exporter.inventory import NOTHING, Asset, Assets
from exporter.journal.recorder import NotWritten, Recorder
from exporter.metrics.registry import Metrics
from exporter.rule.outcome import Outcome
from exporter.rule.store import Store
from exporter.settings.declared import Settings
from tests.support.deliveries import MINUTE, NOW
from tests.support.stores import LIMITS

START_MS = NOW // MINUTE * MINUTE
"""The tests' present: a whole minute."""


class FakeReporting:
    """Has the value of each minute of each space, and keeps the queries."""

    def __init__(self, cloud: "Polling") -> None:
        self._cloud = cloud
        self.values: dict[tuple[Kind, str, int], float] = {}
        self.queries: list[Query] = []
        self.times: list[float] = []
        self.fails: Callable[[Query], CloudError | None] = lambda _: None
        self.dropped: Counter[Dropped] = Counter()
        self.lag_ms = 0
        self.answer_seconds = 0.25

    def fill(self, kind: Kind, ids: Iterable[str], minutes: Iterable[int], value: float = 1) -> None:
        """Have a value in some minutes, counted from the start."""
        minutes = [*minutes]
        self.values |= {(kind, each, START_MS + at * MINUTE): value for each in ids for at in minutes}

    def ask(self, query: Query) -> Report:
        """Answer a query."""
        self.queries.append(query)
        self.times.append(self._cloud.now)
        self._cloud.now += self.answer_seconds
        if error := self.fails(query):
            raise error
        minutes = tuple(
            Minute(each, at, self.values[query.kind, each, at])
            for at in range(query.start_ms, query.stop_ms, MINUTE)
            for each in query.ids
            if (query.kind, each, at) in self.values and at + MINUTE + self.lag_ms <= self._cloud.now_ms
        )
        return Report(query, minutes, self.dropped.copy(), is_empty=not minutes)

    def asked(self, kind: Kind, space_id: str) -> set[int]:
        """Return the minutes of a space that were asked for, counted from the start."""
        spans = [(q.start_ms, q.stop_ms) for q in self.queries if q.kind is kind and space_id in q.ids]
        return {(at - START_MS) // MINUTE for start, stop in spans for at in range(start, stop, MINUTE)}


class BrokenJournal(Recorder):
    """A journal that cannot be written."""

    def __init__(self, store: Store) -> None:
        self._to = store
        self.is_broken = True

    def apply(self, events: Iterable[object], now_ms: int) -> list[Outcome]:
        """Apply events."""
        outcomes = self._to.apply_all(events, now_ms)  # type: ignore[arg-type]
        if self.is_broken:
            raise NotWritten("disk full", outcomes)
        return outcomes


class Polling:
    """A thread's work, the exporter's parts, and Butlr's account."""

    def __init__(self, *, zones: int = 2, before: Iterable[ReadingEvent] = (), max_spaces: int = 1000) -> None:
        """Take the number of zones that Butlr lists, and the events that a journal holds."""
        self.now = START_MS / 1000
        limits = LIMITS.__class__(**{**vars(LIMITS), "max_spaces": max_spaces})
        self.store = Store(limits)
        for event in before:
            self.store.apply(event, event.timestamp)
        self.limits = limits
        capacity = CapacityFile(None, self.clock)
        self.metrics = Metrics(
            lambda: self.store.snapshot(self.now_ms), lambda: self.store.settled(self.now_ms, 1), (), capacity, 360
        )
        self.assets = Assets()
        self.zones = [f"zone_{n}" for n in range(zones)]
        self.reporting = FakeReporting(self)
        self.journal: BrokenJournal | None = None
        self.outages = Outages()
        self._parts = ExporterParts(self.assets, self.metrics, self.store, self._intake)
        self._webhook = self._intake(Observer(self.metrics, Activity(self.clock)))
        self.list_zones()

    def _intake(self, observer: EventObserver) -> Intake:
        return Intake(self.store, observer, self.limits, self.clock, self.journal)

    @property
    def now_ms(self) -> int:
        """The time, milliseconds since the epoch."""
        return int(self.now * 1000)

    def clock(self) -> float:
        """Return the time, Unix seconds."""
        return self.now

    def pause(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    def list_zones(self, **names: str) -> None:
        """Have Butlr list the zones, with these names."""
        zones = {each: Metadata(zone_id=each, **names) for each in self.zones}
        self.have(Kind.ZONE, zones)

    def have(self, kind: Kind, spaces: dict[str, Metadata]) -> None:
        """Have Butlr list spaces of one kind, beside those of the others."""
        assets = {each: Asset(kind, names) for each, names in spaces.items()}
        self.assets.current = NOTHING._replace(spaces={**self.assets.current.spaces, kind: assets})

    def begin(self, **settings: object) -> None:
        """Start the thread's work with some settings; it polls every minute unless they say otherwise."""
        given = {"poll": timedelta(minutes=1), **settings}
        # Each test sets only the settings that matter here.
        declared = Settings(**given)  # type: ignore[arg-type]
        pace = Pace(self.pause, self.clock)
        reporting: object = self.reporting
        self.work = minutes_reader(declared, self._parts, reporting, pace, self.outages, self.clock).work  # type: ignore[arg-type]

    def readings(self) -> Readings:
        """Return that which applies answers."""
        return Readings(self._intake, self.metrics, self.clock)

    def run(self, seconds: float) -> None:
        """Let the thread work for some seconds."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(self.now + self.work(), max(end, self.now))

    def deliver(self, *events: ReadingEvent) -> list[Outcome]:
        """Deliver events by a webhook."""
        return self._webhook.apply(events, self.now_ms)

    def values(self, kind: Kind = Kind.ZONE) -> dict[str, float]:
        """Return the current smoothed count of each space of a kind."""
        return {space.id: space.counts[-1].value for space in self.store.snapshot(self.now_ms).by_kind[kind]}

    def names(self, space_id: str, kind: Kind = Kind.ZONE) -> AnyMetadata:
        """Return the present names of a space."""
        names = self.store.names(kind, space_id, self.now_ms)
        assert names is not None
        return names

    def polled(self, outcome: Outcome | None = None, event_type: str = "ZONE_OCCUPANCY_1MIN") -> float:
        """Return the number of readings with an outcome, or of all."""
        name = "butlr_exporter_polled_readings_total"
        labels = [{"event_type": event_type, "outcome": each.value} for each in ([outcome] if outcome else Outcome)]
        return sum(self.metrics.registry.get_sample_value(name, each) or 0 for each in labels)

    def sample(self, name: str, **labels: str) -> float | None:
        """Return the value of one series of the exporter's own."""
        return self.metrics.registry.get_sample_value(name, labels)
