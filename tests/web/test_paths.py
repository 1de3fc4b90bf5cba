"""Paths that are nearly right: an answer and the log name the path as it was sent."""

import json
import socket
from collections.abc import Iterator

import pytest

from exporter.app import build
from tests.support.running import PATIENCE, Threaded
from tests.support.sockets import answers

pytestmark = pytest.mark.xdist_group("paths")  # they share an exporter


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Return the port of an exporter."""
    with Threaded(build().ports[0].service) as (port, _):
        yield port


def asked(port: int, method: bytes, target: bytes) -> tuple[int, str]:
    """Send an empty array to a target; return the status, and the detail of a problem."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        request = b"%b %b HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n[]" % (method, target)
        ((status, _, text),) = answers(client, request)
    return status, json.loads(text).get("detail", "")


@pytest.mark.parametrize(
    "path",
    [
        "//webhook",
        "///webhook",
        "/webhook//",
        "/webhook/",
        "/webhook%20",
        "/webhook%0A",
        "/webhook%00",
        "/webhook%E2%80%8B",
        "/web%68ook%2F",
        "/WEBHOOK",
        "/./webhook",
        "/x/../webhook",
        "/webhook;a=b",
        "/%FFwebhook",
        "//-/reload",
        "/%2Fwebhook",
    ],
)
def test_a_path_is_named_as_it_was_sent(port: int, path: str, caplog: pytest.LogCaptureFixture) -> None:
    """A path that is nearly right is not found, and is told from the right one in the answer and in the log."""
    for target in (path, f"{path}?key=secret", f"http://x{path}"):
        caplog.clear()
        assert asked(port, b"POST", target.encode()) == (404, f"there is nothing at {path}")
        (fields,) = [record.args for record in caplog.records if record.getMessage() == "request refused"]
        assert isinstance(fields, dict)
        assert fields["path"] == path


@pytest.mark.parametrize("path", ["/webhook", "/%77ebhook", "/webhook?a=b", "http://x/webhook", "http://x/webhook?//"])
def test_the_right_path(port: int, path: str) -> None:
    """The webhook's path is right in every spelling that a URL allows."""
    assert asked(port, b"POST", path.encode())[0] == 200


def test_a_wrong_method(port: int) -> None:
    """A path that does not accept a method is named as it was sent."""
    assert asked(port, b"PUT", b"/%77ebhook?a=b") == (405, "/%77ebhook does not accept PUT")
