"""Text as senders write it, from the request to metrics, pages, log and journal."""

import json
import logging
from pathlib import Path
from urllib.parse import quote

import pytest

from exporter.app import build
from exporter.settings.declared import Settings
from tests.support.deliveries import Clock, body, delivery, payload
from tests.support.responses import problem, samples

HALF = "\ud83d"


def test_half_of_a_surrogate_pair_touches_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A half in a name or an id is U+FFFD in metrics, pages, log and journal, and all other events are applied."""
    caplog.set_level(logging.DEBUG)
    exporter = build(Settings(journal=str(tmp_path / "journal.db")), Clock())
    client = exporter.app.test_client()
    cut = [payload(delivery(name=f"Lounge {HALF}")), payload(delivery(zone=f"zone_{HALF}", id=f"event_{HALF}"))]
    bad = payload(delivery(id=f"event_bad_{HALF}")) | {"data": -1}
    good = payload(delivery(zone="zone_good"))
    assert client.post("/webhook", data=json.dumps([*cut, good])).get_json()["outcomes"] == {"new": 3}
    assert client.post("/webhook", data=json.dumps(cut[0])).get_json()["outcomes"] == {"duplicate": 1}
    problem(client.post("/webhook", data=json.dumps([bad])), 422)
    assert [record.args["id"] for record in caplog.records if record.getMessage() == "event refused"] == [  # type: ignore[index, call-overload]
        "event_bad_\ufffd"
    ]
    lines = samples(client, "butlr_zone_occupancy")
    assert [line for line in lines if 'zone_name="Lounge \ufffd"' in line]
    assert [line for line in lines if 'zone_id="zone_\ufffd"' in line]
    assert len(lines) == 3
    page = "/spaces/zone/" + quote("zone_\ufffd")
    for path in ("/", "/api/v1/spaces", page, "/metrics/settled"):
        response = client.get(path)
        assert response.status_code == 200
        response.get_data().decode()
    assert "event_bad_\ufffd" in client.get("/").text
    exporter.close()
    again = build(Settings(journal=str(tmp_path / "journal.db")), Clock())
    assert samples(again.app.test_client(), "butlr_zone_occupancy") == lines
    again.close()


@pytest.mark.parametrize("text", [body(delivery()), body(delivery(), delivery(zone="zone_b"))])
def test_a_byte_order_mark_is_skipped(text: bytes) -> None:
    """An event and an array behind a byte order mark are applied."""
    client = build(clock=Clock()).app.test_client()
    plain = client.post("/webhook", data=text)
    assert (plain.status_code, set(plain.get_json()["outcomes"])) == (200, {"new"})
    marked = client.post("/webhook", data=b"\xef\xbb\xbf" + text)
    assert (marked.status_code, set(marked.get_json()["outcomes"])) == (200, {"duplicate"})


def test_utf_16_is_named() -> None:
    """An event in UTF-16 is refused with its encoding as the reason."""
    client = build(clock=Clock()).app.test_client()
    members = problem(client.post("/webhook", data=body(delivery()).decode().encode("utf-16")), 400)
    assert members["detail"] == "the body is not JSON: UTF-16 text instead of UTF-8 at line 1 column 1"
