"""Builds the exporter: the one place that knows every part."""

import contextlib
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from flask import Blueprint, Flask, abort, request
from pydantic import SecretStr

from exporter.capacity.file import CapacityFile
from exporter.capacity.parse import CapacityError
from exporter.events.measures import Kind
from exporter.events.model import AnyMetadata
from exporter.events.times import milliseconds
from exporter.ingest.activity import Activity
from exporter.ingest.intake import Intake
from exporter.ingest.observer import EventObserver, Observer
from exporter.ingest.transitions import Transitions
from exporter.inventory import Assets, Inventory
from exporter.journal.file import open_journal
from exporter.journal.recorder import Recorder
from exporter.metrics.registry import Metrics, Rejection
from exporter.rule.limits import Limits
from exporter.rule.settled import Settlement
from exporter.rule.store import Snapshot, Store
from exporter.server.service import Service
from exporter.settings.certificate import Certificate
from exporter.settings.declared import Settings
from exporter.settings.types import Address
from exporter.web import access, forget, probes, problems, scrape, webhook
from exporter.web.answers import PATH, Answers
from exporter.web.auth import Guard
from exporter.web.fast import FastWebhook
from exporter.web.pages import views as pages
from exporter.web.pages.cloud import Cloud
from exporter.web.pages.status import Status
from exporter.web.pages.views import WebhookAddress

if TYPE_CHECKING:
    from exporter.cloud.service import CloudService


class Port(NamedTuple):
    """A port to open, and its service."""

    address: Address
    service: Service
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True)
class Exporter:
    """One exporter: its parts, its apps, and the ports that serve them."""

    store: Store
    metrics: Metrics
    activity: Activity
    transitions: Transitions
    capacity: CapacityFile
    assets: Assets
    """The inventory that Butlr lists; nothing without a client id."""
    recorder: Recorder | None
    """Writes the journal, if there is one."""
    cloud: "CloudService | None"
    """Asks Butlr's cloud, if there is a client id."""
    certificate: Certificate | None
    """The certificate of `listen`, if it serves TLS."""
    app: Flask
    """The app of `listen`."""
    reading_app: Flask
    """The app for Prometheus and people: that of `metrics_listen` if it is set, else `app`."""
    ports: tuple[Port, ...]

    @property
    def periodic_tasks(self) -> tuple[Callable[[], None], ...]:
        """Return the tasks to run every few seconds, each in a thread of its own, so that none delays another."""
        return (self.maintain, self.certificate.reload_if_changed) if self.certificate else (self.maintain,)

    def maintain(self) -> None:
        """Log the zones that changed state, and maintain the journal."""
        self.transitions.log()
        if self.recorder is not None:
            self.recorder.maintain()

    def reload(self) -> None:
        """Read the capacity file again; if it is bad, that is logged and the previous one stays in use."""
        with contextlib.suppress(CapacityError):
            self.capacity.reload()

    def start(self) -> None:
        """Begin to ask Butlr's cloud, if there is a client id."""
        if self.cloud is not None:
            self.cloud.start()

    def close(self) -> None:
        """Stop asking Butlr's cloud, and close the journal."""
        if self.cloud is not None:
            self.cloud.stop()
        if self.recorder is not None:
            self.recorder.close()


def create_app(settings: Settings | None = None, clock: Callable[[], float] = time.time) -> Flask:
    """Return the plain WSGI app of `listen`, with a state of its own, for a WSGI server that does TLS itself.

    `clock` returns Unix seconds. Raises CapacityError and JournalError as `build` does.
    """
    exporter = _build(settings or Settings(), clock, None)
    exporter.start()
    return exporter.app


def build(settings: Settings | None = None, clock: Callable[[], float] = time.time) -> Exporter:
    """Build an exporter, with the state that its journal holds; `clock` returns Unix seconds.

    Raises TlsError for a bad certificate, CapacityError for a bad capacity file, JournalError for a bad journal.
    """
    settings = settings or Settings()
    certificate = None
    if settings.tls_cert and settings.tls_key:
        certificate = Certificate(settings.tls_cert, settings.tls_key)
    return _build(settings, clock, certificate)


