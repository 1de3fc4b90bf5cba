"""Mistakes in the settings that only this machine shows: the place of the journal, and the addresses of the ports.

Nothing is created, changed or served.
"""

import errno
import os
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from typing import Any

from exporter.journal.database import check_path, is_in_use
from exporter.journal.interface import JournalError
from exporter.settings.types import Address

_ADDRESSES = ("listen", "metrics_listen")
_IN_USE = os.strerror(errno.EADDRINUSE)

_EVERY = {"": re.compile(".*"), "0.0.0.0": re.compile("[0-9.]+"), "::": re.compile("[^.]*:.*")}  # noqa: S104 - compared
"""The hosts that mean many addresses, with the form of these."""


def journal_mistakes(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the mistake in the journal, if there is one, by the name of the setting."""
    try:
        if values.get("journal"):
            check_path(values["journal"])
    except JournalError as error:
        return {"journal": f"journal: {error}"}
    return {}


def all_mistakes(values: Mapping[str, Any]) -> dict[str, str]:
    """Return every mistake in the journal and in the addresses, by the name of the setting.

    `values` are the settings that are valid. Another process that has the journal or a port is a mistake too, unless
    everything is in use: then the exporter itself is running.
    """
    found = journal_mistakes(values)
    for name in _ADDRESSES:
        if (address := values.get(name)) and (reason := _refusal(address)) not in (None, _IN_USE):
            found[name] = f"{name}: {address} cannot be opened: {reason}"
    if overlap := _overlap(list(_addresses(values))):
        found.setdefault("metrics_listen", overlap)
    used = in_use(values)
    usable = [name for name in ("journal", *dict(_addresses(values))) if values.get(name) and name not in found]
    return found | (used if len(used) < len(usable) else {})


def in_use(values: Mapping[str, Any]) -> dict[str, str]:
    """Return a sentence for the journal, and for each port, that another process has, by the name of the setting."""
    used = {}
    if values.get("journal") and is_in_use(values["journal"]):
        used["journal"] = f"journal: {values['journal']} is in use by another process"
    for name, address in _addresses(values):
        if _refusal(address) == _IN_USE:
            used[name] = f"{name}: {address} is in use by another process"
    return used


def bind_reason(error: OSError | UnicodeError) -> str:
    """Return why an address cannot be listened on."""
    if isinstance(error, UnicodeError):
        return "not a valid host name"
    # The text of a Python error has the number in it; the system's own text has not.
    return os.strerror(error.errno) if error.errno and error.errno > 0 else f"{error.strerror}"


def _addresses(values: Mapping[str, Any]) -> Iterator[tuple[str, Address]]:
    """Return the addresses with a port of their own, by the name of the setting."""
    for name in _ADDRESSES:
        if (address := values.get(name)) and address.port:
            yield name, address


def _overlap(addresses: Sequence[tuple[str, Address]]) -> str | None:
    """Return the mistake if one address stands for another one too, so that both cannot be open."""
    for (name, address), (other_name, other) in permutations(addresses, 2):
        if address.port == other.port and address.host in _EVERY and _EVERY[address.host].fullmatch(other.host):
            return f"{other_name}: {other} is a part of {address}, the address of {name}; choose another port"
    return None


def _refusal(address: Address) -> str | None:
    """Return why an address cannot be listened on; None if it can. Nobody can connect meanwhile."""
    try:
        is_dual = not address.host and socket.has_dualstack_ipv6()  # as `process.bind` has it
        host = "::" if is_dual else address.host or None
        found = socket.getaddrinfo(host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(found[0], socket.SOCK_STREAM) as bound:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if found[0] == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not is_dual)
            bound.bind(found[4])
    except (OSError, UnicodeError) as error:
        return bind_reason(error)
    return None
