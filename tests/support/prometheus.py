"""A real Prometheus with the shipped configuration and rules."""

import json
import re
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support import yamls
from tests.support.paths import ROOT
from tests.support.running import PATIENCE, Running, free_port, program, wait_for

Series = list[tuple[dict[str, str], float]]


class Prometheus:
    """A Prometheus that scrapes one exporter, and may notify one Alertmanager."""

    def __init__(
        self,
        exporter: Running,
        folder: Path,
        alertmanager: int | None = None,
        change: Callable[[dict[str, Any]], None] = lambda _: None,
        data: str = "data",
    ) -> None:
        """Start Prometheus with the shipped configuration, but with other ports and shorter times.

        `change` edits the configuration further; `data` is the storage folder inside `folder`.
        """
        self.url = f"http://127.0.0.1:{free_port()}"
        self._folder = folder
        config = yamls.load((ROOT / "prometheus.yml").read_text())
        config["global"] = dict.fromkeys(("scrape_interval", "evaluation_interval"), "1s")
        config["alerting"]["alertmanagers"][0]["static_configs"] = [at(alertmanager or free_port())]
        for job in config["scrape_configs"]:
            assert job["static_configs"] == [{"targets": ["localhost:9728"]}]
            job["static_configs"] = [at(exporter.port)]
            if "scrape_interval" in job:
                job["scrape_interval"] = "500ms"
        change(config)
        (folder / "prometheus.yml").write_text(yamls.dump(config))
        if not (folder / "alerts.yml").exists():
            rules = (ROOT / "alerts.yml").read_text()
            (folder / "alerts.yml").write_text(re.sub(r"interval: \dm", "interval: 1s", rules))
        with (folder / "prometheus.log").open("wb") as log:
            self.process = subprocess.Popen(
                [
                    program("prometheus", "prometheus"),
                    f"--config.file={folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={folder / data}",
                    f"--web.listen-address={self.url.removeprefix('http://')}",
                ],
                stdout=log,
                stderr=log,
            )

    def get(self, path: str, **parameters: Any) -> Any:
        """Return the data of an answer of the API."""
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=PATIENCE) as response:  # noqa: S310
            return json.load(response)["data"]

    def query(self, promql: str) -> Series:
        """Return the series of an instant query without their instance, and their values."""
        found = []
        for series in self.get("query", query=promql)["result"]:
            labels = series["metric"]
            labels.pop("instance", None)
            found.append((labels, float(series["value"][1])))
        return found


def at(port: int) -> dict[str, list[str]]:
    """Return the targets for one port of this machine."""
    return {"targets": [f"127.0.0.1:{port}"]}


@contextmanager
def prometheus(exporter: Running, folder: Path, *args: Any, **options: Any) -> Iterator[Prometheus]:
    """Run a Prometheus until the end of the block, which begins after the first scrape."""
    started = Prometheus(exporter, folder, *args, **options)
    try:
        wait_for(lambda: started.query('up{job="butlr"} == 1'), "the first scrape")
        yield started
    finally:
        started.process.terminate()
        started.process.wait(PATIENCE)