def _build(settings: Settings, clock: Callable[[], float], certificate: Certificate | None) -> Exporter:
    limits = _limits(settings)
    store = Store(limits)

    def hold(inventory: Inventory) -> None:
        store.hold(inventory.ids)

    def configure(inventory: Inventory) -> None:
        capacity.configure(inventory.capacities)

    def now_ms() -> int:
        return int(clock() * 1000)

    def snapshot() -> Snapshot:
        return store.snapshot(now_ms())

    def settled() -> Settlement:
        return store.settled(now_ms(), settings.settled_points)

    def count_malformed() -> None:
        detail = "the request was not HTTP, or its head was too large; the log says more"
        observer.request_rejected(Rejection.MALFORMED, detail)

    def known() -> dict[Kind, list[AnyMetadata]]:
        return {kind: [space.metadata for space in spaces] for kind, spaces in snapshot().by_kind.items()}

    def certificate_end() -> float | None:
        return certificate.not_after_seconds if certificate else None

    assets = Assets()
    capacity = CapacityFile(settings.capacity_file, clock, known)
    settle_after_seconds = settings.settle_after.total_seconds()
    metrics = Metrics(snapshot, settled, settings.labels, capacity, settle_after_seconds, certificate_end)
    for follower in (metrics.show_assets, hold, configure):
        assets.follow(follower)
    if settings.butlr_client_id is not None:  # before a journal is read back
        store.hold_all(now_ms() + limits.forget_after)
    recorder = None
    if settings.journal is not None:
        recorder = Recorder(store, partial(open_journal, settings.journal, metrics.count_journal_failure))
        recorder.restore()
        capacity.prepare()
    activity = Activity(clock)
    observer = Observer(metrics, activity)
    intake = Intake(store, observer, limits, clock, recorder)

    def intake_for(other: EventObserver) -> Intake:
        return Intake(store, other, limits, clock, recorder)

    senders, readers = _senders(settings), _readers(settings)
    answers = Answers(intake, observer.request_rejected, senders.wanted, senders.challenges)
    receiving = webhook.views(answers, observer.request_rejected, senders, settings.max_body)
    reading = scrape.views(metrics, capacity, observer.reader_rejected, readers)
    cloud = _cloud(settings, assets, metrics, store, intake_for, clock)
    status = Status(store, activity, metrics, capacity, now_ms, _shown_cloud(settings, assets, cloud))
    pages.add(reading, status, _webhook_address(settings))
    forget.add(reading, intake.forget)
    app = _app(receiving, probes.views(), *([] if settings.metrics_listen else [reading]))
    fast_path = FastWebhook(PATH, min(webhook.QUICK_BODY, settings.max_body), intake, senders, answers)
    service = _receiving(app, settings.max_body, senders, fast_path, count_malformed)
    reading_app = app
    ports = [Port(settings.listen, service, certificate.context if certificate else None)]
    if settings.metrics_listen:
        reading_app = _app(reading, probes.views())
        ports.append(Port(settings.metrics_listen, _reading(reading_app, count_malformed)))
    return Exporter(
        store=store,
        metrics=metrics,
        activity=activity,
        transitions=Transitions(snapshot),
        capacity=capacity,
        assets=assets,
        recorder=recorder,
        cloud=cloud,
        certificate=certificate,
        app=app,
        reading_app=reading_app,
        ports=tuple(ports),
    )


def _cloud(
    settings: Settings,
    assets: Assets,
    metrics: Metrics,
    store: Store,
    intake: Callable[[EventObserver], Intake],
    clock: Callable[[], float],
) -> "CloudService | None":
    """Return the threads that ask Butlr's cloud; None without a client id."""
    if settings.butlr_client_id is None:
        return None
    # An HTTP library takes time and memory, which an exporter without a client id saves.
    from exporter.cloud.service import CloudService, ExporterParts

    return CloudService(settings, ExporterParts(assets, metrics, store, intake), clock)


def _shown_cloud(settings: Settings, assets: Assets, cloud: "CloudService | None") -> Cloud | None:
    """Return the sources for the pages about Butlr's cloud; None without a client id."""
    if cloud is None:
        return None
    return Cloud(assets, settings.poll.total_seconds() if settings.poll else None, cloud.failures)


def _limits(settings: Settings) -> Limits:
    return Limits(
        window=milliseconds(settings.window),
        stale_after=milliseconds(settings.stale_after),
        forget_after=milliseconds(settings.forget_after),
        settle_after=milliseconds(settings.settle_after),
        future_tolerance=milliseconds(settings.future_tolerance),
        max_spaces=settings.max_spaces,
        traffic_window=milliseconds(settings.traffic_window),
        detections_stale_after=milliseconds(settings.detections_stale_after),
        motion_forget_after=milliseconds(settings.motion_forget_after),
    )


def _senders(settings: Settings) -> Guard:
    return Guard(
        "Butlr webhook",
        _basic(settings.webhook_username, settings.webhook_password),
        [key.get_secret_value() for key in settings.webhook_api_keys or ()],
        settings.webhook_api_key_header,
    )


def _readers(settings: Settings) -> Guard:
    return Guard("Butlr metrics", _basic(settings.metrics_username, settings.metrics_password))


def _receiving(
    app: Flask, max_body: int, senders: Guard, fast_path: FastWebhook, count_malformed: Callable[[], None]
) -> Service:
    """Return the service of `listen`, which accepts events."""
    return Service(
        app.wsgi_app,
        max_body,
        "listen",
        wants_body=webhook.wants_body(senders),
        is_quick=lambda environ, body: webhook.is_quick(environ, body) or probes.is_quick(environ, body),
        is_slow=scrape.is_slow,
        fast_path=fast_path,
        count_malformed=count_malformed,
    )


def _reading(app: Flask, count_malformed: Callable[[], None]) -> Service:
    """Return the service of `metrics_listen`, where no request has a body that matters."""
    return Service(
        app.wsgi_app,
        0,
        "metrics_listen",
        wants_body=lambda _: False,
        is_quick=probes.is_quick,
        is_slow=scrape.is_slow,
        count_malformed=count_malformed,
    )


def _app(*blueprints: Blueprint) -> Flask:
    app = Flask("exporter", static_folder=None)
    # Werkzeug would answer a doubled slash with a redirect, which is an HTML page.
    app.url_map.merge_slashes = False
    pages.add_converters(app)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    for blueprint in blueprints:
        app.register_blueprint(blueprint)
    problems.register(app)
    access.refuse_other_sites(app)

    @app.before_request
    def one_path() -> None:
        # To Werkzeug, several slashes at the beginning are one; to a proxy's rule for a path they are not.
        if request.environ["PATH_INFO"].startswith("//"):
            abort(404)

    @app.before_request
    def one_process() -> None:
        if request.environ.get("wsgi.multiprocess"):
            abort(503, "the zones live in one process; this server runs several, which would split them")

    return app


def _webhook_address(settings: Settings) -> WebhookAddress:
    """Return how to send an event, for the pages."""
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
