"""The threads that ask Butlr's cloud, started and stopped together."""

from collections.abc import Callable

from exporter.butlr.graphql import Graphql
from exporter.capacity.file import CapacityFile
from exporter.cloud.assets import AssetsReader
from exporter.cloud.connection import Connection
from exporter.cloud.outages import Outages
from exporter.cloud.worker import Worker
from exporter.inventory import Assets
from exporter.metrics.cloud import CloudFamilies
from exporter.settings.declared import Settings


class CloudService:
    """All that the service asks Butlr's cloud for."""

    def __init__(
        self,
        settings: Settings,
        assets: Assets,
        capacity: CapacityFile,
        families: CloudFamilies,
        clock: Callable[[], float],
    ) -> None:
        """Take the settings, of which the client id and secret are set, and the places for what is read.

        `clock` returns Unix seconds.
        """
        assert settings.butlr_client_id is not None  # noqa: S101 - as the caller has checked
        assert settings.butlr_client_secret is not None  # noqa: S101 - the settings come in pairs
        self._connection = Connection(
            settings.butlr_api_url, settings.butlr_client_id, settings.butlr_client_secret, families
        )
        outages = Outages()
        worker = Worker("assets")
        graphql = Graphql(self._connection.client(worker.pause))
        interval_seconds = settings.assets_interval.total_seconds()
        reader = AssetsReader(graphql, assets, capacity, families, outages, clock, interval_seconds)
        self._work = [(worker, reader.work)]

    def start(self) -> None:
        """Start the threads."""
        for worker, work in self._work:
            worker.start(work)

    def stop(self) -> None:
        """Stop the threads and end the connections."""
        for worker, _ in self._work:
            worker.stop()
        self._connection.close()
