"""Builds the exporter: the one place that knows everyone."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from flask import Blueprint, Flask, abort, request
from pydantic import SecretStr

from exporter.capacity import CapacityFile
from exporter.events.times import milliseconds
from exporter.ingest.activity import Activity
from exporter.ingest.intake import Ingest
from exporter.ingest.transitions import Transitions
from exporter.journal.recorder import Recorder
from exporter.journal.repair import open_journal
from exporter.metrics.registry import Metrics, Rejection
from exporter.metrics.settled import openmetrics
from exporter.rule.limits import Limits
from exporter.rule.store import Snapshot, Store
from exporter.settings.declared import Settings
from exporter.web import probes, problems, scrape
from exporter.web import webhook as webhook_views
from exporter.web.auth import Guard
from exporter.web.fast import FastWebhook
from exporter.web.pages import views as pages
from exporter.web.pages.status import Status
from exporter.web.pages.views import WebhookAddress

EXTENSION = "butlr_exporter"
"""Where an app keeps its `Exporter`: `app.extensions[EXTENSION]`."""


@dataclass(frozen=True)
class Exporter:
    """The parts behind one app."""

    store: Store
    metrics: Metrics
    transitions: Transitions
    capacity: CapacityFile
    activity: Activity
    recorder: Recorder | None
    """Who keeps the journal, if there is one."""
    reading_app: Flask | None
    """The app of `metrics_listen`, if it is set."""
    fast: FastWebhook
    """The short way to the webhook, for a server that knows of it."""
    wants_body: Callable[[Mapping[str, Any]], bool]
    """Tells by the WSGI environment of a POST whether its body matters."""

    def count_malformed(self) -> None:
        """Count one request that was not HTTP."""
        self.metrics.count_rejection(Rejection.MALFORMED)
        self.activity.refuse(Rejection.MALFORMED, [("", "that was not HTTP, or too much of it; the log says more")])

    def maintain(self) -> None:
        """Do what is to be done every few seconds."""
        self.transitions.log()
        if self.recorder is not None:
            self.recorder.maintain()

    def close(self) -> None:
        """Let go of what outlives the process."""
        if self.recorder is not None:
            self.recorder.close()


def create_app(settings: Settings | None = None, clock: Callable[[], float] = time.time) -> Flask:
    """Return the plain WSGI app of `listen`, with state of its own; `clock` tells Unix seconds.

    With `metrics_listen`, what reads is an app of its own on the same state: `extensions[EXTENSION].reading_app`.
    With a journal, the state is what was kept in it. Raises JournalError, and CapacityError for a bad capacity file.
    """
    settings = settings or Settings()
    limits = Limits(
        window=milliseconds(settings.window),
        stale_after=milliseconds(settings.stale_after),
        forget_after=milliseconds(settings.forget_after),
        settle_after=milliseconds(settings.settle_after),
        future_tolerance=milliseconds(settings.future_tolerance),
        max_spaces=settings.max_spaces,
    )
    store = Store(limits)

    def now() -> int:
        return int(clock() * 1000)

    def snapshot() -> Snapshot:
        return store.snapshot(now())

    def settled() -> str:
        readings = store.settled(now(), settings.settled_points)
        return "".join(openmetrics(readings, settings.labels))

    capacity = CapacityFile(settings.capacity_file, clock)
    metrics = Metrics(snapshot, settings.labels, capacity)
    recorder = None
    if settings.journal is not None:
        recorder = Recorder(store, partial(open_journal, settings.journal), metrics.count_journal_failure)
        recorder.restore()
    senders = Guard(
        "Butlr webhook",
        _basic(settings.webhook_username, settings.webhook_password),
        [key.get_secret_value() for key in settings.webhook_api_keys or ()],
        settings.webhook_api_key_header,
    )
    readers = Guard("Butlr metrics", _basic(settings.metrics_username, settings.metrics_password))
    recent = Activity(clock)

    def refuse(reason: Rejection, told: str) -> None:
        metrics.count_rejection(reason)
        recent.refuse(reason, [("", told)])

    ingest = Ingest(store, metrics, limits, clock, recent, recorder)
    webhook = webhook_views.webhook(ingest, refuse, senders, settings.max_body)
    # Whoever only looks is no trouble to tell of on the page: a browser asks before it knows that it needs a password.
    reading = scrape.reading(metrics, capacity, settled, lambda reason, _: metrics.count_rejection(reason), readers)
    pages.add(reading, Status(store, recent, metrics, capacity, now), _door(settings))
    if settings.metrics_listen is None:
        app, reading_app = _app(webhook, reading, probes.health()), None
    else:
        app, reading_app = _app(webhook, probes.health()), _app(reading, probes.health())
    app.extensions[EXTENSION] = Exporter(
        store,
        metrics,
        Transitions(snapshot),
        capacity,
        recent,
        recorder,
        reading_app,
        FastWebhook(webhook_views.WEBHOOK, min(webhook_views.QUICK_BODY, settings.max_body), ingest, senders),
        webhook_views.wants_body(senders),
    )
    return app


def _app(*blueprints: Blueprint) -> Flask:
    app = Flask("exporter", static_folder=None, template_folder="web/pages/templates")
    # A doubled slash would otherwise be answered with a redirect, which is an HTML page.
    app.url_map.merge_slashes = False
    pages.add_converters(app)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    for blueprint in blueprints:
        app.register_blueprint(blueprint)
    problems.register(app)

    @app.before_request
    def one_path() -> None:
        # Werkzeug takes any number of slashes at the beginning for one; a proxy's rule for a path does not.
        if request.environ["PATH_INFO"].startswith("//"):
            abort(404)

    @app.before_request
    def one_process() -> None:
        if request.environ.get("wsgi.multiprocess"):
            abort(503, "the zones live in one process; this server runs several, which would split them")

    return app


def _door(settings: Settings) -> WebhookAddress:
    """Return what a page needs to know to tell people how to send an event."""
    credentials = ""
    if settings.webhook_api_keys:
        credentials = f"-H '{settings.webhook_api_key_header}: THE-KEY'"
    elif settings.webhook_username:
        credentials = "-u THE-NAME:THE-PASSWORD"
    if settings.metrics_listen is None:
        return WebhookAddress(credentials=credentials)
    anywhere = settings.listen.host in ("", "0.0.0.0", "::")  # noqa: S104 - it is compared, not listened on
    host = "" if anywhere else str(settings.listen).rpartition(":")[0]
    return WebhookAddress(settings.listen.port, host, settings.tls_cert is not None, credentials)


def _basic(username: str | None, password: SecretStr | None) -> tuple[str, str] | None:
    return (username, password.get_secret_value()) if username and password else None
