"""Numbers, ages, times and places as text for people; this module knows plain values only."""

from collections.abc import Iterable, Mapping

from exporter.events.model import Metadata
from exporter.events.times import utc as utc  # for the templates

NONE = "\N{EN DASH}"
"""The text for a missing value."""

STATES = {"fresh": "not silent", "stale": "silent", "crowded": "over capacity", "missing": "missing"}
"""The text for each state of a space, by its name in the API."""

MOTION = {1.0: "motion", 0.0: "no motion"}
"""The words for the values of motion."""

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def number(value: float) -> str:
    """Return a count with at most two decimals, and commas between thousands; one from 1e15 has an exponent."""
    return f"{round(value, 2 if value < 1000 else 0):,.15g}"


def text(value: float | str | None) -> str:
    """Return a value of the API as text: a word as it is, a number as people write it."""
    if value is None:
        return NONE
    return value if isinstance(value, str) else number(value)


def name(name: str, otherwise: str) -> str:
    """Return a name, or the other text if the name has no visible character."""
    return name if any(character.isprintable() and not character.isspace() for character in name) else otherwise


def age(seconds: float) -> str:
    """Return an age in the largest unit of which it has at least two; a negative age is `0 s`."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{int(seconds // length)} {unit}"
    return f"{max(0, int(seconds))} s"


def delay(seconds: float | None) -> str:
    """Return a delay (s), below 10 s with a fraction, but at least `0.1 s`."""
    if seconds is None:
        return NONE
    return f"{max(seconds, 0.1):.1f} s" if seconds < 10 else age(seconds)


def filled(value: float, capacity: float) -> float:
    """Return the filled length of a bar of length 100, which ends at the capacity."""
    return round(min(value / capacity, 1) * 100, 1)


def place(names: Iterable[str]) -> str:
    """Return a place from its names, those that are unknown left out: *Birch, 1st Floor, HQ*."""
    return ", ".join(filter(None, names))


def around(place: Metadata) -> tuple[str, str, str, str]:
    """Return the names of the room, floor, building and site of a device, the narrowest first."""
    return place.room_name, place.floor_name, place.building_name, place.site_name


def counted(value: float, word: str) -> str:
    """Return a number of things, such as *1 zone* or *3 zones*; of people, *1 person* or *3 people*."""
    if word == "person":
        return f"{number(value)} {'person' if value == 1 else 'people'}"
    return f"{number(value)} {word}{'' if value == 1 else 's'}"


def offline(offline: int, number: int, where: str = "") -> str:
    """Return how many of some sensors are offline; empty if none is."""
    if not offline:
        return ""
    if number == 1:
        return f"the sensor{where} is offline"
    if offline == number:
        return f"all {counted(number, 'sensor')}{where} offline"
    return f"{offline:,} of {counted(number, 'sensor')}{where} offline"


def sources(floors: Mapping[str, int]) -> str:
    """Return where the people of a building were counted, from the number of floors by the kind of the spaces there."""
    own, zones, rooms = (floors.get(kind, 0) for kind in ("floor", "zone", "room"))
    if not own:
        return "sum of rooms" if not zones else f"sum of zones{' or rooms' if rooms else ''}, which may overlap"
    others = f", sums on {number(zones + rooms)}" if zones + rooms else ""
    return f"Butlr's own count of {counted(own, 'floor')}{others}"


def clock(time: str, now: str) -> str:
    """Return a time of the API as people read it: the hour and minute, with the day if it is another one than now.

    The script of the page shows the same in the reader's own time zone.
    """
    if "T" not in time:  # beyond the calendar
        return time
    day = "" if time[:10] == now[:10] else f"{int(time[8:10])} {_MONTHS[int(time[5:7]) - 1]}, "
    return f"{day}{time[11:16]} UTC"
