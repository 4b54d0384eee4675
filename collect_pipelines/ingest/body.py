"""Reading a request body within bounds: media type, encoding, size, time."""

import asyncio
import zlib
from collections.abc import Sequence

from collect_pipelines.ingest.problems import Problem
from collect_pipelines.ingest.request import Request

__all__ = ["BATCH_BODY_BYTES", "BODY_BYTES", "JSON_TYPES", "NDJSON_TYPES", "YAML_TYPES", "media_type", "read_body"]

BODY_BYTES = 1024 * 1024  # one response; files travel by reference, not inside the answers
BATCH_BODY_BYTES = 5 * 1024 * 1024
BODY_TIMEOUT_SECONDS = 10.0  # a phone on a bad line sends 1 MiB in less; a slow loris does not get more
MAX_COMPRESSION_RATIO = 100  # text compresses 5-20 times; 97 KB of zeros in gzip would be 100 MB
GZIP_WINDOW = 16 + zlib.MAX_WBITS

JSON_TYPES = ("application/json",)
NDJSON_TYPES = ("application/x-ndjson", "application/ndjson", "application/jsonl")
YAML_TYPES = ("application/yaml", "application/x-yaml", "text/yaml")


def media_type(request: Request, allowed: Sequence[str]) -> str:
    """The media type of the body, one of `allowed`. Raises Problem `media-type` for another, for none, and for a charset but UTF-8."""
    raw = request.header(b"content-type")
    if raw == b"application/json" and "application/json" in allowed:
        return "application/json"
    kind, *parameters = (raw or b"").decode("latin-1").split(";")
    kind = kind.strip().lower()
    if kind not in allowed:
        raise Problem("media-type", f"Content-Type must be {' or '.join(allowed)}.", close=True)
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in ("utf-8", "utf8"):
            raise Problem("media-type", "The charset must be UTF-8.", close=True)
    return kind


async def read_body(request: Request, limit: int = BODY_BYTES) -> bytes:
    """The body, decompressed, of at most `limit` bytes. Raises Problem 408, 413 or 415; headers are judged before a byte is read."""
    compressed = _is_gzip(request)
    declared = request.header(b"content-length")
    if declared is not None and declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    try:
        async with asyncio.timeout(BODY_TIMEOUT_SECONDS):
            body = await _receive(request, limit)
    except TimeoutError as exc:
        raise Problem(
            "body-timeout", f"The body did not arrive within {BODY_TIMEOUT_SECONDS:.0f} s. Nothing was stored.", close=True
        ) from exc
    request.body_read = True
    return _gunzip(body, limit) if compressed else body


async def _receive(request: Request, limit: int) -> bytes:
    message = await request.receive()
    if not message.get("more_body", False) and message["type"] == "http.request":
        body: bytes = message.get("body", b"")
        if len(body) > limit:
            raise _too_large(limit)
        return body
    parts: list[bytes] = []
    size = 0
    while True:
        if message["type"] == "http.disconnect":
            raise Problem("body-timeout", "The connection closed before the body was complete.", close=True)
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)
        message = await request.receive()


def _is_gzip(request: Request) -> bool:
    encodings = request.headers_named(b"content-encoding")
    if not encodings or encodings == [b"identity"]:
        return False
    if len(encodings) == 1 and encodings[0].strip().lower() == b"gzip":
        return True
    raise Problem("content-encoding", "Only a single gzip is taken.", headers=[(b"accept-encoding", b"gzip")], close=True)


def _gunzip(body: bytes, limit: int) -> bytes:
    """The bytes of one complete gzip member; the output is bounded while it is made, never after."""
    most = min(limit, max(len(body), 1) * MAX_COMPRESSION_RATIO)
    stream = zlib.decompressobj(wbits=GZIP_WINDOW)
    try:
        plain = stream.decompress(body, most + 1)
    except zlib.error as exc:
        raise Problem("encoding-corrupt", "The body is not a gzip stream.") from exc
    if len(plain) > most:
        raise Problem(
            "body-too-large",
            f"Decompressed, the body is larger than {most} bytes: at most {limit}, and at most {MAX_COMPRESSION_RATIO} times the sent.",
        )
    if not stream.eof or stream.unused_data:
        raise Problem("encoding-corrupt", "The gzip stream is cut off or has something after it.")
    return plain


def _too_large(limit: int) -> Problem:
    # The rest is not read, so the connection can't carry another request.
    return Problem("body-too-large", f"The body is larger than {limit} bytes.", close=True)
