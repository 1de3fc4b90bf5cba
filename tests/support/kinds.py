"""One place of each kind, for tests of an exporter that runs."""

import json
import time

from tests.support.running import Running


def post_every_kind(exporter: Running) -> None:
    """Post a floor, a room with motion on it, a zone in the room, a sensor that sees somebody, and one at a door."""
    now = int(time.time() * 1000)
    place = {"site_name": "SF", "building_name": "HQ", "floor_id": "f1", "floor_name": "1st Floor"}
    room = place | {"room_id": "r1", "room_name": "Birch"}
    sensor = {"mac_address": "00-17-0d-00-00-cc-bb-aa", "sensor_model": "Heatic 2"}
    events: list[tuple[str, dict[str, str], object]] = [
        ("FLOOR_OCCUPANCY", place, 9),
        ("ROOM_OCCUPANCY", room, 4),
        ("PIR_MOTION", room, None),
        ("ZONE_OCCUPANCY", room | {"zone_id": "z1", "zone_name": "Pod"}, 2),
        ("DETECTIONS", room | sensor | {"sensor_id": "s1"}, {"local": [[0.5, 0.5]]}),
        ("TRAFFIC", room | sensor | {"sensor_id": "door"}, {"in": 3, "out": 1}),
    ]
    for event_type, metadata, data in events:
        event = {"id": f"event_{now}_{event_type}", "type": event_type, "timestamp": now, "metadata": metadata}
        exporter.post(json.dumps(event | {"data": data}).encode())
