"""Messages about alerts, as a real Alertmanager writes them with the shipped configuration and templates."""

import json
import urllib.request
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tests.support import yamls
from tests.support.alertmanager import Receiver, alertmanager, configuration
from tests.support.paths import ROOT
from tests.support.running import wait_for

TIMEZONE = "America/New_York"

Alert = dict[str, Any]


def expected(name: str, start: str = "", file: str = "alerts_test.yml") -> Alert:
    """Return the first alert of this name whose summary begins so in a file of the tests of promtool."""
    tests = yamls.load((ROOT / "tests" / file).read_text())["tests"]
    alerts = [
        {"labels": {"alertname": name, **each["exp_labels"]}, "annotations": each["exp_annotations"]}
        for test in tests
        for rule in test.get("alert_rule_test", [])
        if rule["alertname"] == name
        for each in rule.get("exp_alerts", [])
    ]
    return next(alert for alert in alerts if alert["annotations"]["summary"].startswith(start))


def moved(alert: Alert, building: str, **labels: str) -> Alert:
    """Return an alert about the same place in another building."""
    old = alert["labels"]["building_name"]
    texts = {name: text.replace(old, building) for name, text in alert["annotations"].items()}
    return {"labels": alert["labels"] | {"building_name": building} | labels, "annotations": texts}


def twelve(alert: Alert, building: str, place: str) -> list[Alert]:
    """Return an alert of each of twelve zones in a building."""
    alerts = [moved(alert, building, zone_id=f"{place} {number}") for number in range(1, 13)]
    for number, each in enumerate(alerts, 1):
        each["annotations"]["summary"] = each["annotations"]["summary"].replace(place, f"{place} {number}", 1)
    return alerts


OVER = expected("ButlrZoneOvercrowded", "Desk 01")
FAR = expected("ButlrZoneFarOverCapacity", "Desk 01")
SILENT = expected("ButlrZoneSilent", "B, Lab")
REFUSED = expected("ButlrEventsRefused")

ALERTS = [
    moved(OVER, "HQ", zone_id="a/b c+d"),
    *twelve(OVER, "Mill & <Sons>", "Desk 01"),
    moved(FAR, "Mill & <Sons>", zone_id="far"),
    moved(FAR, "Far"),
    moved(SILENT, "South"),
    *twelve(SILENT, "North", "B"),
    moved(expected("ButlrSensorOffline"), "North"),
    moved(expected("ButlrHiveOffline", "Hive h1"), "West"),
    moved(expected("ButlrBuildingSilent", "HQ"), "Dock"),
    expected("ButlrZoneOvercrowded", "nameless"),
    {
        "labels": FAR["labels"] | {"building_name": "Odd"},
        "annotations": {"summary": 'A: "&amp;"\n|*b* (c), Odd (room for 1.5): 3.5 people'},
    },
    moved(expected("ButlrRoomOvercrowded", "Birch"), "Rooms"),
    expected("ButlrExporterDown", "The Butlr exporter here"),
    *(
        REFUSED | {"labels": REFUSED["labels"] | {"instance": "<i>", "outcome": each}}
        for each in ("future", "overflow")
    ),
    expected("ButlrSpaceMissing", "3 zones", "alerts_of_days_test.yml"),
    {"labels": {"alertname": "Own", "building_name": "Own", "severity": "info"}, "annotations": {}},
]
GROUPS = 14


def deliver(port: int, alerts: list[Alert], starts: datetime, ends: datetime) -> None:
    """Deliver alerts as Prometheus does, with these times."""
    times = {"startsAt": starts.isoformat(), "endsAt": ends.isoformat()}
    body = json.dumps([alert | times for alert in alerts]).encode()
    url = f"http://127.0.0.1:{port}/api/v2/alerts"
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})
    urllib.request.urlopen(request).close()  # noqa: S310


def runbook(section: str = "") -> str:
    """Return the address of a section in the runbook."""
    return f"https://git.example.com/butlr-exporter/blob/main/docs/runbook.md{section and '#' + section}"


class Messages:
    """The messages that arrived after a number of them, by their titles or subjects."""

    def __init__(self, receiver: Receiver, after: int = 0) -> None:
        attachments = [each["attachments"][0] for each in receiver.slack[after:]]
        self.slack = {each["title"]: (each["color"], each["title_link"], each["text"]) for each in attachments}
        self.mails = {
            str(mail["Subject"]): [body(mail, kind) for kind in ("plain", "html")] for mail in receiver.mails[after:]
        }
        attachments = [each["attachments"][0] for each in receiver.teams[after:]]
        self.teams = {each["title"]: each["text"] for each in attachments}


