"""Panels from Butlr's assets and about its API: devices, tags, requests.

This module knows no dashboard.
"""

from grafana.kit import NO_CLIENT, ORANGE_ABOVE_0, RED_ABOVE_0, PlacedPanel, Query, line_panel, number_panel
from grafana.promql import PEOPLE, ROOMS, age, capacity, info, names_of, placed
from grafana.tables import place_table


def offline_table() -> PlacedPanel:
    """Return the table of the devices that are offline."""

    def offline(device: str) -> str:
        names = names_of("sensor").replace("sensor_id", f"{device}_id")
        found = f"max by ({names}) (butlr_{device}_online{{{ROOMS}}}) == 0"
        if device != "sensor":
            found = f'label_replace({found}, "sensor_id", "$1", "{device}_id", "(.+)")'
        return f'label_replace({placed("sensor", found)}, "kind", "{device}", "", "")'

    return place_table(
        "Offline sensors",
        "Sensors and hives that Butlr lists as offline, and the time since it last heard of a sensor. Sensors deliver "
        "through hives.",
        {"place": "Place", "kind": "Kind", "sensor_id": "Device", "Value #B": "Last heard of"},
        f"{offline('hive')} or {offline('sensor')}",
        age(
            "sensor_id",
            f"butlr_sensor_last_heartbeat_timestamp_seconds{{{ROOMS}}} and on (sensor_id) butlr_sensor_online == 0",
        ),
        width=24,
        height=6,
        sort=["Kind", "Place"],
        empty="no sensor is known to be offline (needs a client id)",
    )


def _tagged(kind: str, expr: str) -> str:
    """Return a query with the tags of the spaces of a kind that `expr` has; a space with two tags is there twice."""
    tags = f"max by ({kind}_id, tag) (butlr_{kind}_tag_info)"
    return f"{tags} * on ({kind}_id) group_left () max by ({kind}_id) ({expr})"


def _by_tag(kind: str) -> tuple[str, ...]:
    """Return the queries for places, people, capacity, utilisation and places in use, by tag."""
    people, meant_for = PEOPLE[kind], capacity(kind)
    share = (
        f"sum by (tag) ({_tagged(kind, f'{people} and on ({kind}_id) {meant_for}')}) "
        f"/ sum by (tag) ({_tagged(kind, f'{meant_for} and on ({kind}_id) {people}')})"
    )
    queries = (
        f"count by (tag) ({_tagged(kind, info(kind))})",
        f"sum by (tag) ({_tagged(kind, people)})",
        f"sum by (tag) ({_tagged(kind, meant_for)})",
        share,
        f"sum by (tag) ({_tagged(kind, people)} > bool 0)",
    )
    return tuple(f'label_replace({each}, "kind", "{kind}", "", "")' for each in queries)


def tag_table() -> PlacedPanel:
    """Return the table of the tags."""
    return place_table(
        "By tag",
        "The places with each tag of Butlr's assets, such as all meeting rooms: people, capacity, and how many places "
        "are in use. A place with two tags is in both lines.",
        {
            "tag": "Tag",
            "kind": "Kind",
            "Value #B": "People",
            "Value #C": "Capacity",
            "Value #D": "Utilisation",
            "Value #E": "In use",
            "Value #A": "Places",
        },
        *(" or ".join(each) for each in zip(*map(_by_tag, PEOPLE), strict=True)),
        width=24,
        height=8,
        sort=["Kind", "Tag"],
        empty="no tag is known (needs a client id)",
    )


def cloud_numbers() -> list[PlacedPanel]:
    """Return the panels about what Butlr lists and when it was last asked."""
    polled, read = (f"butlr_exporter_{each}_timestamp_seconds" for each in ("last_poll_success", "assets_last_success"))
    # Of a kind of which nothing comes, nothing is expected.
    missing = (
        'sum(max by (kind) (butlr_exporter_spaces{state="missing"}) '
        '* on (kind) (max by (kind) (butlr_exporter_spaces{state=~"fresh|stale"}) > bool 0))'
    )
    return [
        number_panel(
            "Last poll",
            "Time since the last poll without a failed request; only with the setting `poll`.",
            f"clamp_min(time() - max({polled} > 0), 0)",
            width=4,
            unit="s",
            decimals=0,
            steps=[(None, "text"), (300, "orange"), (600, "red")],
            empty="no poll yet",
        ),
        number_panel(
            "Assets read",
            "Time since Butlr's assets were last read.",
            f"clamp_min(time() - max({read}), 0)",
            width=4,
            unit="s",
            decimals=0,
            steps=[(None, "text"), (3600, "orange")],
            empty=NO_CLIENT,
        ),
        number_panel(
            "Failed requests",
            "Requests to Butlr that failed in the last hour, by any cause.",
            'round(sum(increase(butlr_exporter_cloud_requests_total{outcome!="ok"}[1h])))',
            width=4,
            steps=ORANGE_ABOVE_0,
            empty=NO_CLIENT,
        ),
        number_panel(
            "Missing places",
            "Zones, rooms and floors that Butlr lists and of which nothing ever came, of the kinds of which some come.",
            missing,
            width=4,
            steps=ORANGE_ABOVE_0,
            empty=NO_CLIENT,
        ),
        number_panel(
            "Sensors offline",
            "Sensors that Butlr lists as offline; a table in *Zones now* has them.",
            "sum(1 - max by (sensor_id) (butlr_sensor_online))",
            width=4,
            steps=ORANGE_ABOVE_0,
            empty=NO_CLIENT,
        ),
        number_panel(
            "Hives offline",
            "Hives that Butlr lists as offline. Sensors deliver through hives.",
            "sum(1 - max by (hive_id) (butlr_hive_online))",
            width=4,
            steps=RED_ABOVE_0,
            empty=NO_CLIENT,
        ),
    ]


def cloud_lines() -> list[PlacedPanel]:
    """Return the panels about requests to Butlr and their readings."""
    durations = "sum by (api, le) (rate(butlr_exporter_cloud_request_duration_seconds_bucket[$__rate_interval]))"
    return [
        line_panel(
            "Requests to Butlr",
            "Per second, by API and outcome. `unauthorized` is a wrong client id or secret, or a missing right; "
            "`throttled` is more requests than Butlr accepts.",
            Query(
                "sum by (api, outcome) (rate(butlr_exporter_cloud_requests_total[$__rate_interval])) > 0",
                "{{api}} {{outcome}}",
            ),
            unit="reqps",
            empty="needs a client id",
        ),
        line_panel(
            "Duration of requests to Butlr",
            "Nine in ten requests take at most as long.",
            Query(f"histogram_quantile(0.9, {durations})", "90 % {{api}}"),
            unit="s",
            empty="needs a client id",
        ),
        line_panel(
            "Polled readings",
            "Readings per second from the Reporting API, by outcome. Repetitions are usual: each minute is asked for "
            "several times.",
            Query("sum by (outcome) (rate(butlr_exporter_polled_readings_total[$__rate_interval]))", "{{outcome}}"),
            unit="none",
            empty="needs the setting poll",
        ),
    ]
