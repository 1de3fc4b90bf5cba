"""Mistakes in a capacity file."""

import gc
from pathlib import Path

import pytest
import yaml

from exporter.capacity import document
from exporter.capacity.parse import CapacityError, parse, read
from exporter.settings.declared import SettingsError
from exporter.settings.load import load

MISTAKES: list[tuple[str, list[str]]] = [
    ("", ["line 1: must be a mapping with the one key capacity"]),
    ("- {max: 1}", ["line 1: must be a mapping with the one key capacity"]),
    ("# why\ncapacity:\n", ["line 2: must be a mapping with the one key capacity"]),
    ("capacity: {max: 1}", ["line 1: must be a mapping with the one key capacity"]),
    ("capacity: []\nrules: []", ["line 1: must be a mapping with the one key capacity"]),
    ("!!python/object/apply:os.abort []", ["line 1: must be a mapping with the one key capacity"]),
    ("capacity:\n  - {max: 1", ["line 2: expected ',' or '}'"]),
    ("capacity:\n\t- {max: 1}", ["line 2: found character '\\t'"]),
    ("capacity: []\n---\ncapacity: []", ["line 2: but found another document"]),
    ("capacity: [*x]", ["line 1: found undefined alias"]),
    ("capacity: []\0", ["line 1: unacceptable character #x0000"]),
    ("capacity: " + "[" * 500_000, ["the file is nested too deeply"]),
    ("capacity: [" + "{a: " * 100_000, ["the file is nested too deeply"]),
    ("capacity:\n" + "- " * 100_000, ["the file is nested too deeply"]),
    (f"capacity: [{{zone_name: {'x' * 1025}, max: 1}}]", ["line 1: zone_name has more than 1024 characters"]),
    ("capacity: [{kind: sensor, max: 1}]", ["line 1: kind must be one of zone, room, floor"]),
    ("capacity: [{kind: [zone], max: 1}]", ["line 1: kind must be one of zone, room, floor"]),
    ("capacity: [{kind: [room], zone_name: x, max: 1}]", ["line 1: kind must be one of zone, room, floor"]),
    (
        "capacity: [{zone_name: x, kind: room, max: 1}, {kind: floor, room_id: x, max: 1}]",
        ["line 1: a room has no zone_name; its fields are org_id, ", "line 1: a floor has no room_id; its fields are "],
    ),
    ("capacity: [{kind: room, room_nmae: x, max: 1}]", ["line 1: room_nmae is neither kind nor max nor one of org_id"]),
    ("capacity: [{kind: zone, kind: zone, max: 1}]", ["line 1: kind is there twice"]),
    ("capacity: [{kind: zone}]", ["line 1: a rule needs max"]),
    ("capacity: [{zone_name: null, max: 1}]", ["line 1: zone_name must be a text"]),
    (
        "capacity:\n  - 4\n  - {max: 4}\n  - {zone_nmae: x, max: 4}\n  - zone_name: x\n    room_name: y\n",
        [
            'line 2: a rule is a mapping such as {zone_name: "Desk *", max: 1}',
            "line 4: zone_nmae is neither kind nor max nor one of org_id, ",
            "line 5: a rule needs max, the number of people",
        ],
    ),
    (
        "capacity:\n  - zone_name: [x]\n    max: 0\n  - {max: 1, max: 2}\n  - {? [x] : 1, max: 1}\n",
        [
            "line 2: zone_name must be a text",
            "line 3: max must be a number of people above 0, or null for none",
            "line 4: max is there twice",
            "line 5: the key is neither kind nor max nor",
        ],
    ),
    *(
        (f"capacity: [{{max: {number}}}]", ["line 1: max must be a number of people above 0"])
        for number in (
            "-1",
            "0",
            "0.0",
            ".nan",
            ".inf",
            "1e999",
            "1.0e+999",
            "yes",
            "'4'",
            "[4]",
            "four",
            "2025-01-01",
            "!!int x",
        )
    ),
]


