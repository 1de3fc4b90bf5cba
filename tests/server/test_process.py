"""The serving process: stalled clients, signals, periodic tasks, and the log."""

import asyncio
import contextlib
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import pytest

from exporter.server import process
from exporter.server.connection import REQUEST_TIMEOUT
from exporter.server.process import bind
from exporter.server.service import Service
from tests.support.running import PATIENCE, outcomes, running, wait_for
from tests.support.sockets import fresh, many_zones, silent_reader


def no_app(*_: object) -> list[bytes]:
    """Fail, as no request comes."""
    raise AssertionError("called")


class TestRush:
    """Many connections at the same moment."""

    def test_connections_wait_to_be_accepted(self, tmp_path: Path) -> None:
        """While the exporter is busy, connections wait: none is refused, and none has to try again a second later."""
        with running(tmp_path / "log") as exporter, contextlib.ExitStack() as stack:
            exporter.process.send_signal(signal.SIGSTOP)
            try:
                for _ in range(500):
                    stack.enter_context(socket.create_connection(("127.0.0.1", exporter.port), timeout=0.5))
            finally:
                exporter.process.send_signal(signal.SIGCONT)
            assert exporter.get("/-/healthy")


class TestStalled:
    """Clients that stop in the middle."""

    def test_200_senders_and_20_readers(self, tmp_path: Path) -> None:
        """220 connections that make no progress delay neither events nor scrapes."""

        def seconds(request: Callable[[], bool]) -> float:
            began = time.monotonic()
            assert request()
            return time.monotonic() - began

        def post(n: int) -> bool:
            return outcomes(exporter.post(fresh(f"zone_{n}", n))) == {"new": 1}

        def scrape() -> bool:
            return b'zone_id="zone_9"' in exporter.get("/metrics")

        with running(tmp_path / "log") as exporter, contextlib.ExitStack() as stack:
            for start in range(0, 500, 100):
                exporter.post(b"[" + b",".join(many_zones(start, start + 100)) + b"]")
            # More than the kernel buffers for a reader that does not read (3 MB were seen).
            assert len(exporter.get("/metrics")) > 6_000_000
            undisturbed_post = median(seconds(partial(post, n)) for n in range(20))
            undisturbed_scrape = median(seconds(scrape) for _ in range(3))
            stalled = []
            for n in range(200):
                connection = stack.enter_context(exporter.connect())
                framing = b"Transfer-Encoding: chunked\r\n\r\n400\r\n" if n % 2 else b"Content-Length: 1000\r\n\r\n"
                connection.sendall(b"POST /webhook HTTP/1.1\r\nHost: x\r\n" + framing + b'{"id": "half')
                stalled.append(connection)
            for _ in range(20):
                stack.enter_context(silent_reader(exporter.port, "/metrics"))
            posts, scrapes = [seconds(partial(post, n)) for n in range(20)], [seconds(scrape) for _ in range(3)]
            assert max(*posts, *scrapes) < REQUEST_TIMEOUT / 2
            assert median(posts) < 1 + 10 * undisturbed_post
            assert median(scrapes) < 2 + 10 * undisturbed_scrape
            # No sender was aborted to make that possible: each still waits for the exporter.
            for connection in stalled:
                connection.setblocking(False)
                with pytest.raises(BlockingIOError):
                    connection.recv(1)
            assert exporter.stop() == 0


class TestSignals:
    """Only a stop ends the process, and then in order."""

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_stop(self, tmp_path: Path, number: signal.Signals) -> None:
        """The request under way is answered, an idle connection does not delay the end, and the status is 0."""
        with running(tmp_path / "log") as exporter:
            event = fresh()
            idle, slow = exporter.connect(), exporter.connect()
            slow.sendall(b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(event) + event[:50])
            exporter.get("/-/healthy")
            exporter.process.send_signal(number)
            time.sleep(0.3)  # the process is now stopping, and waits
            slow.sendall(event[50:])
            assert slow.recv(1000).startswith(b"HTTP/1.1 200 OK")
            assert exporter.process.wait(PATIENCE) == 0
            *_, appeared, stopped = exporter.log().splitlines()
            assert 'msg="zone appeared" zone_id=zone_a' in appeared  # also if the process stops at once
            assert "msg=stopped" in stopped
            idle.close()
            slow.close()

    def test_other_signals_keep_the_state(self, tmp_path: Path) -> None:
        """A signal that ends a process by default is ignored, so that no count is lost."""
        with running(tmp_path / "log") as exporter:
            exporter.post(fresh(v=7))
            for number in process.IGNORED_SIGNALS:
                exporter.process.send_signal(number)
            wait_for(lambda: exporter.log().count("signal ignored") == 2, "the signals")
            assert b"} 7.0" in exporter.get("/metrics?name[]=butlr_zone_occupancy")

    def test_log_of_a_quiet_run(self, tmp_path: Path) -> None:
        """The log has the start with its settings, missing protections, a zone, a refusal and the stop."""
        with running(tmp_path / "log") as exporter:
            for _ in range(50):
                exporter.post(fresh())
            with pytest.raises(OSError, match="422"):
                exporter.post(b"{}")
            wait_for(lambda: "zone appeared" in exporter.log(), "the zone in the log")
            assert exporter.stop() == 0
            lines = exporter.log().splitlines()
        assert [re.split(" (?:version|outcome|zone_id|hint|reason)=", line.split("msg=")[1])[0] for line in lines] == [
            "started",
            '"no credentials"',
            '"no journal"',
            '"event refused"',
            '"zone appeared"',
            "stopping signal=SIGTERM",
            "stopped",
        ]
        assert "stale_after=10m" in lines[0]


