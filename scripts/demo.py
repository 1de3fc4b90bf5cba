"""`make demo`: a simulated building in fast motion, an exporter that is connected to its API, and Prometheus.

Prometheus runs if it is installed.
"""

import argparse
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parent.parent
BUTLR_EXPORTER = str(Path(sys.executable).with_name("butlr-exporter"))
GRAPH = "graph?g0.expr=butlr_floor_occupancy&g0.tab=0&g0.range_input=5m"
"""Four floors are four lines; 32 zones would be as many."""

SEED = 2026
"""Seed of the building; not the default of `simulate`, so that both can send to one exporter."""

PATIENCE_SECONDS = 15.0
"""Time within which a started program must serve, and a stopped one must end."""


class Demo:
    """The running programs, in the order in which they were started."""

    def __init__(self) -> None:
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *command: str, cloud: str | None = None) -> None:
        """Start a program, with the simulated API at `cloud` if that is given.

        It has a session of its own, so that Ctrl-C reaches only this script, which then stops it.
        """
        environment = account(cloud) if cloud else None
        self._running[name] = subprocess.Popen(command, start_new_session=True, env=environment)  # noqa: S603

    def wait_for(self, url: str) -> None:
        """Return when `url` answers and all programs still run; else end the demo."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            self.check()
            try:
                urllib.request.urlopen(url, timeout=1).close()  # noqa: S310 - to this machine
            except urllib.error.HTTPError:
                pass  # the API has no page at this path, but it answers
            except OSError:
                time.sleep(0.1)
                continue
            self.check()
            return
        sys.exit(f"no answer from {url}")

    def check(self) -> None:
        """End the demo if one of its programs has ended."""
        for name, process in self._running.items():
            if process.poll() is not None:
                sys.exit(f"{name} ended with status {process.returncode}; its messages are above")

    def stop(self) -> None:
        """Stop all programs, the first started first: the simulator sends no more when the exporter ends."""
        for process in self._running.values():
            process.terminate()
            try:
                process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def main() -> None:
    """Run the demo until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=9728, help="port of the exporter (default: %(default)s)")
    parser.add_argument("--prometheus-port", type=int, default=9090, help="port of Prometheus (default: %(default)s)")
    options = parser.parse_args()
    for port in (options.port, options.prometheus_port):
        try:  # or deliveries would go to another program that listens there
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            sys.exit(
                f"Port {port} is in use. If that is `make run` in another terminal, stop it first; "
                "or choose other ports: make demo PORT=9730 PROMETHEUS_PORT=9091"
            )
    demo = Demo()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="butlr-exporter-demo-") as folder:
        try:
            run(demo, options.port, options.prometheus_port, Path(folder))
        except KeyboardInterrupt:
            print_now("")  # the terminal has just shown ^C
        finally:
            demo.stop()


def run(demo: Demo, port: int, prometheus_port: int, folder: Path) -> None:
    """Start all programs, and check until Ctrl-C that they run."""
    exporter, prometheus = f"http://localhost:{port}", f"http://localhost:{prometheus_port}"
    cloud = f"127.0.0.1:{free_port()}"
    building = ("--interval=1s", "--duration=0", "--zones=32", "--short-nights", f"--seed={SEED}")
    demo.start("the simulator", BUTLR_EXPORTER, "simulate", f"--cloud={cloud}", *building)
    demo.wait_for(f"http://{cloud}/")
    key = folder / "key"
    key.write_text(secrets.token_hex(16))
    serve = (f"--listen=127.0.0.1:{port}", f"--webhook-api-keys-file={key}", "--assets-interval=10s")
    demo.start("the exporter", BUTLR_EXPORTER, "serve", *serve, "--log-level=warning", cloud=cloud)
    demo.wait_for(f"{exporter}/-/ready")
    webhook = (f"--url={exporter}/webhook", f"--webhook-api-keys-file={key}", "--types=all")
    ask(cloud, "webhooks", "apply", *webhook, "--yes")
    print_now(f"zones       {exporter}/\nfloors      {exporter}/?kind=floor\nmetrics     {exporter}/metrics")
    if found := shutil.which("prometheus"):
        config = folder / "prometheus.yml"
        shipped = (ROOT / "prometheus.yml").read_text()
        shutil.copy(ROOT / "alerts.yml", folder)
        # A simulated minute takes a second, so Prometheus scrapes every second.
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
        print_now(f"graph       {prometheus}/{GRAPH}")
    else:
        print_now("no graph    prometheus is not installed (Debian: apt install prometheus)")
    print_now("One second here is one minute in the building. Ctrl-C stops everything.")
    while True:
        demo.check()
        time.sleep(0.5)


def ask(cloud: str, *command: str) -> None:
    """Run a command of the exporter with the simulated API, or end the demo."""
    print_now(f"$ butlr-exporter {' '.join(command)}")
    ended = subprocess.run([BUTLR_EXPORTER, *command], env=account(cloud), check=False)  # noqa: S603
    if ended.returncode:
        sys.exit(f"butlr-exporter {command[0]} ended with status {ended.returncode}; its messages are above")


def account(cloud: str) -> dict[str, str]:
    """Return the environment of a program that uses the simulated API at an address."""
    prefix = "BUTLR_EXPORTER_BUTLR_"
    settings = {"CLIENT_ID": "simulated", "CLIENT_SECRET": "simulated", "API_URL": f"http://{cloud}"}
    return {**os.environ, **{f"{prefix}{name}": value for name, value in settings.items()}}


def free_port() -> int:
    """Return a port of this machine on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def print_now(text: str) -> None:
    """Print a text at once."""
    print(text, flush=True)


if __name__ == "__main__":
    main()
