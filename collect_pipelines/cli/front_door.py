"""A small client of the ingest endpoint, on the standard library: one connection, kept open, honest about what came back."""

import http.client
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from collect_pipelines.errors import CollectError, Conflict, Invalid, NotFound, Unavailable

__all__ = ["Answer", "FrontDoor", "place_lines"]

TIMEOUT_SECONDS = 30.0  # a batch of 1,000 takes well under a second; the rest is a slow line
PATIENCE_SECONDS = 60.0  # how long a command goes on trying while the endpoint is away: a restart takes seconds
FIRST_WAIT_SECONDS = 0.5
MAX_WAIT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the endpoint said."""

    status: int
    document: dict[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)

    def or_raise(self) -> dict[str, Any]:
        """The document of a success; else the error that fits, in the words of the endpoint."""
        if self.status < 400:
            return self.document
        detail = str(self.document.get("detail") or self.document.get("title") or f"HTTP {self.status}")
        lines = [detail, *place_lines(self.document.get("errors", ()), known=detail)]
        fix = self.document.get("next_step")
        # for people the faults are in the lines above, not in a field of the answer
        raise _kind(self.status)("\n  ".join(lines), fix=fix.replace("in `errors`", "above") if isinstance(fix, str) else None)


class FrontDoor:
    """The ingest endpoint at a base URL, as seen with one API key."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        waiting: Callable[[str], None] = lambda reason: None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`waiting` is told why, each time a request has to be repeated later."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Invalid(f"{url!r} is not an http(s) URL.", fix="Give the base URL of the ingest endpoint, e.g. http://127.0.0.1:8080")
        self.url = url.rstrip("/")
        self._prefix = parts.path.rstrip("/")
        self._connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._place = (parts.hostname, parts.port)
        self._key = key
        self._waiting = waiting
        self._sleep = sleep
        self._clock = clock
        self._connection: http.client.HTTPConnection | None = None

    def get(self, path: str) -> Answer:
        """GET, repeated while the endpoint is away."""
        return self._patiently("GET", path, None, {})

    def post(self, path: str, body: bytes, content_type: str = "application/json") -> Answer:
        """POST, repeated while the endpoint is away: safe, because every response has an id of its own (promise 2)."""
        return self._patiently("POST", path, body, {"Content-Type": content_type})

    def close(self) -> None:
        """Closes the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _patiently(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        deadline = self._clock() + PATIENCE_SECONDS
        wait = FIRST_WAIT_SECONDS
        while True:
            answer, reason = self._once(method, path, body, headers)
            if answer is not None and answer.status not in (429, 503):
                return answer
            asked = float(answer.headers.get("retry-after", wait)) if answer is not None else wait
            if self._clock() + asked > deadline:
                if answer is not None:
                    return answer
                raise Unavailable(
                    f"The ingest endpoint {self.url} does not answer: {reason}.",
                    fix="Start it (collect up, or collect serve ingest), or name another with --url.",
                )
            self._waiting(reason)
            self._sleep(asked)
            wait = min(wait * 2, MAX_WAIT_SECONDS)

    def _once(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[Answer | None, str]:
        try:
            if self._connection is None:
                self._connection = self._connect(*self._place, timeout=TIMEOUT_SECONDS)
            sent = {"Authorization": f"Bearer {self._key}", "Accept": "application/json", **headers}
            self._connection.request(method, self._prefix + path, body, sent)
            reply = self._connection.getresponse()
            text = reply.read()
        except (OSError, http.client.HTTPException) as exc:
            self.close()
            return None, getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
        document = _document(text)
        said = str(document.get("title", f"HTTP {reply.status}"))
        return Answer(reply.status, document, {name.lower(): value for name, value in reply.getheaders()}), said


def place_lines(places: Iterable[Mapping[str, Any]], known: str = "") -> list[str]:
    """A line for each fault of an answer: question, label and message; without those that only repeat what is `known` already."""
    lines = []
    for place in places:
        question, label = place.get("question"), place.get("label")
        if question is None and place.get("message") == known:
            continue
        name = question or place.get("pointer")
        lines.append(f"{name} ({label}): {place.get('message')}" if label and label != name else f"{name}: {place.get('message')}")
    return lines


def _document(text: bytes) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _kind(status: int) -> type[CollectError]:
    if status in (429, 503, 401, 403):
        return Unavailable
    return {404: NotFound, 409: Conflict, 410: Conflict}.get(status, Invalid if status < 500 else CollectError)
