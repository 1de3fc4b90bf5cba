"""The texts that a run prints."""

from collections import Counter

import pytest

from exporter.simulate.load.report import MAX_ROWS, Totals, table


class TestTotals:
    """Counts and latencies."""

    @pytest.mark.parametrize(("share", "seconds"), [(0.5, 0.05), (0.9, 0.09), (0.99, 0.099), (1.0, 0.1)])
    def test_latency(self, share: float, seconds: float) -> None:
        """A latency differs from the true rank by at most two per cent."""
        totals = Totals()
        for n in range(1, 1001):
            totals.record_latency(n / 10_000)
        assert totals.latency_seconds(share) == pytest.approx(seconds, rel=0.021)

    def test_a_summary(self) -> None:
        """A summary has numbers with thousands separators, shares, and fitting units."""
        totals = Totals(Counter(new=3, late=1), answered=4000, accepted=3999, refused=1, retries=2, lost=1500)
        for seconds in (0.0012, 0.0012, 2.5):
            totals.record_latency(seconds)
        assert totals.summary(8.0) == [
            "4,000 deliveries answered in 8.0 s, 500 a second",
            "  new                     3   75.0%",
            "  late                    1   25.0%",
            "half of the answers within 1.2 ms, 90 % within 2.5 s, 99 % within 2.5 s",
            "2 retries, 1 refused, 1,500 lost on purpose",
        ]

    def test_nothing(self) -> None:
        """A run without deliveries has a summary too."""
        assert Totals().summary(1.0) == [
            "0 deliveries answered in 1.0 s, 0 a second",
            "0 retries, 0 refused",
        ]


class TestTable:
    """A table of differences for a terminal."""

    def test_columns(self) -> None:
        """Each column is as wide as its widest cell."""
        assert table(("a", "bb"), [("ccc", "d"), ("e", "f")]) == ["a    bb", "ccc  d", "e    f"]

    def test_a_name_cannot_forge_a_row(self) -> None:
        """Unprintable characters are escaped as Python would write them."""
        assert table(("a",), [("x\n\x1b[2J\udc80ü",)])[1] == "x\\n\\x1b[2J\\udc80ü"

    def test_a_long_one_is_cut(self) -> None:
        """A long table ends with the number of the rows that are left out."""
        lines = table(("a",), [(str(n),) for n in range(MAX_ROWS + 3)])
        assert len(lines) == MAX_ROWS + 2
        assert lines[-1] == "and 3 more"
