"""The processor time of events without effect, beside that of accepted ones: a flood of them must cost no more."""

from collections.abc import Iterator

from bench.load import KEY, REFUSED, send
from bench.processes import Program, exporter
from bench.table import Row, microseconds, ratio_of


def rows(zones: int, minutes: int, rounds: int) -> Iterator[Row]:
    """Measure each reason for which an event has no effect, and accepted events, in turn.

    `zones` of a building send the events of some `minutes`, five for each minute.
    """
    costs: dict[str, list[float]] = {kind: [] for kind in ("accepted", *REFUSED)}
    with exporter(f"--log-level info --max-spaces {zones} --webhook-api-keys {KEY}") as running:
        for _ in range(rounds):
            for kind, measured in costs.items():
                measured.append(_cost_seconds(running, kind, zones, minutes))
    accepted = costs.pop("accepted")
    for kind, measured in costs.items():
        other = f"{microseconds(accepted)} an accepted event"
        yield Row(f"{kind}, processor time", microseconds(measured), other, ratio_of(accepted, measured), "<= 3")


def _cost_seconds(running: Program, kind: str, zones: int, minutes: int) -> float:
    before = running.processor_seconds()
    answered = send(running.port, kind, zones, minutes)
    return (running.processor_seconds() - before) / answered.requests
