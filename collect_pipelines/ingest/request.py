"""One HTTP request and its reply, as thin as ASGI allows: this is the hot path."""

import re
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from os import urandom
from typing import Any
from urllib.parse import parse_qs

import orjson

from collect_pipelines.forms.messages import LANGUAGES
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
MAX_LANGUAGES = 200  # characters of Accept-Language; browsers send up to about 100
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
_WEIGHT = re.compile(r"q\s*=\s*([01](?:\.[0-9]{0,3})?)", re.IGNORECASE)
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

    def language(self, offered: Sequence[str]) -> str | None:
        """
        The language of Accept-Language that is wanted most among those in which something can be said, e.g. `hi`.

        offered: the languages of the form; ours are offered besides. The first one that is wanted when none of them is.
        """
        raw = self.text_header(b"accept-language")
        if not raw or len(raw) > MAX_LANGUAGES:
            return None
        known = {tag.lower(): tag for tag in (*LANGUAGES, *offered)}  # tags compare whatever their capitals, labels are by the form's
        wanted = _wanted(raw)
        for tag in map(str.lower, wanted):
            found = known.get(tag) or known.get(tag.partition("-")[0])
            if found is not None:
                return found
        return next(iter(wanted), None)  # a check may have words of its own in it


def _wanted(header: str) -> list[str]:
    """Tags by weight, those of the same weight in order; without the ones that are not wanted at all (`q=0`)."""
    weighed = []
    for part in header.split(","):
        tag, _, parameters = part.partition(";")
        weight = _WEIGHT.fullmatch(parameters.strip()) if parameters else None
        if not parameters or (weight is not None and float(weight[1]) > 0):
            weighed.append((-float(weight[1]) if weight else -1.0, tag.strip()))
    return [tag for _, tag in sorted(weighed, key=itemgetter(0)) if tag not in ("", "*")]


def json_reply(status: int, document: Any, headers: list[Header] | None = None, **facts: Any) -> Reply:
    """A reply with a JSON body; `facts` are fields of Reply."""
    return Reply(status, orjson.dumps(document, option=orjson.OPT_UTC_Z), [JSON_TYPE, *(headers or ())], **facts)
