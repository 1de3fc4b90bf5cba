"""Dockerfile, compose.yaml, Grafana's provisioning and capacity.yml fit the program and each other."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from grafana_foundation_sdk.models.alerting import Query

from exporter.capacity.parse import read
from exporter.settings.declared import INPUTS, SETTINGS
from grafana import alerting
from tests.support import yamls
from tests.support.documents import ALERTS, severity
from tests.support.paths import ROOT


def test_docker_image() -> None:
    """The image has two stages, an unprivileged user, an existing health check, and the port of the settings."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    (listen,) = [setting.default for setting in SETTINGS if setting.name == "listen"]
    assert len(re.findall(r"^FROM python:3\.\d+-slim", dockerfile, re.MULTILINE)) == 2
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", dockerfile, re.MULTILINE)
    assert re.search(r'^HEALTHCHECK .*"exporter.probe"\]$', dockerfile, re.MULTILINE)
    assert find_spec("exporter.probe")
    assert re.search(r"^VOLUME /data$", dockerfile, re.MULTILINE)
    assert "BUTLR_EXPORTER_JOURNAL=/data/" in dockerfile
    assert f"EXPOSE {listen.rpartition(':')[2]}" in dockerfile


def test_compose() -> None:
    """compose.yaml is valid: pinned images, unprivileged users, secrets in files, and only ports of this machine."""
    linter = Path(sys.executable).with_name("check-jsonschema")
    command = [str(linter), "--builtin-schema", "vendor.compose-spec", str(ROOT / "compose.yaml")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout
    compose = yamls.load((ROOT / "compose.yaml").read_text())
    services = compose["services"]
    assert set(services) == {"butlr-exporter", "prometheus", "alertmanager", "grafana", "simulate"}
    assert services["simulate"]["profiles"] == ["demo"]
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"]
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        if "image" in service:
            assert re.fullmatch(r"[a-z/]+:v?[0-9]+\.[0-9]+\.[0-9]+", service["image"])
            assert int(service["user"].partition(":")[0]) > 0
            assert service["healthcheck"]["test"][0] == "CMD"
        for volume in service.get("volumes", []):
            source, _, rest = volume.partition(":")
            if source.startswith("./"):
                assert (ROOT / source).exists(), volume
                assert rest.endswith(":ro")
            else:
                assert source in compose["volumes"]
        assert set(service.get("secrets", [])) <= set(compose["secrets"]), name
    (command,) = services["prometheus"]["command"]
    replaced = re.findall(r"s/(localhost:[0-9]+)/([a-z-]+):[0-9]+/", command)
    assert len(replaced) == 2
    for here, there in replaced:
        assert here in (ROOT / "prometheus.yml").read_text()
        assert there in services
    assert {secret["file"].startswith("./secrets/") for secret in compose["secrets"].values()} == {True}
    variables = {given.variable for given in INPUTS}
    assert set(services["butlr-exporter"]["environment"]) <= variables


def test_grafana_provisioning() -> None:
    """The alerts of Grafana are those of alerts.yml, and its dashboards are where compose.yaml puts them."""
    folder = ROOT / "grafana" / "provisioning"
    (source,) = yamls.load((folder / "datasources" / "butlr.yml").read_text())["datasources"]
    (provider,) = yamls.load((folder / "dashboards" / "butlr.yml").read_text())["providers"]
    (group,) = yamls.load((folder / "alerting" / "butlr.yml").read_text())["groups"]
    assert (source["type"], source["uid"]) == ("prometheus", alerting.DATASOURCE)
    compose = (ROOT / "compose.yaml").read_text()
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in compose
    for rule in group["rules"]:
        shipped = ALERTS[rule["title"]]
        assert (rule["for"], rule["labels"]) == (shipped["for"], {"severity": severity(shipped)})
        assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{rule['title'].lower()}"
        assert {query["datasourceUid"] for query in rule["data"]} == {source["uid"], alerting.EXPRESSION}
        # The threshold is the same.
        expr = rule["data"][0]["model"]["expr"]
        assert re.findall(r"[<>=]+ [0-9.]+", expr) == re.findall(r"[<>=]+ [0-9.]+", shipped["expr"])
        for query in rule["data"]:
            Query.from_json(query)


def test_capacity_example() -> None:
    """capacity.yml is a valid capacity file."""
    assert len(read(str(ROOT / "capacity.yml")).rules) >= 3
