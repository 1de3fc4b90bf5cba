"""Settings from flags and environment variables."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from exporter.capacity.parse import CapacityError, read
from exporter.files import FileError, read_text, shown_path
from exporter.settings.advice import QUOTES_COUNT, misspelt_credentials, suggestion
from exporter.settings.certificate import Certificate, TlsError, check_file
from exporter.settings.declared import SETTINGS, Setting, Settings, SettingsError
from exporter.settings.types import Address, is_quoted
from exporter.spelling import not_text

PAIRS = (
    ("webhook_username", "webhook_password"),
    ("metrics_username", "metrics_password"),
    ("tls_cert", "tls_key"),
    ("butlr_client_id", "butlr_client_secret"),
)
"""Settings that need each other."""

_TLS_FILES = ("tls_cert", "tls_key")


class Input(NamedTuple):
    """The text of a setting, and the flag or variable that it comes from."""

    source: str
    text: str


class Source(NamedTuple):
    """A flag or an environment variable of a setting, with its twin that names a file."""

    name: str
    text: str | None
    """None if it is not given."""
    file_name: str
    """Empty for a setting that is not a secret."""
    path: str | None
    """None if no file is named."""


def no_more(_: Mapping[str, Any]) -> dict[str, str]:
    """Find no further mistake."""
    return {}


def load(
    flags: Mapping[str, str | None],
    environ: Mapping[str, str],
    inspect: Callable[[Mapping[str, Any]], Mapping[str, str]] = no_more,
) -> Settings:
    """Return the settings given by flags (by setting name) and environment variables, else their defaults.

    An empty variable counts as not set, except for a secret. `inspect` returns further mistakes, by setting, in the
    settings that are valid so far. Raises SettingsError with every mistake.
    """
    values: dict[str, Any] = {}
    mistakes: dict[str, str] = {}
    for setting in SETTINGS:
        try:
            values |= given(setting, flags, environ)
        except ValueError as error:
            mistakes[setting.name] = str(error)
    mistakes |= _conflicts(values, mistakes)
    mistakes |= {name: f"{name} is not a setting{suggestion(name)}" for name in misspelt_credentials(environ)}
    mistakes |= _mistakes_in_files(values)
    valid = [setting.name for setting in SETTINGS if setting.name not in mistakes]
    mistakes |= inspect({name: values.get(name, getattr(Settings, name)) for name in valid})
    if mistakes:
        raise SettingsError(list(mistakes.values()))
    return Settings(**values)


def given(setting: Setting, flags: Mapping[str, str | None], environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the value of a setting by its name; empty if no flag, variable or file gives it. Raises ValueError."""
    found = _find(setting, flags, environ)
    return {} if found is None else {setting.name: _parse(setting, found)}


def _find(setting: Setting, flags: Mapping[str, str | None], environ: Mapping[str, str]) -> Input | None:
    """Return the text of a setting from the first source that gives it; None without one. Raises ValueError."""
    for source in _sources(setting, flags, environ):
        if source.text is not None and source.path is not None:
            raise ValueError(f"{source.name} and {source.file_name} are both set; one is enough")
        # A secret that was lost on the way must not open the port to everyone.
        if setting.type.secret and source.path is None and environ.get(source.name) == "":
            raise ValueError(f"{source.name} is empty; unset it if no secret is wanted")
        if source.path is not None:
            return Input(source.file_name, _read_secret(source.file_name, source.path))
        if source.text is not None:
            # A Kubernetes secret made with `echo` ends in a line break, and one of a Windows file in a carriage return.
            return Input(source.name, source.text.rstrip("\r\n") if setting.type.secret else source.text.strip())
    return None


def _sources(setting: Setting, flags: Mapping[str, str | None], environ: Mapping[str, str]) -> tuple[Source, Source]:
    """Return the flag and the variable of a setting; the flag wins."""
    file = setting.file
    return (
        Source(
            setting.flag,
            flags.get(setting.name),
            file.flag if file else "",
            flags.get(file.name) if file else None,
        ),
        Source(
            setting.variable,
            environ.get(setting.variable) or None,
            file.variable if file else "",
            (environ.get(file.variable) or None) if file else None,
        ),
    )


def _read_secret(source: str, path: str) -> str:
    """Return the secret in the file that a flag or variable names. Raises ValueError."""
    if not path:
        raise ValueError(f"{source} must not be empty")
    try:
        text = read_text(path).rstrip("\r\n")
    except FileError as error:
        raise ValueError(f"{source} names {shown_path(path)}, which {error}") from None
    if text.strip().lower() == "none":
        raise ValueError(f"{source} names {shown_path(path)}, which contains the word none instead of a secret")
    return text


def _parse(setting: Setting, found: Input) -> Any:
    """Return the value of a setting. Raises ValueError with its flag or variable."""
    try:
        return setting.type.parse(found.text)
    except ValueError as error:
        mistake = not_text(error, found.text) if setting.type.echoes else error
        hint = f"; {QUOTES_COUNT}" if is_quoted(found.text) else ""
        raise ValueError(f"{found.source} {mistake}{hint}") from None


def _conflicts(values: Mapping[str, Any], mistaken: Collection[str]) -> dict[str, str]:
    """Return mistakes between settings by setting name; `mistaken` are settings with a mistake of their own."""
    mistakes = {}
    for pair in PAIRS:
        missing = [name for name in pair if values.get(name) is None]
        if len(missing) == 1 and not set(pair) & set(mistaken):
            (present,) = set(pair) - set(missing)
            mistakes[present] = f"{present} is set and {missing[0]} is not; they go together"
    if values.get("poll") and not values.get("butlr_client_id") and "butlr_client_id" not in mistaken:
        mistakes["poll"] = "poll is set and butlr_client_id is not; only with an API token can Butlr be asked"
    listen: Address = values.get("listen", Settings.listen)
    if listen.port and values.get("metrics_listen") == listen:
        mistakes["metrics_listen"] = "metrics_listen and listen are the same address"
    return mistakes


def _mistakes_in_files(values: Mapping[str, Any]) -> dict[str, str]:
    """Return mistakes in the certificate, its key and the capacity file, each under a key of its own."""
    mistakes = {}
    files = {name: values[name] for name in _TLS_FILES if values.get(name)}
    for name, path in files.items():
        try:
            check_file(name, path)
        except TlsError as error:
            mistakes[f"{name} file"] = str(error)
    if len(files) == len(_TLS_FILES) and not mistakes:
        try:
            Certificate(*files.values())
        except TlsError as error:
            mistakes["tls_cert file"] = str(error)
    if values.get("capacity_file"):
        try:
            read(values["capacity_file"])
        except CapacityError as error:
            mistakes |= {f"capacity_file {n}": f"capacity_file: {m}" for n, m in enumerate(error.mistakes)}
    return mistakes
