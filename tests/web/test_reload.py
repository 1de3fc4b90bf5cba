"""Reading the capacity file again, while events, probes and other requests come."""

import contextlib
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from exporter.app import build
from exporter.capacity import file as capacity_file
from exporter.capacity.parse import parse
from exporter.capacity.rules import Capacity
from exporter.server.service import Service
from exporter.settings.load import load
from tests.support.running import PATIENCE, Threaded
from tests.support.sockets import answers, fresh

RELOAD = b"POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
HEALTH = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"


class Parsing:
    """Parses capacity files when it may, and counts them."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.began, self.may = threading.Event(), threading.Event()
        self.may.set()
        self._parse = parse

    def __call__(self, text: str) -> Capacity:
        """Parse a text."""
        self.texts.append(text)
        self.began.set()
        assert self.may.wait(PATIENCE)
        return self._parse(text)


@pytest.fixture
def parsing(monkeypatch: pytest.MonkeyPatch) -> Parsing:
    """Have files parsed by an object that the test can stop."""
    parsing = Parsing()
    monkeypatch.setattr(capacity_file, "parse", parsing)
    return parsing


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a capacity file."""
    (tmp_path / "capacity.yml").write_text("capacity: [{max: 1}]")
    return tmp_path / "capacity.yml"


@pytest.fixture
def services(file: Path) -> tuple[Service, ...]:
    """Return the services of an exporter with one port, and of one with two."""
    one = build(load({"capacity_file": str(file)}, {}))
    two = build(load({"capacity_file": str(file), "metrics_listen": "127.0.0.1:9999"}, {}))
    return one.ports[0].service, two.ports[1].service


def test_the_event_loop_goes_on(parsing: Parsing, file: Path, services: tuple[Service, ...]) -> None:
    """Events and probes are answered while a reload takes long."""
    for n, service in enumerate(services):
        parsing.began.clear()
        parsing.may.clear()
        file.write_text(f"capacity: [{{max: {n + 2}}}]")
        with (
            Threaded(service) as (port, _),
            socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as operator,
            socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as sender,
        ):
            operator.sendall(RELOAD)
            assert parsing.began.wait(PATIENCE)
            event = fresh()
            post = b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(event), event)
            assert answers(sender, HEALTH)[0][0] == 200
            assert answers(sender, post)[0][0] == (404 if n else 200)
            parsing.may.set()
            assert answers(operator, b"")[0][0] == 200


def test_many_reloads_parse_the_file_once(parsing: Parsing, file: Path, services: tuple[Service, ...]) -> None:
    """Reloads that find the same text, good or bad, do not parse it again."""

    def reload(_: int) -> int:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as operator:
            return answers(operator, RELOAD)[0][0]

    with Threaded(services[0]) as (port, _), ThreadPoolExecutor(20) as pool:
        for text, status in (("capacity: [{max: 2}]", 200), ("capacity: [{max: x}]", 422), ("capacity: []", 200)):
            parsing.texts.clear()
            file.write_text(text)
            assert set(pool.map(reload, range(60))) == {status}
            assert parsing.texts == [text]


@pytest.mark.parametrize("other", ["pipe", "terminal"])
def test_a_reload_does_not_wait_for_a_pipe(file: Path, services: tuple[Service, ...], other: str) -> None:
    """A capacity file that became a pipe or a terminal, which may never send a byte, is rejected at once."""
    controller, terminal = os.openpty()
    with (
        Threaded(services[0]) as (port, _),
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as operator,
    ):
        file.unlink()
        if other == "pipe":
            os.mkfifo(file)
        else:
            file.symlink_to(os.ttyname(terminal))
        try:
            ((status, _, answer),) = answers(operator, RELOAD)
        finally:  # so that a reload that waits does not hold up the end of the test
            os.write(controller, b"\x04")
            with contextlib.suppress(OSError):
                os.close(os.open(file, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY))
            os.close(controller)
            os.close(terminal)
        assert status == 422
        assert b"cannot be read: it is a pipe or a device, which the exporter does not wait for" in answer
        file.unlink()
        file.write_text("capacity: [{max: 3}]")
        assert answers(operator, RELOAD)[0][0] == 200
