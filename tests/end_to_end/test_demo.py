"""`make demo`, as a new user runs it, but on ports of its own."""

import json
import signal
import socket
import subprocess
import sys
import urllib.request

from tests.support.paths import ROOT
from tests.support.running import PATIENCE, free_port, program, wait_for

DEMO = ROOT / "scripts" / "demo.py"


def get(url: str) -> bytes:
    """Return the body at a URL."""
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:  # noqa: S310 - to this machine
        text: bytes = answer.read()
        return text


def test_a_building_until_it_is_stopped() -> None:
    """Zones come with capacities, missing ones and offline sensors are shown; an interrupt leaves nothing running."""
    program("prometheus", "prometheus")
    port, prometheus = free_port(), free_port()
    command = [sys.executable, str(DEMO), f"--port={port}", f"--prometheus-port={prometheus}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        try:
            metrics = f"http://localhost:{port}/metrics"
            wait_for(lambda: get(metrics).count(b"\nbutlr_zone_occupancy{") == 32, "every zone")
            wait_for(lambda: get(metrics).count(b"\nbutlr_zone_capacity{") > 16, "capacities")
            page = f"http://localhost:{port}/?kind=zone"
            wait_for(lambda: get(page).count(b">Phone Booth<") == 2, "the missing zones")
            texts = {b"zones that never reported", b"Offline sensors and hives"}
            wait_for(lambda: {text for text in texts if text in get(page)} == texts, "the missing zones and devices")
            api = f"http://localhost:{prometheus}/api/v1/targets"
            targets = wait_for(lambda: json.loads(get(api))["data"]["activeTargets"], "a target")
            assert {target["scrapeUrl"] for target in targets} == {metrics, f"{metrics}/settled"}
            demo.send_signal(signal.SIGINT)
            out, err = demo.communicate(timeout=PATIENCE)
        finally:
            demo.terminate()
    assert demo.returncode == 0
    # The simulator ends first; if that takes long, the exporter says that it misses its API. No other warning comes, as
    # deliveries have a key.
    lines = [line for line in err.splitlines() if 'msg="request to Butlr failed"' not in line]
    assert len(lines) == 2, err
    simulated, created = lines
    assert simulated.startswith("Butlr's API at http://127.0.0.1:")
    assert created.startswith(f"webhook created: butlr-exporter, http://localhost:{port}/webhook, ")
    assert "\ncreated webhook webhook_" in out
    lines = out[out.index("\nzones ") + 1 :].splitlines()
    zones, floors, of_metrics, graph = [line.split()[-1] for line in lines[:4]]
    assert [zones, floors, of_metrics] == [
        f"http://localhost:{port}{path}" for path in ("/", "/?kind=floor", "/metrics")
    ]
    assert graph.startswith(f"http://localhost:{prometheus}/graph?g0.expr=butlr_floor_occupancy&")
    assert " deliveries answered in " in out
    for ended in (port, prometheus):
        socket.create_server(("127.0.0.1", ended)).close()


def test_a_port_in_use() -> None:
    """With its port in use the demo says so and starts nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        ended = subprocess.run(
            [sys.executable, str(DEMO), f"--port={port}"], capture_output=True, text=True, check=False, timeout=PATIENCE
        )
    hint = "If that is `make run` in another terminal, stop it first; or choose other ports: make demo PORT="
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"Port {port} is in use. {hint}")
