"""The threads that ask Butlr's cloud, started and stopped together."""

import time
from collections.abc import Callable
from typing import NamedTuple

from exporter.butlr.batches import Batches, Pace
from exporter.butlr.graphql import Graphql
from exporter.butlr.names import MEASUREMENTS
from exporter.butlr.reporting import Reporting
from exporter.cloud.assets import AssetsReader
from exporter.cloud.connection import Connection
from exporter.cloud.minutes import LONGEST_SILENCE_SECONDS, MinutesReader
from exporter.cloud.names import Names
from exporter.cloud.outages import Outages
from exporter.cloud.poll import Poller, PollPlan
from exporter.cloud.readings import MEASURES, MinutesParts, Readings
from exporter.cloud.recover import Recovery
from exporter.cloud.silence import Silence, newest_readings
from exporter.cloud.worker import Worker
from exporter.events.times import milliseconds
from exporter.ingest.intake import Intake
from exporter.ingest.observer import EventObserver
from exporter.inventory import Assets
from exporter.metrics.registry import Metrics
from exporter.rule.store import Snapshot, Store
from exporter.settings.declared import Settings

_PATIENCE_SECONDS = 2.0
"""Time that the end of the service leaves to all rounds under way together."""


class ExporterParts(NamedTuple):
    """The parts of the exporter that answers of Butlr's API go to."""

    assets: Assets
    metrics: Metrics
    store: Store
    intake: Callable[[EventObserver], Intake]
    """Makes an intake of the store and its journal, which reports to an observer."""


class CloudService:
    """All that the service asks Butlr's cloud for."""

    def __init__(self, settings: Settings, parts: ExporterParts, clock: Callable[[], float]) -> None:
        """Take the settings, of which the client id and secret are set, and the parts of the exporter.

        The store has all that the journal holds; `clock` returns Unix seconds.
        """
        assert settings.butlr_client_id is not None  # noqa: S101 - as the caller has checked
        assert settings.butlr_client_secret is not None  # noqa: S101 - the settings come in pairs
        families = parts.metrics.cloud
        self._connection = Connection(
            settings.butlr_api_url, settings.butlr_client_id, settings.butlr_client_secret, families
        )
        self._outages = outages = Outages()
        worker = Worker("assets")
        graphql = Graphql(self._connection.client(worker.pause))
        interval_seconds = settings.assets_interval.total_seconds()
        reader = AssetsReader(graphql, parts.assets, families, outages, clock, interval_seconds)
        self._work = [(worker, reader.work)]
        if settings.poll is not None or settings.recover:
            worker = Worker("minutes")
            reporting = Reporting(self._connection.client(worker.pause))
            minutes = minutes_reader(settings, parts, reporting, Pace(worker.pause), outages, clock)
            self._work.append((worker, minutes.work))

    def failures(self) -> dict[str, str]:
        """Return the reason of each failure that lasts, by the work that failed."""
        return self._outages.reasons()

    def start(self) -> None:
        """Start the threads."""
        for worker, work in self._work:
            worker.start(work)

    def stop(self) -> None:
        """Stop the threads and end the connections."""
        end = time.monotonic() + _PATIENCE_SECONDS
        for worker, _ in self._work:
            worker.stop()
        for worker, _ in self._work:
            worker.wait(end - time.monotonic())
        self._connection.close()


def minutes_reader(
    settings: Settings,
    parts: ExporterParts,
    reporting: Reporting,
    pace: Pace,
    outages: Outages,
    clock: Callable[[], float],
) -> MinutesReader:
    """Return the reader that polls and recovers, as the settings say; `clock` returns Unix seconds."""
    families = parts.metrics.cloud
    names = Names(parts.assets, parts.store)
    readings = Readings(parts.intake, parts.metrics, clock)
    recover_ms = milliseconds(settings.recover)
    minutes_parts = MinutesParts(readings, names, parts.assets, families, outages, clock, pace.clock)
    poller = None
    if settings.poll is not None:
        kinds = tuple(kind for kind, each in MEASUREMENTS.items() if each.name in settings.poll_measurements)
        families.expect_polled(MEASURES[kind] for kind in kinds)
        families.last_poll_seconds = 0.0
        interval_seconds = settings.poll.total_seconds()
        plan = PollPlan(kinds, interval_seconds, recover_ms)
        poller = Poller(plan, Batches(reporting, interval_seconds, pace=pace), minutes_parts)
    recovery = Recovery(recover_ms, Batches(reporting, interval_seconds=0, pace=pace), minutes_parts)

    def snapshot() -> Snapshot:
        return parts.store.snapshot(int(clock() * 1000))

    longest_seconds = min(settings.stale_after.total_seconds() or LONGEST_SILENCE_SECONDS, LONGEST_SILENCE_SECONDS)
    silence = Silence(lambda: parts.metrics.last_event, snapshot, clock, longest_seconds)
    return MinutesReader(poller, recovery, silence, newest_readings(snapshot()), minutes_parts)
