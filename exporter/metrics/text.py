"""The lines of an exposition, as prometheus_client writes them, but without an object for each sample.

It knows no family. Source: prometheus.io/docs/specs/om/open_metrics_spec.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from operator import attrgetter

from prometheus_client.utils import floatToGoString

from exporter.events.model import Metadata

_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


def head(family: str, help_text: str) -> str:
    """Return the two comment lines of a family of gauges; the help text needs no escapes."""
    return f"# HELP {family} {help_text}\n# TYPE {family} gauge\n"


def number(value: float) -> str:
    """Return a value as text."""
    text: str = floatToGoString(value)
    return text


def labelled(names: Sequence[str], values: Sequence[str]) -> str:
    """Return the labels of a series, sorted by name, in braces."""
    return "".join(labelled_parts(names, values, ()))


def labelled_parts(names: Sequence[str], values: Sequence[str], cuts: Sequence[int]) -> list[str]:
    """Return the same labels in parts; each of `cuts` is the position of the label that begins the next part."""
    pairs = sorted(zip(names, values, strict=True))
    texts = [f'{name}="{value.translate(_ESCAPES)}"' for name, value in pairs]
    text = "{" + ",".join(texts) + "}"
    ends = [1 + sum(len(text) + 1 for text in texts[:cut]) for cut in cuts]
    return [text[first:last] for first, last in pairwise([0, *ends, len(text)])]


def timestamp(timestamp_ms: int) -> str:
    """Return a timestamp of OpenMetrics: seconds since the epoch."""
    return repr(timestamp_ms / 1000)


def label_values(labels: Sequence[str]) -> Callable[[Metadata], tuple[str, ...]]:
    """Return a function from metadata to the values of these labels, each a metadata field."""
    if len(labels) > 1:
        return attrgetter(*labels)
    (label,) = labels
    return lambda metadata: (getattr(metadata, label),)
