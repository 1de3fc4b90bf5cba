"""Log lines: each record is one line, with any values."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.cli import logs
from exporter.cli.logs import JsonFormatter, LogfmtFormatter, Throttle


def record(message: str, *args: object, level: int = logging.INFO, error: Exception | None = None) -> logging.LogRecord:
    """Return a record as a logger would make it, at a fixed time."""
    exc_info = (type(error), error, error.__traceback__) if error else None
    made = logging.LogRecord("exporter", level, __file__, 1, message, args, exc_info)
    made.created = 1_800_000_000.25
    return made


@pytest.fixture
def _root() -> Iterator[None]:
    """Restore the root logger after the test."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)


class TestFormats:
    """logfmt and JSON, which hold the same fields."""

    def test_logfmt(self) -> None:
        """A logfmt value is quoted only if it needs to be."""
        line = LogfmtFormatter().format(
            record("zone appeared", {"zone_id": "z_1", "name": 'a "b"', "n": 2, "none": ""})
        )
        assert line == (
            'ts=2027-01-15T08:00:00.250Z level=info msg="zone appeared" zone_id=z_1 name="a \\"b\\"" n=2 none=""'
        )

    def test_json(self) -> None:
        """JSON keeps the types of values."""
        line = JsonFormatter().format(record("zone appeared", {"n": 2, "name": "a\nb"}))
        assert json.loads(line) == {
            "ts": "2027-01-15T08:00:00.250Z",
            "level": "info",
            "msg": "zone appeared",
            "n": 2,
            "name": "a\nb",
        }

    def test_a_value_cannot_forge_a_line_or_drive_a_terminal(self) -> None:
        """Line ends, escapes and direction overrides are escaped; other languages stay readable."""
        line = LogfmtFormatter().format(record("m", {"name": 'x\nlevel=error\r\x1b[31m\x85\u2028\u202e"'}))
        assert line.isprintable()
        assert line.endswith('name="x\\nlevel=error\\r\\u001b[31m\\u0085\\u2028\\u202e\\""')
        assert LogfmtFormatter().format(record("m", {"name": "会議室"})).endswith("name=会議室")

    @given(st.text())
    def test_any_text_is_one_printable_line(self, text: str) -> None:
        """Any text makes one printable line, from which it can be read back."""
        line = LogfmtFormatter().format(record("m", {"v": text}))
        assert line.isprintable()
        value = line.partition(" v=")[2]
        assert (json.loads(value) if value.startswith('"') else value) == text

    def test_an_exception_is_one_line_too(self) -> None:
        """An exception with its trace is a field of the line."""
        line = LogfmtFormatter().format(record("internal error", error=ValueError("no")))
        assert "\n" not in line
        assert "error=ValueError('no') trace=" in line

    def test_other_libraries_lines(self) -> None:
        """A message with positional arguments, as other libraries have them, is formatted."""
        assert LogfmtFormatter().format(record("took %d", 5)).endswith('msg="took 5"')


class TestLength:
    """The length of a value is limited."""

    @pytest.mark.parametrize("formatter", [LogfmtFormatter(), JsonFormatter()])
    def test_a_long_value(self, formatter: logging.Formatter) -> None:
        """A long value is truncated, and an ellipsis shows it."""
        line = formatter.format(record("w", {"a": "x" * 2000, "b": "y" * 2001}))
        assert "x" * 2000 in line
        assert "y" * 2000 in line
        assert "y" * 2001 not in line
        assert "…" in line or "\\u2026" in line


class TestThrottle:
    """A flood of warnings becomes a few lines and a number."""

    def test_limit_and_what_was_left_out(self) -> None:
        """After the limit, warnings are dropped until the next period, whose first one says how many."""
        now = [100.0]
        throttle = Throttle(limit=2, period=60, clock=lambda: now[0])
        warnings = [record("w", {"n": n}, level=logging.WARNING) for n in range(5)]
        assert [throttle.filter(w) for w in warnings] == [True, True, False, False, False]
        assert throttle.filter(record("i"))
        assert throttle.filter(record("e", level=logging.ERROR))
        now[0] += 60
        again = record("w", {"n": 9}, level=logging.WARNING)
        assert throttle.filter(again)
        assert again.args == {"n": 9, "suppressed": 3}
        plain = record("w", level=logging.WARNING)
        assert throttle.filter(plain)
        assert plain.args == ()

    def test_kinds(self) -> None:
        """Each status and outcome has a limit of its own, so that noise hides no important warning."""
        throttle = Throttle(limit=2, period=60, clock=lambda: 100.0)
        passed = [
            throttle.filter(record("w", {key: value, "path": str(n)}, level=logging.WARNING))
            for key, value in [("status", 404), ("status", 401), ("outcome", "future"), ("outcome", "invalid")]
            for n in range(3)
        ]
        assert passed == [True, True, False] * 4

    def test_a_line_without_fields(self) -> None:
        """A warning without fields gets the number of dropped ones too."""
        now = [0.0]
        throttle = Throttle(limit=1, period=60, clock=lambda: now[0])
        assert [throttle.filter(record("w", level=logging.WARNING)) for _ in range(2)] == [True, False]
        now[0] = 61.0
        last = record("w", level=logging.WARNING)
        assert throttle.filter(last)
        assert last.args == {"suppressed": 1}

    def test_dropped_before_a_record_is_made(self) -> None:
        """A warning that would not pass is counted, and one that would is left to the filter."""
        now = [0.0]
        throttle = Throttle(limit=1, period=60, clock=lambda: now[0])
        assert not throttle.drops("w", {"status": 400})
        assert throttle.filter(record("w", {"status": 400}, level=logging.WARNING))
        assert [throttle.drops("w", {"status": status}) for status in (400, 401, 400)] == [True, False, True]
        now[0] = 60.0
        assert not throttle.drops("w", {"status": 400})
        last = record("w", {"status": 400}, level=logging.WARNING)
        assert throttle.filter(last)
        assert last.args == {"status": 400, "suppressed": 2}


@pytest.mark.usefixtures("_root")
class TestConfigure:
    """The logging of the whole process."""

    def test_level_format_and_throttle(self) -> None:
        """Lines below the level are dropped, and a throttled logger writes ten warnings."""
        stream = io.StringIO()
        logs.configure("info", "json", throttled=["exporter.test_throttled"], stream=stream)
        log = logging.getLogger("exporter.test_throttled")
        log.debug("no")
        for n in range(15):
            log.warning("w", {"n": n})
        logging.getLogger("uvicorn.error").info("no")
        lines = [json.loads(line) for line in stream.getvalue().splitlines()]
        assert [line["n"] for line in lines] == list(range(10))
