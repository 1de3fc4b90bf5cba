"""What a run says of itself."""

from collections import Counter

import pytest

from exporter.simulate.load.report import MAX_ROWS, Totals, table


class TestTally:
    """Counts and latencies."""

    @pytest.mark.parametrize(("share", "seconds"), [(0.5, 0.05), (0.9, 0.09), (0.99, 0.099), (1.0, 0.1)])
    def test_latency(self, share: float, seconds: float) -> None:
        """To two per cent of the true rank."""
        tally = Totals()
        for n in range(1, 1001):
            tally.took(n / 10_000)
        assert tally.latency(share) == pytest.approx(seconds, rel=0.021)

    def test_a_summary(self) -> None:
        """Numbers with their thousands, shares, and units that fit."""
        tally = Totals(Counter(new=3, late=1), deliveries=4000, accepted=3999, refused=1, retries=2, lost=1500)
        for seconds in (0.0012, 0.0012, 2.5):
            tally.took(seconds)
        assert tally.summary(8.0) == [
            "4,000 deliveries answered in 8.0 s, 500 a second",
            "  new                     3   75.0%",
            "  late                    1   25.0%",
            "half of the answers within 1.2 ms, 90 % within 2.5 s, 99 % within 2.5 s",
            "2 retries, 1 refused, 1,500 lost on purpose",
        ]

    def test_nothing(self) -> None:
        """Is said as well."""
        assert Totals().summary(1.0) == [
            "0 deliveries answered in 1.0 s, 0 a second",
            "0 retries, 0 refused",
        ]


class TestTable:
    """Differences for a terminal."""

    def test_columns(self) -> None:
        """As wide as their widest cell."""
        assert table(("a", "bb"), [("ccc", "d"), ("e", "f")]) == ["a    bb", "ccc  d", "e    f"]

    def test_a_name_cannot_forge_a_row(self) -> None:
        """What is not printable is shown as Python would write it."""
        assert table(("a",), [("x\n\x1b[2J\udc80ü",)])[1] == "x\\n\\x1b[2J\\udc80ü"

    def test_a_long_one_is_cut(self) -> None:
        """And says by how much."""
        lines = table(("a",), [(str(n),) for n in range(MAX_ROWS + 3)])
        assert len(lines) == MAX_ROWS + 2
        assert lines[-1] == "and 3 more"
