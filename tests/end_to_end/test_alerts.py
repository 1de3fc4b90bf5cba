"""The alerts: promtool's verdict, and a notification that arrives."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bench import rules
from exporter.app import create_app
from exporter.settings.declared import Settings
from tests.support import yamls
from tests.support.alertmanager import Receiver, alertmanager, configuration
from tests.support.documents import severity
from tests.support.paths import ROOT
from tests.support.prometheus import prometheus
from tests.support.running import CONSOLE_SCRIPT, program, running, wait_for
from tests.support.sockets import fresh

GROUPS = yamls.load((ROOT / "alerts.yml").read_text())["groups"]
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
        tests = [test for name in TESTS for test in yamls.load((ROOT / "tests" / name).read_text())["tests"]]
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

    def test_first_steps(self, tmp_path: Path) -> None:
        """README's event and simulation, with the shipped capacities, raise no alert within half an hour."""
        readme, deliveries, minutes = (ROOT / "README.md").read_text(), tmp_path / "deliveries", 31
        (event,) = re.findall(r"curl \S+/webhook -d '(.*)'\n", readme)
        (simulate,) = re.findall(r"/butlr-exporter (simulate .*) --verify", readme)
        subprocess.run([CONSOLE_SCRIPT, *simulate.split(), "--out", deliveries], capture_output=True, check=True)
        simulated = [json.loads(line) for line in deliveries.read_text().splitlines()]
        now = began = max(each["timestamp"] for each in simulated) // 1000
        app = create_app(Settings(capacity_file=str(ROOT / "capacity.yml")), lambda: now).test_client()
        # The last tenth has the counts that stay.
        first = json.loads(event.replace("'$(date +%s)'", str(began)))
        assert app.post("/webhook", json=[first, *simulated[-len(simulated) // 10 :]]).status_code == 200
        own = '{job="butlr",instance="i"}'
        series = {name + own: ["1"] * minutes for name in ("up", "process_start_time_seconds")}
        series['up{job="butlr-settled",instance="i"}'] = ["1"] * minutes
        for minute in range(minutes):
            now = began + 60 * minute
            for family in text_string_to_metric_families(app.get("/metrics").text):
                for sample in family.samples if family.name.startswith("butlr_") else ():
                    labels = {"job": "butlr", "instance": "i"} | sample.labels
                    text = ",".join(f"{name}={json.dumps(value)}" for name, value in labels.items())
                    # The clock of promtool begins at 0.
                    value = sample.value - began * sample.name.endswith("timestamp_seconds")
                    series.setdefault(f"{sample.name}{{{text}}}", ["stale"] * minutes)[minute] = repr(value)
        people = 'sum(zone:butlr_zone_occupancy:people{building_name="HQ"})'
        expected: list[dict[str, Any]] = [{"expr": people, "eval_time": "1m", "exp_samples": [{"value": 4}]}]
        expected += [
            {"expr": 'ALERTS{alertstate="firing"}', "eval_time": f"{minute}m", "exp_samples": []}
            for minute in range(minutes)
        ]
        test = {
            "interval": "1m",
            "input_series": [{"series": name, "values": " ".join(values)} for name, values in series.items()],
            "promql_expr_test": expected,
        }
        tests = {"rule_files": [str(ROOT / "alerts.yml")], "evaluation_interval": "1m", "tests": [test]}
        (tmp_path / "test.yml").write_text(yamls.dump(tests))
        promtool("test", "rules", str(tmp_path / "test.yml"))

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

        The bound is a ratio to a query that divides all counts by all capacities, of the memory that both allocate.
        """
        program("prometheus", "prometheus")
        cost = rules.measure(4000, "3s")
        assert cost.alerts >= 800
        assert cost.queries < 8, cost  # four more texts of each alert make it 8.5
        # Occupancy, its time, capacity and info are scraped. The rules add the people of each zone, three series of
        # each crowded one, and two series of each alert: 6.2 in all. Another series of each crowded zone makes it 6.4.
        assert cost.series / cost.zones < 6.3, cost


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Return a receiver that listens."""
    receiver = Receiver()
    yield receiver
    receiver.close()


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

    def test_a_crowd_a_silence_and_an_end(self, receiver: Receiver, tmp_path: Path) -> None:
        """A crowd is notified once, and its end, a silent zone and the exporter's end are notified too."""
        capacity = tmp_path / "capacity.yml"
        capacity.write_text("capacity: [{zone_name: Tables, max: 2.01}]")
        (tmp_path / "alerts.yml").write_text(impatient((ROOT / "alerts.yml").read_text()))
        with (
            running(tmp_path / "log", f"--capacity-file={capacity}") as exporter,
            alertmanager(configuration(receiver), tmp_path) as port,
            prometheus(exporter, tmp_path, port),
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
