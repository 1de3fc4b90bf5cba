"""The lines of an exposition, as prometheus_client writes them, but without an object for each sample.

A leaf: it knows no family. Source: prometheus.io/docs/specs/om/open_metrics_spec.
"""

from collections.abc import Sequence

from prometheus_client.utils import floatToGoString

_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


def head(family: str, help_text: str) -> str:
    """Return the lines with which a family of gauges begins; the help is plain words."""
    return f"# HELP {family} {help_text}\n# TYPE {family} gauge\n"


def number(value: float) -> str:
    """Return a value as it is written."""
    text: str = floatToGoString(value)
    return text


def labelled(names: Sequence[str], values: Sequence[str]) -> str:
    """Return the labels of a series, sorted by name, in braces."""
    pairs = sorted(zip(names, values, strict=True))
    return "{" + ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in pairs) + "}"


def timestamp(milliseconds: int) -> str:
    """Return a time as OpenMetrics has it: seconds since the epoch."""
    return repr(milliseconds / 1000)
