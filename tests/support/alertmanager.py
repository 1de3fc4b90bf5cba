"""A real Alertmanager with the shipped configuration and templates, whose messages arrive here."""

import email
import email.policy
import json
import os
import re
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support import yamls
from tests.support.paths import ROOT
from tests.support.running import free_port, program


class Receiver:
    """Servers that collect Alertmanager's webhooks, Slack messages and mails."""

    def __init__(self) -> None:
        self.notifications: list[dict[str, Any]] = []
        self.slack: list[dict[str, Any]] = []
        self.teams: list[dict[str, Any]] = []
        self.mails: list[EmailMessage] = []
        collected = {"/webhook": self.notifications, "/slack": self.slack, "/teams": self.teams}
        mails = self.mails

        class Http(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                collected[self.path].append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: object) -> None:
                pass

        class Smtp(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.wfile.write(b"220 here\r\n")
                while command := self.rfile.readline():
                    if command.upper().startswith(b"DATA"):
                        self.wfile.write(b"354 go on\r\n")
                        lines = list(iter(self.rfile.readline, b".\r\n"))
                        text = b"".join(line.removeprefix(b".") if line.startswith(b"..") else line for line in lines)
                        mails.append(email.message_from_bytes(text, policy=email.policy.default))
                    self.wfile.write(b"221 bye\r\n" if command.upper().startswith(b"QUIT") else b"250 ok\r\n")

        self._servers = (
            ThreadingHTTPServer(("127.0.0.1", 0), Http),
            socketserver.ThreadingTCPServer(("127.0.0.1", 0), Smtp),
        )
        self.http_port, self.smtp_port = (server.server_address[1] for server in self._servers)
        for server in self._servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop the servers."""
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def of(self, alert: str, status: str) -> list[dict[str, Any]]:
        """Return the webhooks in which an alert has this status."""
        return [
            notification
            for notification in self.notifications
            if any((each["labels"]["alertname"], each["status"]) == (alert, status) for each in notification["alerts"])
        ]


def configuration(receiver: Receiver) -> dict[str, Any]:
    """Return the shipped configuration, with both receivers of its comments, short waits and the receiver of a test."""
    head, receivers, tail = (ROOT / "alertmanager.yml").read_text().partition("\nreceivers:\n")
    config: dict[str, Any] = yamls.load(head + receivers + re.sub("(?m)^    # ", "    ", tail))
    config["templates"] = [str(ROOT / name) for name in [*config["templates"], "alertmanager/teams.tmpl"]]
    config["route"] |= {"group_wait": "2s", "group_interval": "2s"}
    here = f"127.0.0.1:{receiver.http_port}"
    (slack,) = config["receivers"][1]["slack_configs"]
    del slack["api_url_file"]
    slack["api_url"] = f"http://{here}/slack"
    # Debian's Alertmanager has no receiver for Teams yet, but can write the texts of one.
    teams = {
        "api_url": f"http://{here}/teams",
        "send_resolved": True,
        **{field: f'{{{{ template "butlr.teams.{field}" . }}}}' for field in ("title", "text")},
    }
    (mail,) = config["receivers"][0]["email_configs"]
    mail |= {"smarthost": f"127.0.0.1:{receiver.smtp_port}", "require_tls": False}
    for each in config["receivers"]:  # each format is for both
        each |= {
            "email_configs": [mail],
            "slack_configs": [slack, teams],
            "webhook_configs": [{"url": f"http://{here}/webhook"}],
        }
    return config


@contextmanager
def alertmanager(config: dict[str, Any], folder: Path, timezone: str = "UTC") -> Iterator[int]:
    """Run an Alertmanager until the end of the block; return its port."""
    (folder / "alertmanager.yml").write_text(yamls.dump(config))
    port = free_port()
    with (folder / "alertmanager.log").open("wb") as log:
        process = subprocess.Popen(
            [
                program("prometheus-alertmanager", "prometheus-alertmanager"),
                f"--config.file={folder / 'alertmanager.yml'}",
                f"--storage.path={folder / 'alertmanager'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--web.external-url=http://alertmanager.example.com",
                "--cluster.listen-address=",
            ],
            stdout=log,
            stderr=log,
            env=os.environ | {"TZ": timezone},
        )
    try:
        yield port
    finally:
        process.terminate()
        process.wait(30)
