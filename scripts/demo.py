"""`make demo`: an exporter, a building in fast motion that sends to it, and a Prometheus if there is one."""

import argparse
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parent.parent
BUTLR_EXPORTER = str(Path(sys.executable).with_name("butlr-exporter"))
GRAPH = "graph?g0.expr=butlr_zone_occupancy&g0.tab=0&g0.range_input=5m"
SEED = 2026
"""Another than that of `simulate`, so that both can send to one exporter."""

PATIENCE = 15.0
"""Seconds in which what was started must serve, and what is stopped must end."""


class Demo:
    """What is running, in the order in which it was started."""

    def __init__(self) -> None:
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *command: str) -> None:
        """Start a program that ends only when it is told to by us: a Ctrl-C is not for it."""
        self._running[name] = subprocess.Popen(command, start_new_session=True)  # noqa: S603

    def wait_for(self, url: str) -> None:
        """Return when somebody answers there, and all is still running."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self.check()
            try:
                urllib.request.urlopen(url, timeout=1).close()  # noqa: S310 - to this machine
            except OSError:
                time.sleep(0.1)
            else:
                self.check()
                return
        sys.exit(f"nobody answers at {url}")

    def check(self) -> None:
        """End the demo if something of it has ended."""
        for name, process in self._running.items():
            if process.poll() is not None:
                sys.exit(f"{name} ended with status {process.returncode}; what it says is above")

    def stop(self) -> None:
        """Stop all of it, the last started first."""
        for process in reversed(self._running.values()):
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def main() -> None:
    """Run until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=9728, help="the exporter's (default: %(default)s)")
    parser.add_argument("--prometheus-port", type=int, default=9090, help="(default: %(default)s)")
    options = parser.parse_args()
    for port in (options.port, options.prometheus_port):
        try:  # or the building would be sent to whoever listens there
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            sys.exit(f"Port {port} is in use. If that is `make run` in another terminal, stop it first.")
    demo = Demo()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="butlr-exporter-demo-") as folder:
        try:
            run(demo, options.port, options.prometheus_port, Path(folder))
        except KeyboardInterrupt:
            say("")  # the terminal has just shown ^C
        finally:
            demo.stop()


def run(demo: Demo, port: int, prometheus_port: int, folder: Path) -> None:
    """Start all of it and watch over it."""
    exporter, prometheus = f"http://localhost:{port}", f"http://localhost:{prometheus_port}"
    demo.start("the exporter", BUTLR_EXPORTER, "serve", f"--listen=127.0.0.1:{port}", "--log-level=warning")
    demo.wait_for(f"{exporter}/-/ready")
    say(f"zones       {exporter}/\nmetrics     {exporter}/metrics")
    if found := shutil.which("prometheus"):
        config = folder / "prometheus.yml"
        shipped = (ROOT / "prometheus.yml").read_text()
        # As often as there is something new.
        shutil.copy(ROOT / "alerts.yml", folder)
        config.write_text(shipped.replace("localhost:9728", f"localhost:{port}").replace(" 15s", " 1s"))
        demo.start(
            "Prometheus",
            found,
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{prometheus_port}",
            "--log.level=error",
        )
        demo.wait_for(f"{prometheus}/-/ready")
        say(f"graph       {prometheus}/{GRAPH}")
    else:
        say("no graph    prometheus is not installed (Debian: apt install prometheus)")
    say("One second here is one minute in the building. Ctrl-C stops all of it.")
    building = ("--interval=1s", "--duration=0", "--zones=32", f"--seed={SEED}")
    demo.start("the simulator", BUTLR_EXPORTER, "simulate", f"--url={exporter}/webhook", *building)
    while True:
        demo.check()
        time.sleep(0.5)


def say(text: str) -> None:
    """Print at once."""
    print(text, flush=True)


if __name__ == "__main__":
    main()
