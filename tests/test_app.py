"""The exporter as it is built: its ports, the service of each, and the tasks that run every few seconds."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from exporter.app import Exporter, build, create_app
from exporter.settings.certificate import TlsError
from exporter.settings.declared import Settings
from exporter.settings.types import Address
from tests.support.certificates import Pair, issued
from tests.support.deliveries import Clock
from tests.support.responses import samples


@pytest.fixture
def settings(pairs: tuple[Pair, Pair]) -> Settings:
    """Return settings with two ports, of which the first serves TLS."""
    return Settings(
        listen=Address("127.0.0.1", 1),
        metrics_listen=Address("127.0.0.1", 2),
        max_body=1000,
        tls_cert=pairs[0].cert,
        tls_key=pairs[0].key,
    )


class TestPorts:
    """The ports of an exporter."""

    def test_one_port(self) -> None:
        """Without `metrics_listen`, one port serves senders and readers, without TLS."""
        exporter = build(clock=Clock())
        (port,) = exporter.ports
        assert (port.address, port.tls, port.service.name) == (Settings().listen, None, "listen")
        assert exporter.reading_app is exporter.app

    def test_two_ports(self, settings: Settings) -> None:
        """With `metrics_listen`, the first port has TLS, bodies and the fast path, the second has none of these."""
        exporter = build(settings, Clock())
        receiving, reading = exporter.ports
        assert [port.address for port in exporter.ports] == [settings.listen, settings.metrics_listen]
        assert [port.service.name for port in exporter.ports] == ["listen", "metrics_listen"]
        assert exporter.certificate is not None
        assert (receiving.tls, reading.tls) == (exporter.certificate.context, None)
        assert receiving.service.fast_path is not None
        assert (receiving.service.max_body, receiving.service.fast_path.max_body) == (1000, 1000)
        assert (reading.service.max_body, reading.service.fast_path) == (0, None)
        webhook = {"PATH_INFO": "/webhook"}
        assert [port.service.wants_body(webhook) for port in exporter.ports] == [True, False]

    @pytest.mark.parametrize("number", [0, 1])
    def test_requests_that_are_not_http_are_counted(self, settings: Settings, number: int) -> None:
        """Each port counts requests that are not HTTP as malformed."""
        exporter = build(settings, Clock())
        exporter.ports[number].service.count_malformed()
        lines = samples(exporter.reading_app.test_client(), "butlr_exporter_rejected_requests_total")
        assert 'butlr_exporter_rejected_requests_total{reason="malformed"} 1.0' in lines


class TestCertificate:
    """The certificate of `listen`."""

    def test_it_is_renewed_every_few_seconds(self, settings: Settings) -> None:
        """The renewal of the certificate is a task of its own, beside maintenance."""
        exporter = build(settings, Clock())
        assert exporter.certificate is not None
        assert exporter.periodic_tasks == (exporter.maintain, exporter.certificate.reload_if_changed)
        plain: Exporter = build(clock=Clock())
        assert plain.periodic_tasks == (plain.maintain,)

    def test_another_server_needs_none(self, settings: Settings, tmp_path: Path) -> None:
        """`create_app` leaves TLS to the server that runs the app, so it does not read the certificate."""
        missing = replace(settings, tls_cert=str(tmp_path / "none"))
        assert create_app(missing, Clock()).test_client().get("/-/healthy").status_code == 200
        with pytest.raises(TlsError, match="tls_cert cannot be read"):
            build(missing, Clock())


class TestCertificateEnd:
    """The end of the certificate in use, as a metric."""

    NAME = "butlr_exporter_tls_certificate_not_after_timestamp_seconds"

    def shown(self, exporter: Exporter) -> list[float]:
        """Return the values of the metric."""
        lines = samples(exporter.reading_app.test_client(), self.NAME)
        return [float(line.split()[1]) for line in lines]

    @pytest.mark.parametrize("year", [2020, 2049, 2051, 9999], ids=lambda year: f"{year}")
    def test_it_follows_a_renewal(self, tmp_path: Path, year: int) -> None:
        """The metric is the end of the certificate in use: past or far, of the renewed one, not of one without key."""
        ends = [datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC), datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC)]
        authority = trustme.CA()
        first, second = (issued(authority, tmp_path, f"{n}", end) for n, end in enumerate(ends))
        exporter = build(Settings(tls_cert=first.cert, tls_key=first.key), Clock())
        assert exporter.certificate is not None
        assert self.shown(exporter) == [ends[0].timestamp()]
        Path(first.cert).write_bytes(Path(second.cert).read_bytes())
        exporter.certificate.reload_if_changed()
        assert self.shown(exporter) == [ends[0].timestamp()]
        Path(first.key).write_bytes(Path(second.key).read_bytes())
        exporter.certificate.reload_if_changed()
        assert self.shown(exporter) == [ends[1].timestamp()]

    def test_without_tls_there_is_none(self) -> None:
        """Without TLS the metric has no sample."""
        assert self.shown(build(clock=Clock())) == []
