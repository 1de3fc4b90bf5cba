"""Requests that a browser sends for a page, by the site of the page."""

import re

import pytest

from exporter.app import create_app
from exporter.settings.load import load
from exporter.web.access import OTHER_SITE
from tests.support.credentials import basic
from tests.support.deliveries import Clock, body, delivery
from tests.support.responses import problem

CHANGES = [
    ("POST", "/-/reload"),
    ("POST", "/webhook"),
    ("DELETE", "/api/v1/spaces/zone/zone_a"),
    ("POST", "/spaces/zone/zone_a"),
]
"""Every request that changes something."""

OF_THIS_SITE: list[dict[str, str]] = [
    {},
    {"HTTP_SEC_FETCH_SITE": "same-origin", "HTTP_ORIGIN": "https://behind.a.proxy"},
    {"HTTP_SEC_FETCH_SITE": "none"},
    {"HTTP_ORIGIN": "http://localhost"},
    {"HTTP_ORIGIN": "HTTP://LOCALHOST"},
]

OF_OTHER_SITES = [
    {"HTTP_SEC_FETCH_SITE": "cross-site"},
    {"HTTP_SEC_FETCH_SITE": "Cross-Site", "HTTP_ORIGIN": "http://localhost"},
    {"HTTP_SEC_FETCH_SITE": "same-site"},
    {"HTTP_SEC_FETCH_SITE": "same-origin,cross-site"},
    {"HTTP_SEC_FETCH_SITE": "", "HTTP_ORIGIN": "http://other.example"},
    {"HTTP_ORIGIN": "http://other.example"},
    {"HTTP_ORIGIN": "http://localhost:8080"},
    {"HTTP_ORIGIN": "http://localhost.other.example"},
    {"HTTP_ORIGIN": "http://other.example", "HTTP_X_FORWARDED_HOST": "other.example"},
    {"HTTP_ORIGIN": "null"},
    {"HTTP_ORIGIN": ""},
    {"HTTP_ORIGIN": "http://[broken"},
]


class TestSites:
    """Requests that a page sends, by the origin of the page."""

    def test_every_change_is_named_here(self) -> None:
        """`CHANGES` has each method and path of the app that may change something."""
        rules = create_app().url_map.iter_rules()
        changing = {(method, rule.rule) for rule in rules for method in rule.methods or ()}
        changing -= {(method, rule) for method, rule in changing if method in ("GET", "HEAD", "OPTIONS")}
        assert {(method, re.sub("<kind:kind>/<id:space_id>", "zone/zone_a", rule)) for method, rule in changing} == set(
            CHANGES
        )

    @pytest.mark.parametrize("headers", OF_THIS_SITE, ids=repr)
    def test_of_this_site(self, headers: dict[str, str]) -> None:
        """A request of a person, of a program, or of a page of the exporter is answered."""
        for method, path in CHANGES:
            client = create_app(clock=Clock()).test_client()
            client.post("/webhook", data=body(delivery()))
            answer = client.open(path, method=method, data=body(delivery()), environ_overrides=headers)
            assert answer.status_code in (200, 204, 303)

    @pytest.mark.parametrize("headers", OF_OTHER_SITES, ids=repr)
    def test_of_another_site(self, headers: dict[str, str]) -> None:
        """A request that a browser sends for another site is refused with 403 and changes nothing, on any path."""
        client = create_app(clock=Clock()).test_client()
        client.post("/webhook", data=body(delivery()))
        before = client.get("/api/v1/spaces").get_json()
        for method, path in [*CHANGES, ("PUT", "/webhook"), ("PATCH", "/"), ("POST", "/nowhere")]:
            answer = client.open(path, method=method, data=body(delivery(v=9)), environ_overrides=headers)
            assert problem(answer, 403)["detail"] == OTHER_SITE
        assert client.get("/api/v1/spaces", environ_overrides=headers).get_json() == before

    def test_before_the_credentials(self) -> None:
        """A page of another site has no password asked of its reader, and a remembered one does not help the page."""
        settings = {"metrics_username": "prometheus", "metrics_password": "hush", "webhook_api_keys": "key"}
        client = create_app(load(settings, {}), Clock()).test_client()
        for method, path in CHANGES:
            for remembered in ({}, basic("prometheus:hush")):
                problem(client.open(path, method=method, environ_overrides=remembered | OF_OTHER_SITES[0]), 403)

    @pytest.mark.parametrize("path", ["/", "/api/v1/spaces", "/metrics"])
    def test_reading(self, path: str) -> None:
        """A link of another site leads to a page, and Grafana reads the JSON."""
        client = create_app(clock=Clock()).test_client()
        for headers in OF_OTHER_SITES:
            assert client.get(path, environ_overrides=headers).status_code == 200
            assert client.head(path, environ_overrides=headers).status_code == 200
