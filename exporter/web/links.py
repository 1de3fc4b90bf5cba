"""Links from one view to another, relative to the present request: a proxy may serve them under a path of its own."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from flask import request, url_for


def relative_link() -> Callable[..., str]:
    """Return a function that makes the address of a view of the readers, relative to the path of the request."""
    raw: str = request.environ.get("RAW_URI", "")
    if not raw.startswith("/"):
        # `url_for` begins with the path under which another app mounts this one.
        raw = quote(request.environ.get("SCRIPT_NAME", "") + request.environ["PATH_INFO"], encoding="latin-1")
    # The path as it was sent: to a browser, an encoded slash separates nothing.
    up = "../" * (raw.partition("?")[0].count("/") - 1) or "./"

    def link(view: str, **values: Any) -> str:
        return up + url_for(f"reading.{view}", **values).removeprefix("/")

    return link
