"""Restarts, kills, outages and compactions change nothing: a store with a journal, beside one that runs on."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from exporter.events.measures import Kind
from exporter.events.model import Event
from exporter.journal import file as file_module
from exporter.journal import sqlite as journal_module
from exporter.journal.interface import JournalError
from exporter.journal.recorder import NotWritten, Recorder
from exporter.journal.sqlite import JournalGone, Row, SqliteFile
from exporter.rule.outcome import REFUSED
from exporter.rule.space import Forgotten
from exporter.rule.store import Store
from tests.support.crossings import Delivery, sensor
from tests.support.crossings import event as crossing_event
from tests.support.deliveries import HOUR, KEPT, MINUTE, NOW, G, delivery
from tests.support.journals import file_of, files, opened, states
from tests.support.stores import LIMITS, spaces


class Life:
    """A store with a journal, and one without that applies the same events."""

    def __init__(self, path: Path, chance: Random) -> None:
        """Begin with limits that are reached."""
        pairs = ((0, HOUR), (0, 2 * HOUR), (3, 100), (6, 8192))
        forget_after, motion_forget_after, max_spaces, max_deliveries = map(chance.choice, pairs)
        self.limits = replace(
            LIMITS,
            forget_after=forget_after,
            motion_forget_after=motion_forget_after,
            max_spaces=max_spaces,
            max_deliveries=max_deliveries,
            max_crossings=max_deliveries,
        )
        self.path, self.chance, self.now = path, chance, NOW
        self.failing: tuple[float, type[JournalError]] | None = None
        self.sent: list[Event] = []
        self.endless = Store(self.limits)
        self.is_under_way = False
        self.store: Store
        self.recorder: Recorder
        self.start()

    def start(self) -> None:
        """Restore the store from the journal."""
        self.store, self.recorder = opened(str(self.path), self.limits)
        self.is_under_way = True

    def event(self) -> Event:
        """Return an event that is new, or a repetition."""
        if self.sent and self.chance.random() < 0.3:
            return self.chance.choice(self.sent[-30:])
        if self.chance.random() < 0.3:
            return self.crossing()
        minute = self.now // MINUTE - self.chance.randint(-2, 16)
        computed = self.chance.choice([None, G + self.chance.randint(0, 99), self.now // 1000 + 300, G + 99_999])
        event = delivery(
            minute * MINUTE,
            self.chance.randint(0, 3),
            generation=computed,
            id=None if computed else f"event_{len(self.sent)}",
            zone=self.chance.choice("abcde"),
            name=self.chance.choice("xyz"),
            measure=self.chance.choice(KEPT),
        )
        self.sent.append(event)
        return event

    def crossing(self) -> Event:
        """Return a crossing, whose id may have come before with other numbers."""
        n, entered, left = (self.chance.randint(0, most) for most in (9, 3, 3))
        which, floor = self.chance.choice("abc"), self.chance.choice("xyz")
        event = crossing_event(Delivery(f"event_{n}", self.now - n * MINUTE, entered, left), sensor(which, floor))
        self.sent.append(event)
        return event

    def deliver(self, _: float = 0.0) -> None:
        """Apply some events together, to both stores."""
        events = [self.event() for _ in range(self.chance.choice([1, 1, 3]))]
        expected = [self.endless.apply(event, self.now) for event in events]
        try:
            outcomes = self.recorder.apply(events, self.now)
        except NotWritten as error:
            outcomes = error.outcomes
        assert [outcome in REFUSED for outcome in outcomes] == [outcome in REFUSED for outcome in expected]

    def forget(self) -> None:
        """Have a space forgotten, which may be unknown; a journal that cannot be written keeps it known."""
        kind, space_id = self.chance.choice([*((Kind.ZONE, each) for each in "abcde"), (Kind.SENSOR, "a")])
        space = Forgotten(kind, space_id)
        try:
            is_known = self.recorder.forget(space, self.now)
        except JournalError:
            return
        assert self.endless.forget(space, self.now) is is_known

    def deliver_meanwhile(self) -> None:
        """Apply some events while the file is written, but for its begin and its end."""
        if self.is_under_way:
            assert not self.recorder._lock.locked()
            self.forget() if self.chance.random() < 0.1 else self.deliver()

    def fail(self) -> None:
        """Refuse a write, at random."""
        if self.failing and self.chance.random() < self.failing[0]:
            raise self.failing[1]("no")

    def heal(self) -> None:
        """End all failures, as events that were refused need not survive the process."""
        self.failing = None
        self.recorder.maintain()
        assert not self.recorder.refuses

    def end(self) -> None:
        """Close or kill the process, and start again: both stores must know the same."""
        self.heal()
        self.is_under_way = False
        if self.chance.random() < 0.5:
            self.recorder.close()
        else:  # as it would be after SIGKILL
            left = {file: Path(file).read_bytes() for file in files(str(self.path))}
            file_of(self.recorder).close()
            for file, content in left.items():
                Path(file).write_bytes(content)
        self.start()
        for store in (self.endless, self.store):
            store.snapshot(self.now)
        assert states(self.store) == states(self.endless)
        assert spaces(self.store, self.now) == spaces(self.endless, self.now)


@pytest.mark.parametrize("seed", range(20))
def test_a_life(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that a store knows is the same after every restart, with the arrivals."""
    life = Life(tmp_path / "journal.db", Random(seed))
    write, append = SqliteFile._write, SqliteFile._append

    def refusing_rows(self: SqliteFile, sql: str, rows: Iterable[Row]) -> int:
        life.fail()
        life.deliver_meanwhile()
        written = write(self, sql, rows)
        life.deliver_meanwhile()
        return written

    def refusing_records(self: SqliteFile, record: bytes) -> None:
        life.fail()
        append(self, record)

    monkeypatch.setattr(SqliteFile, "_write", refusing_rows)
    monkeypatch.setattr(SqliteFile, "_append", refusing_records)
    monkeypatch.setattr(journal_module, "_FEW_BYTES", 0)
    monkeypatch.setattr(journal_module, "_REMOVED_TOGETHER", 3)
    monkeypatch.setattr(file_module, "_CHUNK", 2)
    monkeypatch.setattr(file_module, "sleep", life.deliver)
    ends = 0
    for _ in range(150):
        what = life.chance.random()
        if what < 0.05:
            life.forget()
        elif what < 0.75:
            life.deliver()
            life.now += life.chance.choice([0, 1000, MINUTE])
        elif what < 0.85:
            life.recorder.maintain()
        elif what < 0.9:
            life.failing = life.chance.choice([None, (1.0, JournalError), (0.3, JournalError), (0.3, JournalGone)])
        elif what < 0.93:
            life.now += life.chance.choice([30 * MINUTE, 2 * HOUR])
        else:
            life.end()
            ends += 1
    life.end()
    assert ends > 2
    life.is_under_way = False
    life.recorder.close()
