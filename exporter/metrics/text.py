"""The lines of an exposition, as prometheus_client writes them, but without an object for each sample.

A leaf: it knows no family. Source: prometheus.io/docs/specs/om/open_metrics_spec.
"""

from collections.abc import Sequence
from itertools import pairwise

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
    return "".join(labelled_parts(names, values, ()))


def labelled_parts(names: Sequence[str], values: Sequence[str], cuts: Sequence[int]) -> list[str]:
    """Return the same in parts, which begin with the labels of these numbers, counted in their order."""
    pairs = sorted(zip(names, values, strict=True))
    texts = [f'{name}="{value.translate(_ESCAPES)}"' for name, value in pairs]
    text = "{" + ",".join(texts) + "}"
    ends = [1 + sum(len(text) + 1 for text in texts[:cut]) for cut in cuts]
    return [text[first:last] for first, last in pairwise([0, *ends, len(text)])]


def timestamp(milliseconds: int) -> str:
    """Return a time as OpenMetrics has it: seconds since the epoch."""
    return repr(milliseconds / 1000)