class TestMistakes:
    """Mistakes in a capacity file."""

    @pytest.mark.parametrize(
        ("name", "meant"), [("zone_nmae", "zone_name"), ("Zone-Name", "zone_name"), ("maxx", "max")]
    )
    def test_a_misspelt_field(self, name: str, meant: str) -> None:
        """A misspelt field brings the one that was probably meant, in the first mistakes of a file."""
        with pytest.raises(CapacityError) as caught:
            parse("capacity:\n" + f"  - {{{name}: 1}}\n" * 25)
        suggested = [mistake.endswith(f"; did you mean {meant}?") for mistake in caught.value.mistakes]
        assert suggested == [True] * 20 + [False] * 5

    @pytest.mark.parametrize(("text", "mistakes"), MISTAKES, ids=[text[:60] for text, _ in MISTAKES])
    def test_lines(self, text: str, mistakes: list[str]) -> None:
        """All mistakes are reported at once, each with its line."""
        with pytest.raises(CapacityError) as caught:
            parse(text)
        assert len(caught.value.mistakes) == len(mistakes)
        for mistake, expected in zip(caught.value.mistakes, mistakes, strict=True):
            assert mistake.startswith(expected)
            assert "\n" not in mistake

    def test_aliases(self) -> None:
        """An alias stands for its rule or text, and aliases of aliases do not multiply the work."""
        capacity = parse("capacity: [&r {zone_name: &n Desk, max: 1}, *r, {room_name: *n, max: 2}]")
        assert [rule.max for rule in capacity.rules] == [1, 1, 2]
        lists = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
        for text in (f"a0: &a0 [x]\n{lists}capacity: *a29\n", f"capacity:\n- &a0 [x]\n- {lists.replace(chr(10), ' ')}"):
            with pytest.raises(CapacityError):
                parse(text)

    def test_nodes_are_dropped(self) -> None:
        """Few nodes of YAML are alive at a time: many would make the garbage collector look through all objects."""

        def alive() -> int:
            return sum(isinstance(each, yaml.Node) for each in gc.get_objects())

        text = "capacity:\n" + "  - {zone_name: x, max: 1}\n" * 100
        before = alive()
        for parser in document.PARSERS:
            for number, _ in enumerate(document.rules(text, parser)):
                if number in (50, 99):
                    assert alive() < before + 20

    def test_a_mistake_in_a_large_file(self) -> None:
        """A mistake in the YAML of a large file has its line, without the slow parser that explains it better."""
        with pytest.raises(CapacityError) as caught:
            parse("capacity:\n" + "  - {zone_name: x, max: 1}\n" * 6000 + "  - {\n")
        (mistake,) = caught.value.mistakes
        assert mistake.startswith("line 6002: " if len(document.PARSERS) < 2 else "line 6003: did not find expected")

    def test_many_mistakes(self) -> None:
        """A hundred mistakes are listed, and the others are counted; a long text in the file is not repeated."""
        with pytest.raises(CapacityError) as caught:
            parse("capacity:\n" + "  - 4\n" * 1100)
        assert len(caught.value.mistakes) == 101
        assert caught.value.mistakes[-1] == "and 1000 more mistakes"
        for text in (f"capacity: [{{{'x' * 10_000}: y}}]", f"capacity: [*{'x' * 10_000}]"):
            with pytest.raises(CapacityError) as caught:
                parse(text)
            assert len(str(caught.value)) < 1000

    def test_rules_for_any_text(self) -> None:
        """More than a hundred rules with nothing but wildcards are rejected: each zone would be compared with all."""
        rules = [f"  - {{zone_name: '{'?' * n}', max: 1}}\n" for n in range(1, 102)]
        assert len(parse("capacity:\n" + "".join(rules[:100]) + "  - {max: 5}\n").rules) == 101
        with pytest.raises(CapacityError) as caught:
            parse("capacity:\n" + "".join(rules))
        assert caught.value.mistakes == [
            "line 102: more than 100 rules ask for no letter; add a part of a name to this one and those below"
        ]

    def test_files(self, tmp_path: Path) -> None:
        """A file that cannot be read is reported with the reason."""
        (tmp_path / "latin").write_bytes(b"capacity: [] # \xe4")
        (tmp_path / "large").write_bytes(b"#" * ((1 << 20) + 1))
        for path, reason in [
            (tmp_path / "latin", f"'{tmp_path / 'latin'}' is not UTF-8 text"),
            (tmp_path / "large", f"'{tmp_path / 'large'}' is larger than 1048576 characters"),
            (tmp_path, f"'{tmp_path}' cannot be read: Is a directory"),
            (tmp_path / "none", f"'{tmp_path / 'none'}' cannot be read: No such file or directory"),
            ("a\0b", "<path not shown> cannot be read: not a valid path"),
        ]:
            with pytest.raises(CapacityError) as caught:
                read(str(path))
            assert caught.value.mistakes == [reason]

    def test_before_the_port_opens(self, tmp_path: Path) -> None:
        """Mistakes in the file are reported with those in the settings."""
        file = tmp_path / "capacity.yml"
        file.write_text("capacity:\n  - {max: 0}\n  - {zone_name: x}\n")
        with pytest.raises(SettingsError) as caught:
            load({"capacity_file": str(file), "window": "0"}, {})
        assert caught.value.mistakes == [
            "--window must be longer than 0, not '0'",
            "capacity_file: line 2: max must be a number of people above 0, or null for none",
            "capacity_file: line 3: a rule needs max, the number of people",
        ]
