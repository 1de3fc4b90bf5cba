"""The families of a scrape, parsed as Prometheus parses them."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.capacity.file import CapacityFile
from exporter.events.measures import Kind, Measure
from exporter.events.model import FIELDS, Metadata, ReadingEvent
from exporter.metrics.counters import EXPORTED, OTHER, OUTCOMES, Result
from exporter.metrics.families import OCCUPANCY
from exporter.metrics.registry import Rejection
from exporter.rule.outcome import Outcome
from exporter.settings.load import load
from tests.support.crossings import crossing, event
from tests.support.deliveries import HOUR, MINUTE, NOW, SECOND, Clock, deliveries, delivery
from tests.support.scraped import DESK, Scraped

EACH_KIND = [Measure.ZONE_OCCUPANCY, Measure.ROOM_OCCUPANCY, Measure.FLOOR_OCCUPANCY]


def zones(fresh: int, stale: int) -> list[tuple[dict[str, str], float]]:
    """Return the samples that count spaces by state, of which all are zones."""
    return [
        *[({"kind": "zone", "state": "fresh"}, fresh), ({"kind": "zone", "state": "stale"}, stale)],
        *[({"kind": kind, "state": state}, 0) for kind in ("room", "floor", "sensor") for state in ("fresh", "stale")],
    ]


@pytest.mark.parametrize("openmetrics", [False, True], ids=["text", "openmetrics"])
class TestZones:
    """The families of zones are the same in both formats."""

    def test_one_zone(self, openmetrics: bool) -> None:
        """A zone has its count, its timestamp and its names, and is counted as fresh."""
        samples = Scraped(delivery(NOW - 500, 2.5)).samples(openmetrics=openmetrics)
        assert samples["butlr_zone_occupancy"] == [(DESK, 2.5)]
        assert samples["butlr_zone_occupancy_timestamp_seconds"] == [(DESK, NOW / 1000 - 0.5)]
        info = Metadata(zone_id="zone_a", zone_name="Desk 01", floor_name="1st Floor")._asdict()
        assert samples["butlr_zone_info"] == [(info, 1)]
        assert samples["butlr_exporter_spaces"] == zones(fresh=1, stale=0)
        assert "butlr_zone_occupancy_1min" not in samples

    def test_no_zone(self, openmetrics: bool) -> None:
        """Without a zone the families have no samples, nor is there a time of the last event."""
        families = Scraped().families(openmetrics=openmetrics)
        for name in (*OCCUPANCY.values(), "butlr_zone_info", "butlr_exporter_last_event_received_timestamp_seconds"):
            assert families[name].type == "gauge"
            assert families[name].documentation
            assert families[name].samples == []

    def test_both_measures_of_a_zone_share_one_info(self, openmetrics: bool) -> None:
        """Both measures of a zone have the same labels, and the zone has one info."""
        scraped = Scraped(delivery(v=1), delivery(NOW - SECOND, 2, measure=Measure.ZONE_OCCUPANCY_1MIN))
        samples = scraped.samples(openmetrics=openmetrics)
        assert samples["butlr_zone_occupancy"] == [(DESK, 1)]
        assert samples["butlr_zone_occupancy_1min"] == [(DESK, 2)]
        assert samples["butlr_zone_occupancy_1min_timestamp_seconds"] == [(DESK, NOW / 1000 - 1)]
        assert len(samples["butlr_zone_info"]) == 1

    def test_after_a_rename_the_old_series_is_gone_at_once(self, openmetrics: bool) -> None:
        """A renamed zone has one series in every family, under its new name."""
        samples = Scraped(delivery(name="old"), delivery(NOW + 1, name="new")).samples(openmetrics=openmetrics)
        for name in ("butlr_zone_occupancy", "butlr_zone_occupancy_timestamp_seconds", "butlr_zone_info"):
            assert [labels["zone_name"] for labels, _ in samples[name]] == ["new"]

    def test_a_stale_zone_shows_no_number(self, openmetrics: bool) -> None:
        """A stale zone has no count, but still its timestamp and its info."""
        scraped = Scraped(delivery())
        scraped.clock.now += 10 * MINUTE
        assert "butlr_zone_occupancy" in scraped.samples(openmetrics=openmetrics)
        scraped.clock.now += 1
        samples = scraped.samples(openmetrics=openmetrics)
        assert "butlr_zone_occupancy" not in samples
        assert samples["butlr_zone_occupancy_timestamp_seconds"] == [(DESK, NOW / 1000)]
        assert len(samples["butlr_zone_info"]) == 1
        assert samples["butlr_exporter_spaces"] == zones(fresh=0, stale=1)

    def test_one_stale_measure_does_not_hide_the_other(self, openmetrics: bool) -> None:
        """A measure goes stale by its own newest reading, and the zone is fresh while any measure is."""
        scraped = Scraped(delivery(NOW - HOUR, 1), delivery(v=2, measure=Measure.ZONE_OCCUPANCY_1MIN))
        samples = scraped.samples(openmetrics=openmetrics)
        assert "butlr_zone_occupancy" not in samples
        assert samples["butlr_zone_occupancy_1min"] == [(DESK, 2)]
        assert samples["butlr_exporter_spaces"][0] == ({"kind": "zone", "state": "fresh"}, 1)

    def test_a_forgotten_zone_is_nowhere(self, openmetrics: bool) -> None:
        """A zone that was silent for a day is in no family."""
        scraped = Scraped(delivery())
        scraped.clock.now += 24 * HOUR + 1
        samples = scraped.samples(openmetrics=openmetrics)
        assert not [name for name in samples if name.startswith("butlr_zone_")]
        assert samples["butlr_exporter_spaces"] == zones(fresh=0, stale=0)

    def test_chosen_labels(self, openmetrics: bool) -> None:
        """The labels of a zone are the chosen metadata fields, or its id alone."""
        event = delivery()
        for labels in (("zone_id",), ("zone_name", "zone_id")):
            ((found, _),) = Scraped(event, labels=labels).samples(openmetrics=openmetrics)["butlr_zone_occupancy"]
            assert found == {label: DESK[label] for label in labels}

    def test_hostile_label_values(self, openmetrics: bool) -> None:
        """Names with quotes, backslashes, line ends and any Unicode are parsed as they were, and forge no sample."""
        names = [
            '"',
            "\\",
            "\n",
            '\\n"\n\\',
            '"} 99\nbutlr_zone_occupancy{zone_id="forged',
            "\r\n#",
            "会議室 🪑",
            "\u2028\x85\0",
        ]
        events = [delivery(zone=f"zone_{n}", name=name) for n, name in enumerate(names)]
        samples = Scraped(*events).samples(openmetrics=openmetrics)["butlr_zone_occupancy"]
        assert {labels["zone_id"]: labels["zone_name"] for labels, _ in samples} == {
            f"zone_{n}": name for n, name in enumerate(names)
        }

    @given(name=st.text(max_size=30), v=st.floats(0, allow_infinity=False))
    def test_any_name_and_value(self, openmetrics: bool, name: str, v: float) -> None:
        """Prometheus reads any name and value as they were delivered."""
        samples = Scraped(delivery(v=v, name=name)).samples(openmetrics=openmetrics)
        assert samples["butlr_zone_occupancy"] == [(DESK | {"zone_name": name}, v)]

    def test_only_named_samples(self, openmetrics: bool) -> None:
        """A scrape with names has the samples of these names alone."""
        names = ["butlr_zone_occupancy", "butlr_exporter_events_total", "process_open_fds", "no_such_family"]
        samples = Scraped(delivery()).samples(openmetrics=openmetrics, names=names)
        assert set(samples) == set(names[:3])
        assert Scraped(delivery()).samples(openmetrics=openmetrics, names=["no_such_family"]) == {}

    def test_a_family_by_its_name(self, openmetrics: bool) -> None:
        """The name of a family selects all its samples, also those with a suffix."""
        for name, number in [("butlr_exporter_event_delay_seconds", 3), ("butlr_exporter_events", 1)]:
            assert len(Scraped().samples(openmetrics=openmetrics, names=[name])) == number


class TestRoomsAndFloors:
    """Rooms and floors have the families of zones, with the labels that each can have."""

    def test_labels(self) -> None:
        """A room has the names of its place and its own id, a floor those down to the floor."""
        room = delivery(v=3, measure=Measure.ROOM_OCCUPANCY, name="Birch")
        floor = delivery(v=25, measure=Measure.FLOOR_OCCUPANCY_1MIN, name="1st Floor")
        samples = Scraped(room, floor).samples()
        place = {"building_name": "", "floor_name": "1st Floor", "site_name": ""}
        assert samples["butlr_room_occupancy"] == [({**place, "room_id": "zone_a", "room_name": "Birch"}, 3)]
        assert samples["butlr_floor_occupancy_1min"] == [({**place, "floor_id": "zone_a"}, 25)]
        assert samples["butlr_floor_occupancy_1min_timestamp_seconds"] == [
            ({**place, "floor_id": "zone_a"}, NOW / 1000)
        ]
        names = room.metadata._asdict() | floor.metadata._asdict() | {"room_id": "zone_a", "room_name": "Birch"}
        ((info, one),) = samples["butlr_room_info"]
        assert one == 1
        assert info == {field: names[field] for field in FIELDS[Kind.ROOM]} | {"floor_id": ""}
        ((info, _),) = samples["butlr_floor_info"]
        assert list(info) == sorted(FIELDS[Kind.FLOOR])
        assert "butlr_zone_info" not in samples

    def test_a_chosen_label_that_a_kind_cannot_have(self) -> None:
        """A label of zones is no label of rooms."""
        events = [delivery(measure=Measure.ROOM_OCCUPANCY), delivery(measure=Measure.FLOOR_OCCUPANCY)]
        samples = Scraped(*events, labels=("zone_name", "room_name")).samples()
        assert samples["butlr_room_occupancy"] == [({"room_id": "zone_a", "room_name": "Desk 01"}, 1)]
        assert samples["butlr_floor_occupancy"] == [({"floor_id": "zone_a"}, 1)]

    def test_a_chosen_label_that_only_sensors_have(self) -> None:
        """A sensor may have its mac address and its id as chosen labels, which no other space has."""
        labels = load({"labels": "mac_address, sensor_id, floor_name"}, {}).labels
        counted = event(crossing(1, 2))
        seen = delivery(measure=Measure.DETECTIONS, zone="sensor_a")._replace(metadata=counted.metadata)
        samples = Scraped(counted, seen, delivery(), labels=labels).samples()
        own = {"mac_address": "00-17-0d-00-00-cc-bb-aa", "sensor_id": "sensor_a", "floor_name": "1st Floor"}
        assert samples["butlr_sensor_detections"] == [(own, 1)]
        assert samples["butlr_entryway_crossings_total"][0] == (own | {"direction": "in"}, 2)
        assert samples["butlr_zone_occupancy"] == [({"zone_id": "zone_a", "floor_name": "1st Floor"}, 1)]

    def test_states(self) -> None:
        """Spaces are counted by kind, and a space is fresh while any of its measures is."""
        events = [delivery(t, measure=measure, zone=str(t)) for measure in EACH_KIND for t in (NOW, NOW - HOUR)]
        assert Scraped(*events).samples()["butlr_exporter_spaces"] == [
            ({"kind": kind, "state": state}, int(kind != "sensor")) for kind in Kind for state in ("fresh", "stale")
        ]

    def test_capacity(self, tmp_path: Path) -> None:
        """A room or floor has a capacity by the rules for its kind."""
        file = tmp_path / "capacity.yml"
        file.write_text("capacity: [{kind: room, max: 8}, {kind: floor, max: 120}, {max: 4}]")
        capacity = CapacityFile(str(file), Clock())
        samples = Scraped(*[delivery(measure=measure) for measure in EACH_KIND], capacity=capacity).samples()
        found = {
            kind: [people for _, people in samples[f"butlr_{kind}_capacity"]] for kind in ("zone", "room", "floor")
        }
        assert found == {"zone": [4], "room": [8], "floor": [120]}


class TestOwnFamilies:
    """The exporter has metrics about itself."""

    def test_counters_start_at_0(self) -> None:
        """Every combination of labels that can occur starts at 0, so that the first refusal is an increase."""
        samples = Scraped().samples()
        events = {(labels["event_type"], labels["outcome"]): v for labels, v in samples["butlr_exporter_events_total"]}
        every = {outcome.value for outcome in Outcome}
        assert events == {
            **{
                (event_type, outcome): 0
                for event_type in EXPORTED
                for outcome in every
                - {"unsupported"}
                - {"TRAFFIC": {"repeated", "backfilled"}, "DETECTIONS": {"backfilled"}}.get(event_type, set())
            },
            **{
                (each, outcome): 0
                for each in ("SENSOR_HEALTH", "HIVE_HEALTH", "other")
                for outcome in ("invalid", "unsupported")
            },
        }
        assert samples["butlr_exporter_rejected_requests_total"] == [
            ({"reason": reason}, 0) for reason in ("unauthorized", "malformed", "too_large")
        ]
        assert samples["butlr_exporter_event_delay_seconds_count"] == [
            ({"event_type": event_type}, 0) for event_type in EXPORTED
        ]

    def test_events_are_counted_by_outcome(self) -> None:
        """Each event is counted once, and the last valid one sets the time of the last event."""
        scraped = Scraped()
        scraped.metrics.count([Result(OTHER, Outcome.INVALID, 0.0)], 5.0)
        assert "butlr_exporter_last_event_received_timestamp_seconds" not in scraped.samples()
        for n, (event_type, outcome) in enumerate((each, o) for each, outcomes in OUTCOMES.items() for o in outcomes):
            scraped.metrics.count([Result(event_type, outcome, 0.0)], float(n))
        samples = scraped.samples()
        assert sum(v for _, v in samples["butlr_exporter_events_total"]) == n + 2
        assert samples["butlr_exporter_last_event_received_timestamp_seconds"] == [({}, n)]

    def test_rejected_requests(self) -> None:
        """A rejected request is counted by its reason."""
        scraped = Scraped()
        scraped.metrics.count_rejection(Rejection.TOO_LARGE)
        assert ({"reason": "too_large"}, 1) in scraped.samples()["butlr_exporter_rejected_requests_total"]

    def test_corrections_that_come_too_late(self) -> None:
        """A correction of a reading that has settled is counted, and so is a number below 0 that is not rejected."""
        scraped = Scraped()
        outcomes = [(Outcome.CORRECTED, 360.0), (Outcome.CORRECTED, 359.0), (Outcome.REPEATED, 999.0)]
        scraped.metrics.count([Result(Measure.ROOM_OCCUPANCY, *each, was_negative=True) for each in outcomes], 5.0)
        scraped.metrics.count([Result(Measure.ROOM_OCCUPANCY, Outcome.FUTURE, 0.0, was_negative=True)], 5.0)
        samples = scraped.samples()
        label = {"event_type": "ROOM_OCCUPANCY"}
        assert (label, 1) in samples["butlr_exporter_settled_corrections_total"]
        assert (label, 3) in samples["butlr_exporter_negative_values_total"]

    def test_journal_failures(self) -> None:
        """Failed writes of the journal are counted."""
        scraped = Scraped()
        scraped.metrics.count_journal_failure()
        assert scraped.samples()["butlr_exporter_journal_failures_total"] == [({}, 1)]

    @pytest.mark.parametrize(("end", "samples"), [(None, []), (5.0, [({}, 5.0)])])
    def test_the_end_of_the_certificate(self, end: float | None, samples: list[object]) -> None:
        """The end of the certificate is a sample where there is a certificate."""
        scraped = Scraped(certificate_end=end)
        name = "butlr_exporter_tls_certificate_not_after_timestamp_seconds"
        assert scraped.samples().get(name, []) == samples

    def test_delay_of_applied_events(self) -> None:
        """The delays (s) of applied events are observed, a negative one as 0, so that the sum never falls."""
        scraped = Scraped()
        delays = [(Outcome.NEW, 2.0), (Outcome.CORRECTED, -3.0), (Outcome.LATE, 999.0)]
        scraped.metrics.count([Result(Measure.ZONE_OCCUPANCY, outcome, delay) for outcome, delay in delays], 5.0)
        samples = scraped.samples()
        label = {"event_type": "ZONE_OCCUPANCY"}
        assert (label, 2) in samples["butlr_exporter_event_delay_seconds_count"]
        assert (label, 2.0) in samples["butlr_exporter_event_delay_seconds_sum"]

    def test_process_and_build(self) -> None:
        """A scrape has the usual metrics of process, Python and build, and no `_created` series."""
        samples = Scraped().samples()
        assert not [name for name in samples if name.endswith("_created")]
        assert {"process_resident_memory_bytes", "python_info", "python_gc_collections_total"} <= set(samples)
        ((labels, one),) = samples["butlr_exporter_build_info"]
        assert set(labels) == {"version", "python_version"}
        assert one == 1

    def test_each_app_counts_for_itself(self) -> None:
        """Each app has a registry and counters of its own."""
        first, second = Scraped(), Scraped()
        first.metrics.count_rejection(Rejection.MALFORMED)
        assert ({"reason": "malformed"}, 0) in second.samples()["butlr_exporter_rejected_requests_total"]


class TestOrderDoesNotMatter:
    """The order of deliveries does not matter for a scrape."""

    @given(deliveries(), st.randoms(use_true_random=False))
    def test_same_exposition(self, events: list[ReadingEvent], rng: random.Random) -> None:
        """The same deliveries in any order make the same exposition, byte for byte, except for the order of zones."""
        shuffled = list(events)
        rng.shuffle(shuffled)
        names = [*OCCUPANCY.values(), *(f"{name}_timestamp_seconds" for name in OCCUPANCY.values()), "butlr_zone_info"]
        first, second = (
            sorted(b"".join(Scraped(*order).metrics.exposition(names=names)).splitlines())
            for order in (events, shuffled)
        )
        assert first == second
