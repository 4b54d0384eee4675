"""One HTTP request and its reply, as thin as ASGI allows: this is the hot path."""

import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from os import urandom
from typing import Any
from urllib.parse import parse_qs

import orjson

from collect_pipelines.ingest.problems import Problem

__all__ = ["PROBLEM_TYPE", "Header", "Receive", "Reply", "Request", "Scope", "Send", "json_reply"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]

MAX_HEADERS = 100
MAX_HEADER_BYTES = 16 * 1024
MAX_DIGITS = 18  # positions are 64-bit integers
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
JSON_TYPE: Header = (b"content-type", b"application/json")
PROBLEM_TYPE: Header = (b"content-type", b"application/problem+json")


@dataclass(slots=True)
class Reply:
    """What is sent back. `outcome` is the label the request is counted under."""

    status: int
    body: bytes = b""
    headers: list[Header] = field(default_factory=list)
    outcome: str = "served"
    response_id: str | None = None
    position: int | None = None
    code: str | None = None
    items: int | None = None


class Request:
    """A request while it is worked on."""

    __slots__ = (
        "_headers",
        "body_read",
        "form",
        "key_id",
        "method",
        "parameters",
        "path",
        "receive",
        "request_id",
        "route",
        "scope",
        "source",
        "started",
    )

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self.receive = receive
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.started = time.perf_counter()
        self.parameters: dict[str, str] = {}
        self.route = ""
        """Template of the path, for the log."""
        self.key_id: int | None = None
        self.form: str | None = None
        """Reference of the form, once it is known to exist: the only form name that is logged or counted."""
        self.source: str | None = None
        self.body_read = False
        self._headers: dict[bytes, bytes] = dict(scope["headers"])
        wanted = self._headers.get(b"x-request-id")
        self.request_id = wanted.decode() if wanted and _REQUEST_ID.fullmatch(wanted) else urandom(16).hex()

    def header(self, name: bytes) -> bytes | None:
        """The value of a header (lower-case name); of several the last."""
        return self._headers.get(name)

    def text_header(self, name: bytes) -> str | None:
        """The value as text."""
        value = self._headers.get(name)
        return None if value is None else value.decode("latin-1").strip()

    def headers_named(self, name: bytes) -> list[bytes]:
        """Every value of a header that may be repeated."""
        if name not in self._headers:
            return []
        return [value for key, value in self.scope["headers"] if key == name]

    def has_body(self) -> bool:
        """True when the headers announce a body."""
        return b"transfer-encoding" in self._headers or self._headers.get(b"content-length", b"0") != b"0"

    def body_weight(self, most: int) -> int:
        """Bytes its body may take in memory, by its headers: `most` when they don't say."""
        if b"transfer-encoding" in self._headers or b"content-encoding" in self._headers:
            return most
        declared = self._headers.get(b"content-length")
        return min(int(declared), most) if declared is not None and declared.isdigit() else 0

    def query(self) -> dict[str, str]:
        """Query parameters; of several with one name the last."""
        raw: bytes = self.scope.get("query_string", b"")
        return {name: values[-1] for name, values in parse_qs(raw.decode("latin-1"), keep_blank_values=True).items()} if raw else {}

    def number(self, name: str, default: int) -> int:
        """A query parameter that is a whole number. Raises Problem `invalid` when it is something else."""
        text = self.query().get(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
            raise Problem.at("invalid", f"?{name}", f"`{name}` must be a whole number.")
        return int(text)

    def bound_headers(self) -> None:
        """Raises Problem `headers-too-large` when there are too many of them."""
        headers = self.scope["headers"]
        if len(headers) > MAX_HEADERS or sum(len(name) + len(value) for name, value in headers) > MAX_HEADER_BYTES:
            raise Problem("headers-too-large", close=True)

    def language(self) -> str | None:
        """The first language of Accept-Language, e.g. `hi` or `en-IN`; weights are not compared."""
        raw = self.text_header(b"accept-language")
        if not raw or len(raw) > 200:
            return None
        first = raw.split(",", 1)[0].split(";", 1)[0].strip()
        return first if first and first != "*" else None


def json_reply(status: int, document: Any, headers: list[Header] | None = None, **facts: Any) -> Reply:
    """A reply with a JSON body; `facts` are fields of Reply."""
    return Reply(status, orjson.dumps(document, option=orjson.OPT_UTC_Z), [JSON_TYPE, *(headers or ())], **facts)
