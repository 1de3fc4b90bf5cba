"""Values of settings: parsing text undoes showing it."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.settings.advice import unencrypted
from exporter.settings.types import ADDRESS, URL, parse_duration, parse_size, show_duration, show_size


class TestUnits:
    """Durations, sizes and addresses are parsed and shown."""

    @given(st.integers(0, 10**12))
    def test_durations_round_trip(self, milliseconds: int) -> None:
        """A duration that is shown and parsed is the same to the millisecond."""
        duration = timedelta(milliseconds=milliseconds)
        assert parse_duration(show_duration(duration)) == duration

    def test_every_unit(self) -> None:
        """A duration may have every unit from years to milliseconds, in that order."""
        assert parse_duration("1y1w1d1h1m1s1ms") == timedelta(
            days=365 + 7 + 1, hours=1, minutes=1, seconds=1, milliseconds=1
        )
        assert show_duration(timedelta()) == "0s"
        assert show_duration(timedelta(hours=36, seconds=1)) == "36h1s"

    @given(st.integers(0, 10**12))
    def test_sizes_round_trip(self, size: int) -> None:
        """A size that is shown and parsed is the same to the byte."""
        assert parse_size(show_size(size)) == size

    def test_sizes(self) -> None:
        """A plain number is bytes, and a size is shown in the largest unit without a fraction."""
        assert parse_size("10") == parse_size("10B") == 10
        assert parse_size("2GiB") == 2 << 30
        assert show_size(1536) == "1536B"
        assert show_size(0) == "0B"

    def test_addresses(self) -> None:
        """An address may have an empty host or an IPv6 address in brackets."""
        for text in (":9728", "[::]:9728", "localhost:1", "0.0.0.0:0"):
            assert ADDRESS.show(ADDRESS.parse(text)) == text


class TestUrls:
    """Addresses of an API."""

    @pytest.mark.parametrize(
        "text",
        [
            "ftp://api.butlr.io",
            "https://",
            "https://a:0",
            "https://a:70000",
            "https://[::1",
            "https://user:hush@a",
            "https://a/?b",
            "https://a/#b",
            "https://a b",
            "https://ä.example",
            "https://a\\@b",
        ],
    )
    def test_mistakes(self, text: str) -> None:
        """A URL has a host, and neither credentials nor a query."""
        with pytest.raises(ValueError, match=r"must be a URL such as https://api[.]butlr[.]io, without username"):
            URL.parse(text)

    @pytest.mark.parametrize("url", ["https://api.butlr.io", "http://localhost:1", "http://127.0.0.2", "http://[::1]"])
    def test_a_secret_that_nobody_else_can_read(self, url: str) -> None:
        """An address with TLS, or on this machine, brings no warning."""
        assert unencrypted(URL.parse(url)) == []
