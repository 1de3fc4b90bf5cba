"""Failures of Butlr's API are logged once each."""

import logging

import pytest

from exporter.butlr.errors import BadAnswer, Throttled, TimedOut, Unavailable
from exporter.cloud.outages import MAX_REASONS, Outages


def test_an_outage_with_changing_reasons(caplog: pytest.LogCaptureFixture) -> None:
    """Reasons that alternate, or differ in a number only, are one warning each until the work succeeds."""
    caplog.set_level(logging.INFO)
    outages = Outages()
    for seconds in range(10):
        outages.failed("poll", Throttled(f"Butlr answered 429: too many requests, wait {seconds} s"))
        outages.failed("poll", TimedOut("no answer within a minute"))
        outages.failed("read the assets", TimedOut("no answer within a minute"))
    outages.succeeded("poll")
    outages.succeeded("read the assets")
    outages.failed("poll", TimedOut("no answer within a minute"))
    assert [record.levelno for record in caplog.records] == [
        logging.WARNING,
        logging.WARNING,
        logging.INFO,
        logging.INFO,
        logging.WARNING,
    ]


def test_reasons_without_end(caplog: pytest.LogCaptureFixture) -> None:
    """An API that gives another reason each time does not fill the log."""
    outages = Outages()
    for letter in "abcdefghijklmnopqrstuvwxyz":
        outages.failed("poll", BadAnswer(f"request {letter} failed"))
        outages.failed("poll", Unavailable("later"))
    assert len(caplog.records) == MAX_REASONS
