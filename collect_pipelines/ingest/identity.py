"""The id of a response: named by the client, or derived from its Idempotency-Key so that a retry has the same one."""

import hashlib
import re
from uuid import UUID

from collect_pipelines.ingest.envelope import Envelope
from collect_pipelines.ingest.problems import Problem
from collect_pipelines.ingest.request import Request

__all__ = ["identify", "replaced_revision", "revision_in"]

MAX_REVISION = 2**31 - 1  # the column is a 32-bit integer

_KEY = re.compile(r"[\x21-\x7e]{1,255}")  # the IETF draft of the header leaves the length open; UUIDs have 36
_REVISION = re.compile(r'"?([1-9][0-9]{0,9})"?')


def identify(request: Request, envelope: Envelope, form_id: int) -> tuple[str, bool]:
    """
    The response's id, and whether it comes from the Idempotency-Key. The envelope's own id goes first.

    Raises Problem `id-required` when there is neither: an id made up here would turn a retry into a second response.
    """
    key = _idempotency_key(request)
    if envelope.response_id is not None:
        return envelope.response_id, False
    if key is None:
        raise Problem.at("id-required", "#/id", "The response has no id.")
    return _id_of_key(form_id, key), True


def replaced_revision(request: Request, named: int | None) -> int:
    """The revision an edit or deletion replaces: If-Match, else `named`. Raises Problem `revision-required`."""
    revision = revision_in(request.text_header(b"if-match"))
    if revision is not None and named is not None and named != revision:
        raise Problem("revision-required", "If-Match and `revision` name different revisions.")
    wanted = named if revision is None else revision
    if wanted is None:
        raise Problem("revision-required")
    return wanted


def revision_in(text: str | None) -> int | None:
    """The revision in a header or query value, plain or as an ETag; None when there is none. Raises Problem `revision-required`."""
    if text is None:
        return None
    found = _REVISION.fullmatch(text)
    if found is None or int(found[1]) > MAX_REVISION:
        raise Problem("revision-required", 'The revision must be one whole number, e.g. "3".')
    return int(found[1])


def _idempotency_key(request: Request) -> str | None:
    raw = request.text_header(b"idempotency-key")
    if raw is None:
        return None
    if len(raw) >= 2 and raw[0] == raw[-1] == '"':
        raw = raw[1:-1]
    if not _KEY.fullmatch(raw):
        raise Problem("idempotency-key-format")
    return raw


def _id_of_key(form_id: int, key: str) -> str:
    digest = hashlib.sha256(b"idempotency-key\0%d\0%s" % (form_id, key.encode())).digest()[:16]
    # Version 8 of RFC 9562: "custom"; the rest is the hash.
    return str(UUID(bytes=digest[:6] + bytes([0x80 | digest[6] & 0x0F, digest[7], 0x80 | digest[8] & 0x3F]) + digest[9:]))