def body(mail: EmailMessage, kind: str) -> str:
    """Return the plain or HTML text of a mail."""
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


class TestMessages:
    """Slack, mail and webhook of one Alertmanager."""

    def test_messages(self, tmp_path: Path) -> None:
        """Each message says where there are how many, since when, and what to do; its end reads differently."""
        receiver = Receiver()
        now = datetime.now(UTC)
        since = now.astimezone(ZoneInfo(TIMEZONE)).strftime("%H:%M %Z")
        ended = datetime(2026, 1, 15, 20, 19, tzinfo=UTC), datetime(2026, 1, 15, 20, 41, tzinfo=UTC)
        with alertmanager(configuration(receiver), tmp_path, TIMEZONE) as port:
            wait_for(lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready").status == 200, "Alertmanager")
            deliver(port, ALERTS, now, datetime(2100, 1, 1, tzinfo=UTC))
            arrived: tuple[list[Any], ...] = (receiver.slack, receiver.teams, receiver.mails, receiver.notifications)
            wait_for(lambda: min(map(len, arrived)) >= GROUPS, "messages")
            firing = Messages(receiver)
            deliver(port, ALERTS[:1], ended[0], datetime(2026, 1, 16, 8, 0, tzinfo=UTC))
            deliver(port, ALERTS[1:], *ended)
            wait_for(lambda: min(map(len, arrived)) >= 2 * GROUPS, "the end of the messages")
            resolved = Messages(receiver, GROUPS)
        receiver.close()

        over = f"Desk 01, Open Office, 1st Floor, HQ: 5 people, room for 4, since {since}"
        links = (
            f"<http://localhost:3000/d/butlr-zones-now?var-building=HQ|Dashboard> · "
            f"<{runbook('butlrzoneovercrowded')}|What to do> · "
            "<http://alertmanager.example.com/#/alerts?receiver=facilities|Mute>"
        )
        page = "http://localhost:9728/spaces/zone/a%2Fb%20c%2Bd"
        assert firing.slack[f"Over capacity: {over}"] == ("warning", page, links)
        mail, html = firing.mails[f"Over capacity: {over}"]
        assert mail.splitlines()[:2] == [f"Over capacity: {over}", f"Page: {page}"]
        assert f'<a href="{page}">Page</a>' in html
        assert 'href="http://localhost:3000/d/butlr-zones-now?var-building=HQ"' in html

        color, link, text = firing.slack["Mill &amp; &lt;Sons&gt;: 1 far over capacity, 12 over capacity"]
        assert (color, link) == ("danger", "http://localhost:3000/d/butlr-zones-now?var-building=Mill+%26+%3CSons%3E")
        lines = text.splitlines()
        line = f"Open Office, 1st Floor, Mill &amp; &lt;Sons&gt;: 5 people, room for 4, since {since}>"
        assert lines[0] == "*Far over capacity*"
        assert lines[1].startswith(
            "• <http://localhost:9728/spaces/zone/far|Desk 01, Open Office, 1st Floor, Mill &amp;"
        )
        assert lines[2] == "*Over capacity*"
        assert sorted(lines[3:15]) == sorted(
            f"• <http://localhost:9728/spaces/zone/Desk%2001%20{number}|Desk 01 {number}, {line}"
            for number in range(1, 13)
        )
        assert f"{runbook()}|What to do" in lines[15]
        mail, html = firing.mails["Mill & <Sons>: 1 far over capacity, 12 over capacity"]
        assert f"- Desk 01 12, Open Office, 1st Floor, Mill & <Sons>: 5 people, room for 4, since {since}" in mail
        assert html.count("1st Floor, Mill &amp; &lt;Sons&gt;: 5 people, room for 4") == 12
        assert "<Sons>" not in html

        far = f"Far over capacity: Desk 01, Open Office, 1st Floor, Far: 7 people, room for 4, since {since}"
        assert firing.slack[far][0] == "danger"
        assert (
            firing.slack["B, Lab, 2nd Floor, South is silent, its sensors are offline: no data for 21m"][0] == "warning"
        )
        color, link, text = firing.slack["North: 12 silent, 1 offline"]
        silent = "North is silent, its sensors are offline: no data for 21m>"
        assert (color, text.count(silent)) == ("warning", 12)
        offline = "|Sensor s1, Lab, 2nd Floor, North is offline: last heard of 30m ago>"
        assert text[text.index("*Offline*\n") :].count(offline) == 1
        hive = ("warning", "http://localhost:9728/#devices")
        assert firing.slack["Hive h1, West is offline"][:2] == hive
        missing = "3 zones that Butlr lists have never reported"
        assert firing.slack[missing][1] == "http://localhost:9728/?kind=zone&state=missing"
        assert 'href="http://localhost:9728/?kind=zone&state=missing">Page<' in firing.mails[missing][1]
        assert runbook("butlrhiveoffline") in firing.slack["Hive h1, West is offline"][2]
        color, link, text = firing.slack["Critical: Dock, SF is silent, Butlr delivers nothing: no data for 17m"]
        assert (color, link) == ("danger", "http://localhost:9728/")
        said = "No zone, room or floor of the building has had a newer count, although sensors of it are online."
        assert text.startswith(f"{said}\n<")
        assert firing.slack[f"Over capacity: nameless: 6 people, room for 4, since {since}"]
        odd = 'Far over capacity: A: "&amp;amp;" |*b* (c), Odd: 3.5 people, room for 1.5, since '
        assert firing.slack[odd + since]
        assert firing.teams[odd.replace("&amp;amp;", "&amp;").replace("*", "\\*") + since].startswith("[Page](http://")
        text = firing.teams["Mill & \\<Sons\\>: 1 far over capacity, 12 over capacity"]
        line = f"Open Office, 1st Floor, Mill & \\<Sons\\>: 5 people, room for 4, since {since}]"
        assert f"- [Desk 01 12, {line}(http://localhost:9728/spaces/zone/Desk%2001%2012)\n" in text
        assert text.startswith("**Far over capacity**\n\n- [Desk 01, ")
        room = f"Over capacity: Birch, 1st Floor, Rooms: 9 people, room for 8, since {since}"
        assert firing.slack[room][1] == "http://localhost:9728/spaces/room/r1"
        down = "Critical: The Butlr exporter here:9728 cannot be scraped by job butlr"
        assert "d/butlr-exporter-health|Dashboard> · <" + runbook("butlrexporterdown") in firing.slack[down][2]
        color, _, text = firing.slack["&lt;i&gt;: 2 other alerts"]
        refused = (
            "i refused 15 events of type ZONE_OCCUPANCY as overflow in 15 minutes; its log names field and reason."
        )
        assert (color, text.count(f"• Events are refused as overflow\n{refused}\n")) == ("warning", 2)
        assert firing.teams["\\<i\\>: 2 other alerts"].count("\n  i refused 15 events of type ZONE\\_OCCUPANCY as") == 2
        assert "  " + refused in firing.mails["<i>: 2 other alerts"][0]
        assert firing.slack["Own"]

        once = f"Resolved: {over.partition(':')[0]}: over capacity from Thu 15 Jan 15:19 to Fri 16 Jan 03:00 EST"
        assert resolved.slack[once][:2] == ("good", page)
        color, _, text = resolved.slack["Mill &amp; &lt;Sons&gt;: 13 resolved"]
        assert text.startswith("*Resolved*\n• <")
        assert text.count("Mill &amp; &lt;Sons&gt;: over capacity from 15:19 to 15:41 EST>") == 13
        assert "Resolved: B, Lab, 2nd Floor, South: silent from 15:19 to 15:41 EST" in resolved.mails
        assert "Resolved: Hive h1, West: offline from 15:19 to 15:41 EST" in resolved.mails
        assert "Sensor s1, Lab, 2nd Floor, North: offline from 15:19 to" in resolved.slack["North: 13 resolved"][2]
        assert resolved.mails["North: 13 resolved"][0].count("North: silent from 15:19 to 15:41 EST\n") == 12
        assert resolved.slack["Resolved: Dock, SF: silent from 15:19 to 15:41 EST"]
        assert resolved.slack["Resolved: Birch, 1st Floor, Rooms: over capacity from 15:19 to 15:41 EST"]
        assert resolved.slack["Resolved: nameless: over capacity from 15:19 to 15:41 EST"]
        assert resolved.slack[f"Resolved: {down.removeprefix('Critical: ')}: from 15:19 to 15:41 EST"]

        assert resolved.teams["North: 13 resolved"].startswith("**Resolved**\n\n- [B 1, ")

        # A webhook has no template: it has the sentence of the alert.
        (webhook,) = [
            each for each in receiver.of("ButlrZoneFarOverCapacity", "firing") if "Far" in str(each["groupLabels"])
        ]
        (alert,) = webhook["alerts"]
        assert alert["annotations"] == {"summary": "Desk 01, Open Office, 1st Floor, Far (room for 4): 7 people"}
