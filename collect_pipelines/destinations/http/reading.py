"""The answer to a request, bounded in bytes."""

import http.client
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Answer", "read_answer"]

PIECE_BYTES = 8192
ZLIB_OR_GZIP = 47  # zlib's way to say: either header


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case; several fields of one name are joined with a comma."""
    body: bytes = b""
    """At most as many bytes as the client reads, decompressed."""
    complete: bool = True
    """False: the body was longer, or broke off."""
    reusable: bool = False
    """Whether the connection may serve another request."""

    @property
    def ok(self) -> bool:
        """2xx."""
        return 200 <= self.status < 300


def read_answer(response: http.client.HTTPResponse, most_bytes: int) -> Answer:
    """Reads at most so many bytes. An answer whose body breaks off, or never ends, still counts by its status."""
    headers: dict[str, str] = {}
    for name, value in response.getheaders():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    raw, complete = _read(response, most_bytes)
    body, whole = _decompressed(raw, headers.get("content-encoding", ""), most_bytes)
    reusable = complete and not response.will_close and response.status >= 200
    return Answer(response.status, headers, body, complete and whole, reusable)


def _read(response: http.client.HTTPResponse, most_bytes: int) -> tuple[bytes, bool]:
    pieces: list[bytes] = []
    size, length = 0, response.length
    try:
        while size <= most_bytes and size != length:
            piece = response.read1(min(PIECE_BYTES, most_bytes + 1 - size))
            if not piece:
                return b"".join(pieces), length is None
            pieces.append(piece)
            size += len(piece)
    except (OSError, http.client.HTTPException, ValueError):
        return b"".join(pieces)[:most_bytes], False  # the status came, and that is what counts
    return b"".join(pieces)[:most_bytes], size == length and size <= most_bytes


def _decompressed(raw: bytes, encoding: str, most_bytes: int) -> tuple[bytes, bool]:
    """Nothing is asked for in compressed form; who sends it all the same fills no memory with it."""
    if encoding.strip().lower() not in ("gzip", "x-gzip", "deflate"):
        return raw, True
    unpacking = zlib.decompressobj(ZLIB_OR_GZIP)
    try:
        body = unpacking.decompress(raw, most_bytes)
    except zlib.error:
        return b"", False
    return body, unpacking.eof
