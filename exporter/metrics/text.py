"""The lines of an exposition, as prometheus_client writes them, but without an object for each sample.

It knows no family. Source: prometheus.io/docs/specs/om/open_metrics_spec.
"""

from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter

from prometheus_client.utils import floatToGoString

from exporter.events.measures import Kind
from exporter.events.model import METADATA, AnyMetadata

_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


def head(family: str, help_text: str, type_: str = "gauge") -> str:
    """Return the two comment lines of a family; the help text needs no escapes."""
    return f"# HELP {family} {help_text}\n# TYPE {family} {type_}\n"


def with_comments(comments: str, pieces: Iterator[bytes], *, with_samples_only: bool) -> Iterator[bytes]:
    """Return the samples of a family behind its comments; with `with_samples_only`, nothing where there is none."""
    first = next(pieces, b"")
    if first or not with_samples_only:
        yield comments.encode() + first
        yield from pieces


def number(value: float) -> str:
    """Return a value as text."""
    text: str = floatToGoString(value)
    return text


def labelled(names: Sequence[str], values: Sequence[str]) -> str:
    """Return the labels of a series, sorted by name, in braces."""
    pairs = sorted(zip(names, values, strict=True))
    return "{" + ",".join([f'{name}="{escaped(value)}"' for name, value in pairs]) + "}"


def escaped(value: str) -> str:
    """Return the value of a label as it stands between quotes."""
    if '"' in value or "\\" in value or "\n" in value:  # `translate` takes 30 times as long
        return value.translate(_ESCAPES)
    return value


def timestamp(timestamp_ms: int) -> str:
    """Return a timestamp of OpenMetrics: seconds since the epoch."""
    return repr(timestamp_ms / 1000)


def label_values(kind: Kind, labels: Sequence[str]) -> Callable[[AnyMetadata], tuple[str, ...]]:
    """Return a function from metadata of a kind of space to the values of these labels, each a metadata field."""
    positions = [METADATA[kind]._fields.index(label) for label in labels]
    if len(positions) > 1:
        return itemgetter(*positions)
    return lambda metadata: tuple([metadata[position] for position in positions])
