"""The bytes of a journal: numbers, order of fields and version are pinned."""

from exporter.rule.outcome import NUMBERS, Outcome


def test_outcomes_have_fixed_numbers() -> None:
    """An outcome keeps its number, and a new one gets another, as saved readings hold the numbers."""
    assert {number: outcome.value for outcome, number in NUMBERS.items()} == {
        0: "invalid",
        1: "unsupported",
        2: "future",
        3: "overflow",
        4: "late",
        5: "duplicate",
        6: "superseded",
        7: "repeated",
        8: "corrected",
        9: "new",
        10: "backfilled",
    }
    assert NUMBERS.keys() == set(Outcome)
