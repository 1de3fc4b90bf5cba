"""Keys and passwords as requests bring them: every right form and many wrong ones."""

import base64

KEYS = ["old-key", "new-key", "schlüssel"]


def basic(text: str | bytes, scheme: str = "Basic ") -> dict[str, str]:
    """Return the header of HTTP basic authentication with this `name:password`."""
    raw = text if isinstance(text, bytes) else text.encode()
    return {"HTTP_AUTHORIZATION": scheme + base64.b64encode(raw).decode()}


def wire(value: str | bytes) -> str:
    """Return a header value as WSGI spells the bytes on the wire."""
    return (value if isinstance(value, bytes) else value.encode()).decode("latin-1")


RIGHT_KEYS: list[str | bytes] = [*KEYS, "schlüssel".encode("latin-1")]

WRONG_KEYS: list[str | bytes] = [
    "",
    "old",
    "old-key ",
    " old-key",
    "OLD-KEY",
    "old-key,new-key",
    "old-key\0",
    "new-keyy",
    "ключ",
    b"\xff\xfe",
]

RIGHT_BASIC = [
    basic("butlr:pä:ss"),
    basic("butlr:pä:ss".encode("latin-1")),
    basic("butlr:pä:ss", "basic "),
    basic("butlr:pä:ss", "BASIC   "),
]

WRONG_BASIC = [
    {},
    {"HTTP_AUTHORIZATION": ""},
    {"HTTP_AUTHORIZATION": "Basic"},
    {"HTTP_AUTHORIZATION": "Basic "},
    {"HTTP_AUTHORIZATION": "Basic !!!!"},
    {"HTTP_AUTHORIZATION": "Basic YnV0bHI6"},
    {"HTTP_AUTHORIZATION": "Basic " + "A" * 60_000},
    {"HTTP_AUTHORIZATION": basic("butlr:pä:ss")["HTTP_AUTHORIZATION"] + "!"},
    {"HTTP_AUTHORIZATION": basic("butlr:pä:ss")["HTTP_AUTHORIZATION"][:-1]},
    {"HTTP_AUTHORIZATION": "Basic " + wire("пароль")},
    {"HTTP_AUTHORIZATION": "Basic \u20ac"},  # no WSGI server should, but one might
    basic(""),
    basic(":"),
    basic("butlr"),
    basic("butlr:"),
    basic("butlr:pä:s"),
    basic("butlr:pä:sss"),
    basic("butlr:PÄ:SS"),
    basic("Butlr:pä:ss"),
    basic(":pä:ss"),
    basic("butlr:pä:ss\n"),
    basic("butlr:pä:ss", "Bearer "),
    basic("butlr:pä:ss", "Basic"),
]