class TestParts:
    """Parts that a running process does not show."""

    def test_bind_listens_on_ipv6_and_every_interface(self) -> None:
        """An empty host is every interface, for IPv6 and IPv4."""
        for host, family in [("127.0.0.1", socket.AF_INET), ("", socket.AF_INET6), ("::1", socket.AF_INET6)]:
            try:
                with bind(host, 0) as listener:
                    assert listener.family == family
            except OSError:
                assert family == socket.AF_INET6, "IPv4 must work"

    @pytest.mark.parametrize(
        ("host", "serves_ipv4", "serves_ipv6"),
        [("", True, True), ("0.0.0.0", True, False), ("::", False, True)],  # noqa: S104
    )
    def test_every_interface(self, host: str, serves_ipv4: bool, serves_ipv6: bool) -> None:
        """No host is every interface of IPv4 and IPv6, `0.0.0.0` only of IPv4, and `::` only of IPv6."""
        if not socket.has_dualstack_ipv6():
            return
        with bind(host, 0) as listener:
            is_ipv6 = listener.family == socket.AF_INET6
            only_ipv6 = is_ipv6 and listener.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) != 0
        assert (is_ipv6, not only_ipv6) == (serves_ipv6, serves_ipv4)

    def test_a_periodic_task_that_fails_is_logged_and_runs_again(self, caplog: pytest.LogCaptureFixture) -> None:
        """An error of a periodic task ends neither the task nor the process."""
        runs = []

        def task() -> None:
            runs.append(1)
            if len(runs) == 1:
                raise RuntimeError("once")

        async def some() -> None:
            stopped = asyncio.Event()
            repeated = asyncio.create_task(process.every(0.01, task, stopped))
            while len(runs) < 2:
                await asyncio.sleep(0.01)
            stopped.set()
            await repeated

        asyncio.run(some())
        assert [record.getMessage() for record in caplog.records] == ["periodic task failed"]

    def test_a_periodic_task_never_runs_twice_at_once(self) -> None:
        """A task that runs when the process stops is awaited, and then runs a last time."""
        began, release = threading.Event(), threading.Event()
        running, seen = [0], []

        def task() -> None:
            running[0] += 1
            seen.append(running[0])
            began.set()
            release.wait(PATIENCE)
            running[0] -= 1

        async def some() -> None:
            stopped = asyncio.Event()
            repeated = asyncio.create_task(process.every(0, task, stopped))
            await asyncio.to_thread(began.wait, PATIENCE)
            stopped.set()
            await asyncio.sleep(0.05)
            assert not repeated.done()
            release.set()
            await repeated

        asyncio.run(some())
        assert seen == [1, 1]

    def test_a_task_that_runs_at_the_stop(self) -> None:
        """`serve` ends only after each periodic task has run a last time, alone."""
        running, seen = [0], []

        def task() -> None:
            running[0] += 1
            seen.append(running[0])
            if len(seen) == 1:
                os.kill(os.getpid(), signal.SIGTERM)
                wait_for(lambda: listener.fileno() < 0, "the port to be closed")
                time.sleep(0.2)  # a second run would begin now
            running[0] -= 1

        with bind("127.0.0.1", 0) as listener, pytest.MonkeyPatch.context() as patch:
            patch.setattr(process, "PERIOD", 0.1)
            process.serve([process.Listener(listener, Service(no_app, 10))], lambda: None, task)
        assert len(seen) >= 2
        assert set(seen) == {1}
        assert running == [0]
