"""The first rule that matches a zone, and the cost of finding it."""

import time
from collections.abc import Callable
from fnmatch import fnmatchcase
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.capacity import rules as rules_module
from exporter.capacity.parse import parse
from exporter.capacity.pattern import Pattern
from exporter.capacity.rules import Capacity, Rule
from exporter.events.measures import WITH_PEOPLE, Kind
from exporter.events.model import MAX_STRING, Metadata

DOCUMENTED = """
capacity:
  - {zone_id: zone_2oUJLGKGlqPjwnUCwXNXpX3HB28, max: 4}
  - {floor_name: "1st Floor", zone_name: "Desk *", max: 1}
  - {max: 20}
"""


class TestRules:
    """The first matching rule of a file."""

    @pytest.mark.parametrize(
        ("zone", "line"),
        [
            ({"zone_id": "zone_2oUJLGKGlqPjwnUCwXNXpX3HB28", "floor_name": "1st Floor", "zone_name": "Desk 1"}, 3),
            ({"floor_name": "1st Floor", "zone_name": "Desk 01"}, 4),
            ({"floor_name": "1st Floor", "zone_name": "Desk "}, 4),
            ({"floor_name": "1st Floor", "zone_name": "Desk \n1 "}, 4),
            ({"floor_name": "1st Floor", "zone_name": "desk 01"}, 5),
            ({"floor_name": "1st floor", "zone_name": "Desk 01"}, 5),
            ({"floor_name": "1st Floor", "zone_name": "A Desk 01"}, 5),
            ({"zone_name": "Desk 01"}, 5),
            ({}, 5),
        ],
    )
    def test_the_documented_file(self, zone: dict[str, str], line: int) -> None:
        """A pattern matches a whole name, and upper and lower case differ."""
        capacity = parse(DOCUMENTED)
        for _ in range(2):  # the second time it is remembered
            rule = capacity.rule(Metadata(**zone))
            assert rule is not None
            assert (rule.line, capacity.of(Metadata(**zone))) == (line, {3: 4, 4: 1, 5: 20}[line])

    def test_old_names(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Renamed zones do not fill the memory."""
        monkeypatch.setattr(rules_module, "_MAX_CACHED_CHARACTERS", 1000)
        capacity = parse("capacity: [{zone_name: x, max: 1}, {max: 5}]")
        for n in range(100):
            assert capacity.of(Metadata(zone_name=f"{n}".rjust(100))) == 5
        assert len(capacity._kinds[Kind.ZONE]._cache) <= 10

    @pytest.mark.parametrize(
        ("pattern", "name", "matches"),
        [
            ("Desk ?", "Desk 1", True),
            ("Desk ?", "Desk 10", False),
            ("Desk [12]", "Desk 2", True),
            ("Desk [!12]", "Desk 2", False),
            ("Desk [[]1]", "Desk [1]", True),
            ("01", "01", True),
            ("1e3", "1000.0", False),
            ("''", "", True),
            ("'*'", "", True),
            ("a.c", "abc", False),
            ("'*a*bc'", "abc", True),
            ("'a*a'", "a", False),
            ("'*ab*bc*'", "abc", False),
            ("'[]]*'", "]x", True),
            ("'[!]]'", "]", False),
            ("'[]'", "[]", True),
            ("'[ab'", "[ab", True),
            ("'[!-*?]'", "+", True),
            ("'?*?'", "a", False),
            ("'*?*?'", "ab", True),
            ("'null'", "null", True),
        ],
    )
    def test_wildcards(self, pattern: str, name: str, matches: bool) -> None:
        """Wildcards work as in a shell, and a text that looks like a number stays a text."""
        capacity = parse(f"capacity:\n  - zone_name: {pattern}\n    max: 1")
        assert (capacity.of(Metadata(zone_name=name)) == 1) is matches

    def test_no_capacity(self) -> None:
        """`max: null` gives no capacity and stops the search, and so does the end of the rules."""
        capacity = parse("capacity:\n  - {zone_name: Hall, max: null}\n  - {zone_name: '*a*', max: 2.5}")
        assert capacity.of(Metadata(zone_name="Hall")) is None
        assert capacity.of(Metadata(zone_name="Bar")) == 2.5
        assert capacity.of(Metadata(zone_name="Desk")) is None
        assert parse("capacity: []").of(Metadata()) is None

    def test_the_kind_may_be_given(self) -> None:
        """A rule with `kind: zone` is the same as one without."""
        for rule in ("{kind: zone, zone_name: Hall, max: 3}", "{max: 3, kind: 'zone'}"):
            assert parse(f"capacity: [{rule}]").of(Metadata(zone_name="Hall")) == 3

    @pytest.mark.parametrize("rule", ["Caf\u00e9", "Cafe\u0301", "Caf?", "[C]af\u00e9", "C*e\u0301", "*\u00e9"])
    @pytest.mark.parametrize("name", ["Caf\u00e9", "Cafe\u0301"])
    def test_letters_with_accents(self, rule: str, name: str) -> None:
        """An accent may be a part of its letter or a character of its own, in a rule and in a name."""
        capacity = parse(f"capacity: [{{zone_name: '{rule}', max: 1}}]")
        assert capacity.of(Metadata(zone_name=name)) == 1
        assert capacity.of(Metadata(zone_name="Cafe")) == (1 if rule == "Caf?" else None)


PATTERNS = st.text("aab*?[]!\u00e9e\u0301", max_size=6)


@given(
    st.lists(st.tuples(st.none() | PATTERNS, st.none() | PATTERNS), max_size=6),
    st.lists(st.tuples(st.text("aab[]\u00e9e\u0301", max_size=5), st.sampled_from(["", "a", "ab"])), min_size=1),
)
def test_the_index_finds_what_trying_every_rule_finds(
    patterns: list[tuple[str | None, str | None]], names: list[tuple[str, str]]
) -> None:
    """The rule of a zone is the first one whose patterns match, as if each were tried in turn."""
    fields = ("zone_name", "floor_name")
    texts = [{f: text for f, text in zip(fields, pair, strict=True) if text is not None} for pair in patterns]
    capacity = Capacity(
        [Rule(line, Kind.ZONE, {f: Pattern(text) for f, text in each.items()}, 1) for line, each in enumerate(texts)]
    )
    for zone in names:
        composed = {field: normalize("NFC", name) for field, name in zip(fields, zone, strict=True)}
        expected = next(
            (
                line
                for line, each in enumerate(texts)
                if all(fnmatchcase(composed[field], normalize("NFC", text)) for field, text in each.items())
            ),
            None,
        )
        rule = capacity.rule(Metadata(**dict(zip(fields, zone, strict=True))))
        assert (None if rule is None else rule.line) == expected


SHAPES: dict[str, Callable[[int], str]] = {
    "ids": lambda n: f"zone_id: zone_{n:027}",
    "names of floors": lambda n: f'floor_name: "Floor {n % 40}", room_name: "Room {n % 900}", zone_name: "Desk {n}"',
    "beginnings": lambda n: f'zone_name: "Desk {n} *"',
    "ends": lambda n: f'zone_name: "* no {n:05}"',
    "parts": lambda n: f'floor_name: "*{n % 40}", zone_name: "?*Desk {n} [!x]*"',
}


def zone(n: int) -> Metadata:
    """Return the names of one of many zones."""
    return Metadata(
        floor_name=f"Floor {n % 40}",
        room_name=f"Room {n % 900}",
        zone_id=f"zone_{n:027}",
        zone_name=f"Desk {n}",
    )


def written(shape: str, number: int) -> str:
    """Return a capacity file with a rule for each zone, and one for the others."""
    rules = [f"  - {{{SHAPES[shape](n)}, max: {n + 1}}}\n" for n in range(number)]
    return f"capacity:\n{''.join(rules)}  - {{max: 99999}}\n"


class TestCost:
    """The time that rules cost grows with the zones, and not with the zones times the rules."""

    @pytest.mark.parametrize("shape", SHAPES)
    def test_a_zone_is_compared_with_few_rules(self, shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """With a rule for each of many zones, each zone is compared with a few of them."""
        compared = 0
        matches = Pattern.matches

        def counted(pattern: Pattern, name: str) -> bool:
            nonlocal compared
            compared += 1
            return matches(pattern, name)

        capacity = parse(written(shape, 1000))
        monkeypatch.setattr(Pattern, "matches", counted)
        for n in range(1000):
            names = zone(n)._asdict()
            if shape in ("beginnings", "ends", "parts"):
                names["zone_name"] = f"A Desk {n} no {n:05}" if shape != "beginnings" else f"Desk {n} no {n:05}"
            assert capacity.of(Metadata(**names)) == n + 1
        assert capacity.of(Metadata(zone_name="Lobby")) == 99999
        assert compared < 30 * 1000

    def test_ten_thousand_rules_for_ten_thousand_zones(self) -> None:
        """Ten thousand rules are read and matched with as many zones in a second or two."""
        text = written("ids", 10_000)
        began = time.process_time()
        capacity = parse(text)
        capacity.prepare({Kind.ZONE: [zone(n) for n in range(10_000)]})
        assert time.process_time() - began < 10
        assert capacity.of(zone(9_999)) == 10_000

    def test_rules_that_cannot_win_cost_nothing(self) -> None:
        """A rule with the conditions of an earlier one, or behind one without conditions, is never compared."""
        rules = ", ".join(f"{{zone_name: '{text}', max: 1}}" for text in ("?*?*?*", "*???", "???*", "??*?") * 500)
        capacity = parse(f"capacity: [{rules}, {{zone_name: '*', floor_name: '**', max: 2}}, {{max: 3}}]")
        assert len(capacity._kinds[Kind.ZONE]._filed) == 2
        assert capacity.of(Metadata(zone_name="x" * MAX_STRING)) == 1
        assert capacity.of(Metadata(zone_name="xx")) == 2

    @pytest.mark.parametrize(
        "pattern", ["*a" * 500, "?*" * 511, "*" * 1000, "[a]*" * 250, "*" + "a" * 500 + "*b", "*" + "a?" * 200 + "*b"]
    )
    def test_no_pattern_takes_long_for_a_long_name(self, pattern: str) -> None:
        """However many wildcards a pattern has, it is compared with a name of the longest kind in milliseconds."""
        capacity = parse(f"capacity: [{{zone_name: '{pattern}', max: 1}}, {{zone_name: '{pattern}b', max: 2}}]")
        began = time.process_time()
        for n in range(10):
            capacity.of(Metadata(zone_name="a" * (MAX_STRING - 10) + f"{n}"))
        assert time.process_time() - began < 5


def test_rules_of_each_kind() -> None:
    """A rule is for zones unless it says another kind; the first rule for the kind of a space that matches wins."""
    capacity = parse(
        "capacity:\n"
        "  - {room_name: Birch, max: 1}\n"
        "  - {kind: room, room_name: B*, max: 8}\n"
        "  - {kind: floor, floor_name: 1st, max: 120}\n"
        "  - {room_name: Oak, kind: room, max: 9}\n"
        "  - {kind: room, max: null}\n"
        "  - {kind: zone, max: 20}\n"
    )
    birch, oak = Metadata(room_id="r", room_name="Birch", floor_name="1st"), Metadata(room_name="Oak")
    assert [capacity.of(birch, kind) for kind in WITH_PEOPLE] == [1, 8, 120]
    assert [capacity.of(oak, kind) for kind in WITH_PEOPLE] == [20, 9, None]
    assert capacity.rule(oak, Kind.FLOOR) is None
    ash = capacity.rule(Metadata(room_name="Ash"), Kind.ROOM)
    assert ash is not None
    assert (ash.line, ash.max) == (6, None)
