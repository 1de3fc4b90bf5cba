"""The families of motion and of detections, parsed as Prometheus parses them."""

from exporter.events.measures import Measure
from exporter.events.model import SensorMetadata
from tests.support.deliveries import HOUR, MINUTE, NOW, SECOND, delivery
from tests.support.scraped import Scraped


class TestMotion:
    """Motion in a room is 1 or 0."""

    def test_families(self) -> None:
        """A room with motion has its value, the time of the last change and its names, and no count of people."""
        began = delivery(NOW - MINUTE, 1, measure=Measure.MOTION, name="Birch", id="a")
        samples = Scraped(began).samples()
        place = {"building_name": "", "floor_name": "1st Floor", "site_name": ""}
        birch = {**place, "room_id": "zone_a", "room_name": "Birch"}
        assert samples["butlr_room_motion"] == [(birch, 1)]
        assert samples["butlr_room_motion_timestamp_seconds"] == [(birch, NOW / 1000 - 60)]
        assert len(samples["butlr_room_info"]) == 1
        assert "butlr_room_occupancy" not in samples
        samples = Scraped(began, delivery(NOW, 0, measure=Measure.MOTION, name="Birch", id="b")).samples()
        assert samples["butlr_room_motion"] == [(birch, 0)]
        assert samples["butlr_room_motion_timestamp_seconds"] == [(birch, NOW / 1000)]

    def test_never_stale(self) -> None:
        """Motion of 14 days ago is exported, and its room counts as fresh, until the room is forgotten."""
        scraped = Scraped(delivery(measure=Measure.MOTION), delivery(measure=Measure.ROOM_OCCUPANCY))
        scraped.clock.now += 14 * 24 * HOUR
        samples = scraped.samples()
        assert len(samples["butlr_room_motion"]) == 1
        assert "butlr_room_occupancy" not in samples
        assert ({"kind": "room", "state": "fresh"}, 1) in samples["butlr_exporter_spaces"]
        scraped.clock.now += 1
        samples = scraped.samples()
        assert not [name for name in samples if name.startswith("butlr_room_")]
        assert ({"kind": "room", "state": "fresh"}, 0) in samples["butlr_exporter_spaces"]

    def test_rooms_with_and_without_motion(self) -> None:
        """A room with motion is fresh although its count of people is stale, and a room without motion is stale."""
        rooms = [delivery(measure=Measure.ROOM_OCCUPANCY, zone=room) for room in "abc"]
        scraped = Scraped(*rooms, delivery(measure=Measure.MOTION, zone="b"))
        assert ({"kind": "room", "state": "fresh"}, 3) in scraped.samples()["butlr_exporter_spaces"]
        scraped.clock.now += HOUR
        samples = scraped.samples()
        assert ({"kind": "room", "state": "fresh"}, 1) in samples["butlr_exporter_spaces"]
        assert ({"kind": "room", "state": "stale"}, 2) in samples["butlr_exporter_spaces"]
        assert [labels["room_id"] for labels, _ in samples["butlr_room_motion"]] == ["b"]


class TestDetections:
    """The people that a sensor sees."""

    def test_families(self) -> None:
        """A sensor has the people that it sees, their time, and its names, with mac address, mode, model and hive."""
        event = delivery(NOW - 500, 2, measure=Measure.DETECTIONS, name="Open Office")
        assert isinstance(event.metadata, SensorMetadata)
        metadata = event.metadata._replace(hive_id="h", mac_address="00-17", sensor_mode="presence", sensor_model="2+")
        samples = Scraped(event._replace(metadata=metadata)).samples()
        place = {"building_name": "", "floor_name": "1st Floor", "site_name": "", "room_name": "Open Office"}
        assert samples["butlr_sensor_detections"] == [({**place, "sensor_id": "zone_a"}, 2)]
        assert samples["butlr_sensor_detections_timestamp_seconds"] == [
            ({**place, "sensor_id": "zone_a"}, NOW / 1000 - 0.5)
        ]
        assert samples["butlr_sensor_info"] == [(metadata._asdict(), 1)]
        assert ({"kind": "sensor", "state": "fresh"}, 1) in samples["butlr_exporter_spaces"]
        assert "butlr_sensor_capacity" not in Scraped().families()

    def test_a_silent_sensor(self) -> None:
        """A sensor that is silent for 30 seconds shows no number, but still its time and its info."""
        scraped = Scraped(delivery(measure=Measure.DETECTIONS), delivery())
        scraped.clock.now += 30 * SECOND
        assert len(scraped.samples()["butlr_sensor_detections"]) == 1
        scraped.clock.now += 1
        samples = scraped.samples()
        assert "butlr_sensor_detections" not in samples
        assert len(samples["butlr_sensor_detections_timestamp_seconds"]) == len(samples["butlr_sensor_info"]) == 1
        assert ({"kind": "sensor", "state": "stale"}, 1) in samples["butlr_exporter_spaces"]
        assert ({"kind": "zone", "state": "fresh"}, 1) in samples["butlr_exporter_spaces"]

    def test_nobody(self) -> None:
        """A message without any point is 0 people, which is not the same as none."""
        assert [
            v for _, v in Scraped(delivery(v=0, measure=Measure.DETECTIONS)).samples()["butlr_sensor_detections"]
        ] == [0]
