"""The last day of an entryway."""

from exporter.web.pages.day import HOUR, by_hour, draw
from tests.support.deliveries import MINUTE, NOW  # 08:00 UTC


def test_hours() -> None:
    """Each hour has its people, from the first to the present one, and the sums are those of the hours."""
    crossings = [(NOW - 3 * HOUR, 4, 0), (NOW - 3 * HOUR + MINUTE, 1, 2), (NOW - 1, 0, 3), (NOW, 1, 1)]
    day = by_hour(crossings, NOW + MINUTE)
    assert day == {
        "since": "2027-01-15T05:00:00Z",
        "in": 6,
        "out": 6,
        "hours": [
            {"hour": "2027-01-15T05:00:00Z", "in": 5, "out": 2},
            {"hour": "2027-01-15T06:00:00Z", "in": 0, "out": 0},
            {"hour": "2027-01-15T07:00:00Z", "in": 0, "out": 3},
            {"hour": "2027-01-15T08:00:00Z", "in": 1, "out": 1},
        ],
    }


def test_a_day_at_most() -> None:
    """Crossings before the last 24 hours are left out, and one that is ahead of the clock is in the present hour."""
    now = NOW + 30 * MINUTE
    day = by_hour([(now - 24 * HOUR - 1, 5, 5), (now - 24 * HOUR, 1, 0), (now + HOUR, 2, 0)], now)
    assert (day["since"], day["in"], day["out"]) == ("2027-01-14T08:30:00Z", 3, 0)
    assert len(day["hours"]) == 25
    assert [hour["in"] for hour in day["hours"] if hour["in"]] == [1, 2]
    assert by_hour([(NOW + MINUTE, 1, 0)], NOW)["hours"] == [{"hour": "2027-01-15T08:00:00Z", "in": 1, "out": 0}]


def test_drawing() -> None:
    """People in are above the middle and people out below it, each by their share of the most; 0 has no bar."""
    day = by_hour([(NOW - HOUR, 0, 1), (NOW, 4, 2)], NOW)
    drawn = draw(day["hours"])
    assert [(bar.direction, bar.y, bar.height) for bar in drawn.bars] == [
        ("out", 30, 7.5),
        ("in", 0, 30),
        ("out", 30, 15),
    ]
    assert all(bar.x + bar.width <= drawn.width for bar in drawn.bars)
    assert draw(by_hour([], NOW)["hours"]).bars == []
