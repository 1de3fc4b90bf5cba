"""Builds the exporter: the one place that knows everyone."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from flask import Flask

from exporter import problems
from exporter.ingest import Ingest
from exporter.metrics import Metrics
from exporter.occupancy import Limits, Occupancy, Snapshot
from exporter.recorder import Recorder
from exporter.salvage import open_journal
from exporter.settings import Settings
from exporter.watch import Watch
from exporter.web import routes

EXTENSION = "butlr_exporter"
"""Where an app keeps its `Exporter`: `app.extensions[EXTENSION]`."""


@dataclass(frozen=True)
class Exporter:
    """The parts behind one app."""

    occupancy: Occupancy
    metrics: Metrics
    watch: Watch
    recorder: Recorder | None
    """Who keeps the journal, if there is one."""

    def look(self) -> None:
        """Do what is to be done every few seconds."""
        self.watch.look()
        if self.recorder is not None:
            self.recorder.look()

    def close(self) -> None:
        """Let go of what outlives the process."""
        if self.recorder is not None:
            self.recorder.close()


def create_app(settings: Settings | None = None, clock: Callable[[], float] = time.time) -> Flask:
    """Return a plain WSGI app with state of its own; `clock` tells Unix seconds.

    With a journal, the state is what was kept in it. Raises JournalError.
    """
    settings = settings or Settings()
    limits = Limits(
        window=_milliseconds(settings.window),
        stale_after=_milliseconds(settings.stale_after),
        forget_after=_milliseconds(settings.forget_after),
        future_tolerance=_milliseconds(settings.future_tolerance),
        max_spaces=settings.max_zones,
    )
    occupancy = Occupancy(limits)

    def snapshot() -> Snapshot:
        return occupancy.snapshot(int(clock() * 1000))

    metrics = Metrics(snapshot, settings.labels)
    recorder = None
    if settings.journal is not None:
        recorder = Recorder(occupancy, partial(open_journal, settings.journal), snapshot, metrics.count_journal_failure)
        recorder.recall()
    app = Flask("exporter", static_folder=None)
    # A doubled slash would otherwise be answered with a redirect, which is an HTML page.
    app.url_map.merge_slashes = False
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.register_blueprint(
        routes(Ingest(occupancy, metrics, limits, clock, recorder), metrics, snapshot, settings.max_body)
    )
    problems.register(app)
    app.extensions[EXTENSION] = Exporter(occupancy, metrics, Watch(snapshot), recorder)
    return app


def _milliseconds(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)
