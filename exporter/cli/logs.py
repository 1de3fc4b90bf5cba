"""Log lines in logfmt or JSON, and a limit on repeated warnings. No value can break a line in two.

Every module logs as in `log.info("zone appeared", {"zone_id": ...})`: a fixed message and a mapping of fields.
"""

import json
import logging
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Any, TextIO

MAX_VALUE = 2000
"""Characters of one value, so that a few requests cannot fill a disk; every name is shorter."""

_BARE = re.compile(r"[^\s\"=\\]+")


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    fields: dict[str, Any] = {"ts": when, "level": record.levelname.lower(), "msg": record.getMessage().rstrip()}
    if isinstance(record.args, Mapping):
        fields |= {name: _shortened(value) for name, value in record.args.items()}
    if record.exc_info and record.exc_info[1]:
        fields["error"] = repr(record.exc_info[1])
        fields["trace"] = logging.Formatter().formatException(record.exc_info)
    return fields


def _shortened(value: object) -> object:
    return f"{value[:MAX_VALUE]}…" if isinstance(value, str) and len(value) > MAX_VALUE else value


class LogfmtFormatter(logging.Formatter):
    """`ts=2026-01-01T00:00:00.000Z level=info msg="zone appeared" zone_id=zone_1`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        return " ".join(f"{key}={_logfmt(value)}" for key, value in _fields(record).items())


class JsonFormatter(logging.Formatter):
    """The same fields as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        return json.dumps(_fields(record), default=str)


def _logfmt(value: object) -> str:
    """Return a value as logfmt writes it: bare, or quoted with every odd character escaped."""
    text = str(value)
    if text.isprintable():
        return text if _BARE.fullmatch(text) else json.dumps(text, ensure_ascii=False)
    # Unprintable characters could forge lines or control a terminal.
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in json.dumps(text, ensure_ascii=False))


class Throttle(logging.Filter):
    """Passes `limit` warnings of a kind in each `period` (s); the next warning reports the number suppressed.

    A kind is a message with its `status` or `outcome`: refusals of one kind must not hide those of another.
    """

    def __init__(self, limit: int, period: float, clock: Callable[[], float]) -> None:
        super().__init__()
        self._limit, self._period, self._clock = limit, period, clock
        self._budgets: dict[tuple[object, ...], _Budget] = {}
        self._lock = Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record passes; only warnings are limited."""
        if record.levelno != logging.WARNING:
            return True
        fields = _mapping(record.args)
        kind = _kind(record.msg, fields)
        with self._lock:
            now = self._clock()
            budget = self._budgets.get(kind)
            if budget is None:
                budget = self._budgets[kind] = _Budget(now)
            if not 0 <= now - budget.began < self._period:
                budget.began, budget.passed = now, 0
            if budget.passed >= self._limit:
                budget.suppressed += 1
                return False
            budget.passed += 1
            suppressed, budget.suppressed = budget.suppressed, 0
        if suppressed:
            record.args = {**fields, "suppressed": suppressed}
        return True

    def drops(self, message: object, fields: Mapping[str, Any]) -> bool:
        """Count a warning that `filter` would not let pass, and return whether it is one."""
        with self._lock:
            budget = self._budgets.get(_kind(message, fields))
            if budget is None or budget.passed < self._limit or not 0 <= self._clock() - budget.began < self._period:
                return False
            budget.suppressed += 1
            return True


def _kind(message: object, fields: Mapping[str, Any]) -> tuple[object, ...]:
    return message, fields.get("status"), fields.get("outcome")


def _mapping(args: object) -> Mapping[str, Any]:
    return args if isinstance(args, Mapping) else {}


class _Throttled(logging.Logger):
    """A logger that makes no record of a warning that is dropped: a record takes longer than all else about it."""

    def _log(self, level: int, msg: object, args: Any, *more: Any, **named: Any) -> None:
        if level == logging.WARNING:
            fields = _mapping(args[0] if args else None)
            if any(each.drops(msg, fields) for each in self.filters if isinstance(each, Throttle)):
                return
        super()._log(level, msg, args, *more, **named)


@dataclass(slots=True)
class _Budget:
    """The warnings of one kind since its period began."""

    began: float
    passed: int = 0
    suppressed: int = 0


FORMATTERS: dict[str, type[logging.Formatter]] = {"logfmt": LogfmtFormatter, "json": JsonFormatter}


def configure(level: str, log_format: str, throttled: Iterable[str] = (), stream: TextIO | None = None) -> None:
    """Write every log line of the process to `stream`, by default standard error, in one format.

    The loggers named in `throttled` pass 10 warnings of a kind a minute.
    """
    # No line names a thread, a process or a line of code, so no record looks them up (docs.python.org/3/howto/logging).
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(FORMATTERS[log_format]())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in throttled:
        logger = logging.getLogger(name)
        logger.__class__ = _Throttled
        logger.addFilter(Throttle(limit=10, period=60.0, clock=time.monotonic))
    # The exporter logs the server's start and stop itself, and requests that are not HTTP.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
