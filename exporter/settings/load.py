"""Settings from flags and environment variables."""

from collections.abc import Iterator, Mapping
from typing import Any

from exporter import capacity
from exporter.capacity import CapacityError
from exporter.files import FileError, read_text, shown_path
from exporter.settings.advice import _credentials_misspelt, nearest
from exporter.settings.certificate import Certificate, TlsError
from exporter.settings.declared import SETTINGS, Setting, Settings, SettingsError
from exporter.settings.types import (
    Address,
)

TOGETHER = (
    ("webhook_username", "webhook_password"),
    ("metrics_username", "metrics_password"),
    ("tls_cert", "tls_key"),
)
"""Settings of which one without the other is a mistake."""


def load(flags: Mapping[str, str | None], environ: Mapping[str, str]) -> Settings:
    """Work out the settings from flags (by setting name) and environment variables.

    An empty variable is taken as not set, but for a secret. Raises SettingsError with every mistake.
    """
    values: dict[str, Any] = {}
    mistakes: dict[str, str] = {}
    for setting in SETTINGS:
        try:
            source, text = _given(setting, flags, environ)
        except ValueError as error:
            mistakes[setting.name] = str(error)
            continue
        if text is None:
            continue
        try:
            values[setting.name] = setting.kind.parse(text)
        except ValueError as error:
            mistakes[setting.name] = f"{source} {error}" + (f", not {text!r}" if setting.kind.echoes else "")
    for pair in TOGETHER:
        missing = [name for name in pair if values.get(name) is None]
        if len(missing) == 1 and not set(pair) & mistakes.keys():
            (given,) = set(pair) - set(missing)
            mistakes[given] = f"{given} is set and {missing[0]} is not; they go together"
    listen: Address = values.get("listen", Settings.listen)
    if listen.port and values.get("metrics_listen") == listen:
        mistakes["metrics_listen"] = "metrics_listen and listen are the same address"
    mistakes |= {name: f"{name} is not a setting{nearest(name)}" for name in _credentials_misspelt(environ)}
    if values.get("tls_cert") and values.get("tls_key"):
        try:
            Certificate(values["tls_cert"], values["tls_key"])
        except TlsError as error:
            mistakes["tls_cert"] = str(error)
    if values.get("capacity_file"):
        try:
            capacity.read(values["capacity_file"])
        except CapacityError as error:
            mistakes |= {f"capacity_file {n}": f"capacity_file: {m}" for n, m in enumerate(error.mistakes)}
    if mistakes:
        raise SettingsError(list(mistakes.values()))
    return Settings(**values)


def _given(setting: Setting, flags: Mapping[str, str | None], environ: Mapping[str, str]) -> tuple[str, str | None]:
    """Return where a setting comes from, and its text if it is given. Raises ValueError."""
    for source, text, file_source, path in _places(setting, flags, environ):
        if text is not None and path is not None:
            raise ValueError(f"{source} and {file_source} are both set; one is enough")
        if setting.kind.secret and path is None and environ.get(source) == "":
            raise ValueError(f"{source} is empty; leave it out if there is to be none")
        if path is not None:
            return file_source, _read(file_source, path)
        if text is not None:
            return source, text if setting.kind.secret else text.strip()
    return "", None


def _places(
    setting: Setting, flags: Mapping[str, str | None], environ: Mapping[str, str]
) -> Iterator[tuple[str, str | None, str, str | None]]:
    """Give each place a setting may come from, the stronger first: name and text, and those of the file."""
    file = setting.file
    yield (
        setting.flag,
        flags.get(setting.name),
        file.flag if file else "",
        flags.get(file.name) if file else None,
    )
    yield (
        setting.variable,
        environ.get(setting.variable) or None,
        file.variable if file else "",
        (environ.get(file.variable) or None) if file else None,
    )


def _read(source: str, path: str) -> str:
    if not path:
        raise ValueError(f"{source} must not be empty")
    try:
        text = read_text(path).rstrip("\r\n")
    except FileError as error:
        raise ValueError(f"{source} names {shown_path(path)}, which {error}") from None
    if text.strip().lower() == "none":
        raise ValueError(f"{source} names {shown_path(path)}, which holds no secret but the word none")
    return text
