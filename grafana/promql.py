"""PromQL that several dashboards share: labels, selectors, counts of now, and places as people read them.

This module knows no panel. `final` has the counts of the past.
"""

PLACES = ("site", "building", "floor", "room", "zone")
"""The dashboard variables, from the largest place to the smallest."""


def chosen(*places: str) -> str:
    """Return label matchers that select what is chosen in the variables of these places."""
    return ",".join(f'{place}_name=~"${place}"' for place in places)


def names_of(kind: str) -> str:
    """Return the labels of a zone, room, floor or sensor, as a list for `by (...)`."""
    return ", ".join([*(f"{place}_name" for place in _around(kind)), f"{kind}_id"])


def _around(kind: str) -> tuple[str, ...]:
    """Return the places that a space of this kind is in, itself included, from the largest on."""
    return PLACES[: PLACES.index(kind) + 1] if kind in PLACES else PLACES[:4]


def placed(kind: str, expr: str, *labels: str) -> str:
    """Return a query with the label `place`, as in `Meeting Table, 1st Floor, HQ`, without what is unknown.

    The id stands for the name of a space without one; a sensor has no name, and its place is where it hangs. The series
    of `expr` have the labels of `names_of(kind)`, and keep them, and `labels`.
    """
    wider = [place for place in reversed(_around(kind)) if place != kind]
    text = expr
    for source in () if kind == "sensor" else (f"{kind}_id", f"{kind}_name"):
        text = f'label_replace({text}, "{kind}", "$1", "{source}", "(?s)(.+)")'
    for place in wider:
        text = f'label_replace({text}, "{place}", ", $1", "{place}_name", "(?s)(.+)")'
    parts = ", ".join(f'"{place}"' for place in (kind, *wider))
    text = f'label_join({text}, "place", "", {parts})'
    if kind in ("sensor", "floor"):  # without a name of its own, it begins with a comma
        text = f'label_replace({text}, "place", "$1", "place", "(?s), (.*)")'
    kept = ", ".join(["place", *labels, names_of(kind)])
    return f"max by ({kept}) ({text})"


def keyed(floors: str, *labels: str) -> str:
    """Return a query for floors by one label `key`, and others, for tables that merge rows by their labels.

    A floor without a building would otherwise have a label less than others, and its row would be in theirs.
    """
    key = f'label_join({floors}, "key", "/", "site_name", "building_name", "floor_name")'
    return f"max by ({', '.join(['key', *labels])}) ({key})"


ZONES = chosen(*PLACES)
"""Label matchers that select the zones chosen in the variables."""

ROOMS = chosen("site", "building", "floor", "room")
"""The same for rooms, and for sensors, which are in rooms."""

FLOORS = chosen("site", "building", "floor")
"""The same for floors."""

SELECTORS = {"zone": ZONES, "room": ROOMS, "floor": FLOORS, "sensor": ROOMS}
"""The label matchers for the spaces of each kind."""

NAMES = names_of("zone")
"""The labels of a zone, as a list for `by (...)`."""

FLOOR_NAMES = "site_name, building_name, floor_name"
"""The labels of a floor without its id, which a sum of zones has not."""

PEOPLE = {
    "zone": f"zone:butlr_zone_occupancy:people{{{ZONES}}}",
    "room": f"room:butlr_room_occupancy:people{{{ROOMS}}}",
    "floor": f"floor:butlr_floor_occupancy:people{{{FLOORS}}}",
}
"""The people in each chosen zone and, as Butlr counts them there, in each chosen room and on each chosen floor."""

PEOPLE_ON_FLOORS = f"floor:butlr_occupancy:sum{{{FLOORS}}}"
"""The people on each chosen floor: Butlr's own count, else the sum of its zones, else that of its rooms."""


def info(kind: str, *labels: str) -> str:
    """Return a query for each chosen space of a kind, with its names and other labels."""
    return f"max by ({', '.join([names_of(kind), *labels])}) (butlr_{kind}_info{{{SELECTORS[kind]}}})"


def capacity(kind: str) -> str:
    """Return a query for the number of people that each chosen space of a kind is meant for."""
    return f"max by ({names_of(kind)}) (butlr_{kind}_capacity{{{SELECTORS[kind]}}})"


def age(labels: str, timestamps: str) -> str:
    """Return a query for the age (s) of the newest of these timestamps, by these labels."""
    return f"clamp_min(time() - max by ({labels}) ({timestamps}), 0)"
