"""Misspelt words bring the word that was probably meant."""

import pytest

from exporter.cli.flags import FLAGS
from exporter.spelling import NotAChoice, closest, did_you_mean, not_text

DOCUMENTED = sorted(flag for flag in FLAGS if "_" not in flag)


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("--webhook-api-keys-flie", "--webhook-api-keys-file"),
        ("--webhook-api-key-file", "--webhook-api-keys-file"),
        ("--webhook-apikeys-file", "--webhook-api-keys-file"),
        ("--webhook-api-key", "--webhook-api-keys"),
        ("--metric_password", "--metrics-password"),
        ("--tls-crt", "--tls-cert"),
        ("--Listen", "--listen"),
        ("\N{EM DASH}listen", "--listen"),
        ("--stale", "--stale-after"),
        ("--log", None),
        ("--retention", None),
        ("-j", None),
        ("", None),
    ],
)
def test_closest_name(word: str, meant: str | None) -> None:
    """The suggestion is the closest similar name, or the only one that begins so; there is none for other names."""
    assert closest(word, DOCUMENTED) == meant
    assert did_you_mean(word, DOCUMENTED) == (f"; did you mean {meant}?" if meant else "")


def test_a_rejected_text() -> None:
    """A mistake shows the rejected text, and the suggestion if it has one."""
    assert not_text(ValueError("must be 1"), "2") == "must be 1, not '2'"
    assert not_text(NotAChoice("must be red", "rde", ["red"]), "rde") == "must be red, not 'rde'"
    assert not_text(NotAChoice("must be green", "gren", ["green"]), "gren") == (
        "must be green, not 'gren'; did you mean green?"
    )
