"""The alerts: promtool's verdict, and a notification that arrives."""

import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench import rules
from tests.support.documents import severity
from tests.support.paths import ROOT
from tests.support.prometheus import prometheus
from tests.support.running import CONSOLE_SCRIPT, free_port, program, running, wait_for
from tests.support.sockets import fresh

GROUPS = yaml.safe_load((ROOT / "alerts.yml").read_text())["groups"]
TESTS = ("alerts_test.yml", "alerts_of_days_test.yml")
ALERTS = [rule for group in GROUPS for rule in group["rules"] if "alert" in rule]
OF_ZONES = {"ButlrZoneOvercrowded", "ButlrZoneFarOverCapacity", "ButlrZoneSilent"}


def promtool(*arguments: str) -> None:
    """Run promtool, which must find nothing wrong."""
    ended = subprocess.run(
        [program("promtool", "prometheus"), *arguments], cwd=ROOT / "tests", capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


class TestRules:
    """The shipped alerts.yml."""

    def test_rules(self) -> None:
        """The rules are valid, and each alert fires and stays quiet as the tests of promtool say."""
        promtool("check", "rules", "../alerts.yml")
        promtool("test", "rules", *TESTS)

    def test_every_alert_is_tested(self) -> None:
        """Each alert is seen both firing and quiet in the tests of promtool."""
        tests = [test for name in TESTS for test in yaml.safe_load((ROOT / "tests" / name).read_text())["tests"]]
        seen = [
            (each["alertname"], bool(each.get("exp_alerts")))
            for test in tests
            for each in test.get("alert_rule_test", [])
        ]
        for alert in ALERTS:
            assert {fires for name, fires in seen if name == alert["alert"]} == {True, False}, alert["alert"]

    @pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
    def test_annotations(self, alert: dict[str, Any]) -> None:
        """An alert has a summary, a description, a severity and a section of the runbook; one of a zone has a summary.

        Whatever else an alert about a zone had would cost Prometheus a template for each crowded zone. No text has a
        query or a regular expression, which would cost still more.
        """
        of_zone = alert["alert"] in OF_ZONES
        assert set(alert["annotations"]) == ({"summary"} if of_zone else {"summary", "description", "runbook_url"})
        assert ("labels" in alert) != of_zone
        assert severity(alert) in ("warning", "critical")
        assert not re.search("query|reReplaceAll|match", str(alert["annotations"] | alert.get("labels", {})))
        if not of_zone:
            assert alert["annotations"]["runbook_url"] == f"docs/runbook.md#{alert['alert'].lower()}"

    def test_alertmanager(self) -> None:
        """alertmanager.yml is valid, and each alert that it names exists."""
        amtool = program("amtool", "prometheus-alertmanager")
        ended = subprocess.run(
            [amtool, "check-config", str(ROOT / "alertmanager.yml")], capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stderr
        text = (ROOT / "alertmanager.yml").read_text()
        names = {alert["alert"] for alert in ALERTS}
        for matcher in re.findall(r'alertname=~?"([^"]+)"', text):
            for name in names:
                text = text.replace(name, "")
            assert [each for each in names if re.fullmatch(matcher, each)], matcher


@pytest.mark.long
class TestCost:
    """The rules in a real Prometheus with 4,000 zones, a fifth over capacity."""

    def test_an_evaluation_is_short(self) -> None:
        """An evaluation costs no more than some queries, though every crowded zone has its texts and numbers.

        The bound is a ratio of processor times, to a query that divides all counts by all capacities.
        """
        program("prometheus", "prometheus")
        cost = rules.measure(4000, "3s")
        assert cost.alerts >= 800
        assert cost.queries < 12, cost
        # Occupancy, its time, capacity and info are scraped. The rules add the people of each zone, three series of
        # each crowded one, and two series of each alert: 6.2 in all. Another series of each crowded zone makes it 6.4.
        assert cost.series / cost.zones < 6.3, cost


class Receiver:
    """A server that collects the notifications of Alertmanager."""

    def __init__(self) -> None:
        self.notifications: list[dict[str, Any]] = []
        notifications = self.notifications

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                notifications.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._server.server_close()

    def of(self, alert: str, status: str) -> list[dict[str, Any]]:
        """Return the notifications in which an alert has this status."""
        return [
            notification
            for notification in self.notifications
            if any((each["labels"]["alertname"], each["status"]) == (alert, status) for each in notification["alerts"])
        ]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Return a receiver that listens."""
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def alertmanager(receiver: Receiver, tmp_path: Path) -> Iterator[int]:
    """Return the port of an Alertmanager with the shipped routes, short waits and the receiver of this test."""
    config = yaml.safe_load((ROOT / "alertmanager.yml").read_text())
    config["route"] |= {"group_wait": "2s", "group_interval": "2s"}
    for each in config["receivers"]:
        each["webhook_configs"] = [{"url": receiver.url}]
    (tmp_path / "alertmanager.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    with (tmp_path / "alertmanager.log").open("wb") as log:
        process = subprocess.Popen(
            [
                program("prometheus-alertmanager", "prometheus-alertmanager"),
                f"--config.file={tmp_path / 'alertmanager.yml'}",
                f"--storage.path={tmp_path / 'alertmanager'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
            ],
            stdout=log,
            stderr=log,
        )
    yield port
    process.terminate()
    process.wait(30)


def impatient(rules: str) -> str:
    """Return the rules with seconds in the place of minutes."""
    for text, here in [
        ("for: 5m", "for: 3s"),
        ("for: 2m", "for: 2s"),
        ("for: 1m", "for: 1s"),
        ("keep_firing_for: 2s", "keep_firing_for: 1s"),
        ("interval: 1m", "interval: 1s"),
        ("> 900", "> 12"),
        ("time() - 900", "time() - 12"),
        ("< 600", "< 8"),
        ("1.5 * last", "99 * last"),
    ]:
        assert text in rules, text
        rules = rules.replace(text, here)
    return rules


@pytest.mark.long
class TestNotified:
    """Exporter, Prometheus, Alertmanager and a receiver, all real."""

    def test_a_crowd_a_silence_and_an_end(self, receiver: Receiver, alertmanager: int, tmp_path: Path) -> None:
        """A crowd is notified once, and its end, a silent zone and the exporter's end are notified too."""
        capacity = tmp_path / "capacity.yml"
        capacity.write_text("capacity: [{zone_name: Tables, max: 2.01}]")
        (tmp_path / "alerts.yml").write_text(impatient((ROOT / "alerts.yml").read_text()))
        with (
            running(tmp_path / "log", f"--capacity-file={capacity}") as exporter,
            prometheus(exporter, tmp_path, alertmanager),
            subprocess.Popen(
                [
                    CONSOLE_SCRIPT,
                    "simulate",
                    f"--url={exporter.url}/webhook",
                    "--interval=1s",
                    "--duration=0",
                    "--zones=6",
                ],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            ) as simulate,
        ):
            try:
                (crowd,) = wait_for(lambda: receiver.of("ButlrZoneOvercrowded", "firing"), "the crowd", 120)
                assert crowd["groupLabels"] == {
                    "building_name": "Main Building",
                    "site_name": crowd["commonLabels"]["site_name"],
                }
                assert crowd["receiver"] == "facilities"
                (alert,) = crowd["alerts"]
                place = "Tables, Cafeteria, Ground Floor, Main Building (room for 2.01): "
                assert re.fullmatch(re.escape(place) + r"\d+ people", alert["annotations"]["summary"])

                capacity.write_text("capacity: [{max: 100}]")
                exporter.reload()
                wait_for(lambda: receiver.of("ButlrZoneOvercrowded", "resolved"), "the end of the crowd", 120)
                assert len(receiver.of("ButlrZoneOvercrowded", "firing")) == 1

                # One more zone in the same place, that says something once.
                quiet = json.loads(fresh("quiet"))
                quiet["metadata"] |= {key: crowd["commonLabels"][key] for key in ("site_name", "building_name")}
                exporter.post(json.dumps(quiet).encode())
                (silence,) = wait_for(lambda: receiver.of("ButlrZoneSilent", "firing"), "the silence", 120)
                (alert,) = [each for each in silence["alerts"] if each["labels"]["alertname"] == "ButlrZoneSilent"]
                assert alert["labels"]["zone_id"] == "quiet"

                exporter.process.kill()
                (down,) = wait_for(lambda: receiver.of("ButlrExporterDown", "firing"), "the exporter's end", 120)
                assert down["receiver"] == "platform"
                # Nothing of the building, which cannot be known now.
                time.sleep(3)
                assert not receiver.of("ButlrBuildingSilent", "firing")
            finally:
                simulate.terminate()
