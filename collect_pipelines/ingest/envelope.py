"""The envelope around the answers: read, bounded, and turned into a submission with its content hash."""

import contextlib
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from collect_pipelines.ingest.door import canonical, pointer_token
from collect_pipelines.ingest.problems import Problem
from collect_pipelines.model import Finding, JsonValue, Operation

__all__ = ["Envelope", "clean_id", "clock_skew", "read_envelope"]

MAX_KEY_CHARACTERS = 128  # a question key; longer ones are a client's mistake
MAX_RESPONDENT_CHARACTERS = 256
MAX_METADATA_BYTES = 16 * 1024  # facts about the response, not a second set of answers
MAX_REVISION = 2**31 - 1  # the column is a 32-bit integer; the same bound serves versions
CLOCK_AHEAD = timedelta(days=1)  # time zones mixed up explain less than a day
CLOCK_START = datetime(2000, 1, 1, tzinfo=UTC)  # before this a device has lost its clock

_ID = re.compile(r"[A-Za-z0-9:._-]{1,64}")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_SOURCE = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,4}")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})")
_FIELDS = frozenset({"id", "answers", "version", "submitted_at", "respondent", "source", "metadata", "language", "revision"})


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a client says about one response, checked for shape but not yet against a form."""

    answers: Mapping[str, Any]
    response_id: str | None = None
    version: int | None = None
    submitted_text: str | None = None
    submitted_at: datetime | None = None
    respondent: str | None = None
    source: str = "api"
    metadata: Mapping[str, Any] = field(default_factory=dict)
    language: str | None = None
    revision: int | None = None

    def content_hash(self, operation: Operation, replaces: int | None, answers: bytes) -> bytes:
        """
        SHA-256 over what makes this submission what it is: operation, answers, and version, respondent, time and metadata if given.

        Key order and white space don't matter; 1 and 1.0 differ. Source and language are not content: the same response sent
        again through another tool is a replay. `answers` is their canonical JSON.
        """
        content = [operation, replaces, orjson.Fragment(answers), self.version, self.respondent, self.submitted_text, dict(self.metadata)]
        return hashlib.sha256(canonical(content)).digest()


def read_envelope(document: JsonValue) -> Envelope:
    """The envelope in a parsed body. Raises Problem 422 that names the field."""
    if not isinstance(document, dict):
        raise Problem.at("envelope", "#", "The body must be an object.")
    for name in document:
        if name not in _FIELDS:
            raise Problem.at("unknown-field", f"#/{pointer_token(name)}", "This field is not known.")
    submitted_text, submitted_at = _time(document)
    return Envelope(
        answers=_answers(document),
        response_id=_identifier(document),
        version=_positive(document, "version"),
        submitted_text=submitted_text,
        submitted_at=submitted_at,
        respondent=_text(document, "respondent"),
        source=_matching(document, "source", _SOURCE, "1 to 64 of A-Z a-z 0-9 . _ -") or "api",
        metadata=_metadata(document),
        language=_matching(document, "language", _LANGUAGE, "a language tag such as `en` or `hi-IN`"),
        revision=_positive(document, "revision"),
    )


def clean_id(text: str, pointer: str = "#/id") -> str:
    """The id as it is stored: `uuid:` stripped, UUIDs in lower case. Raises Problem `id-format`."""
    text = text.removeprefix("uuid:")
    if not _ID.fullmatch(text):
        raise Problem.at("id-format", pointer, "The id must be 1 to 64 of the characters A-Z a-z 0-9 : . _ -")
    return text.lower() if _UUID.fullmatch(text) else text


def clock_skew(submitted_at: datetime | None, now: datetime) -> Finding | None:
    """A flag when the client's clock can't be right; the response is stored, positions are the order."""
    if submitted_at is None or CLOCK_START <= submitted_at <= now + CLOCK_AHEAD:
        return None
    return Finding("clock-skew", "The device's clock seems to be wrong: see submitted_at.", "flag")


def _answers(document: dict[str, Any]) -> dict[str, Any]:
    answers = document.get("answers")
    if not isinstance(answers, dict):
        raise Problem.at("envelope", "#/answers", "`answers` must be an object: question key to answer.")
    for key in answers:
        if not key or len(key) > MAX_KEY_CHARACTERS:
            raise Problem.at("envelope", f"#/answers/{pointer_token(key)}", f"A question key has 1 to {MAX_KEY_CHARACTERS} characters.")
    return answers


def _identifier(document: dict[str, Any]) -> str | None:
    value = document.get("id")
    if value is None:
        return None
    if not isinstance(value, str):
        raise Problem.at("envelope", "#/id", "`id` must be text.")
    return clean_id(value)


def _positive(document: dict[str, Any], name: str) -> int | None:
    value = document.get(name)
    if value is None:
        return None
    if type(value) is not int or not 1 <= value <= MAX_REVISION:
        raise Problem.at("envelope", f"#/{name}", f"`{name}` must be a whole number from 1.")
    return value


def _text(document: dict[str, Any], name: str) -> str | None:
    value = document.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_RESPONDENT_CHARACTERS:
        raise Problem.at("envelope", f"#/{name}", f"`{name}` must be text of 1 to {MAX_RESPONDENT_CHARACTERS} characters.")
    return value


def _matching(document: dict[str, Any], name: str, pattern: re.Pattern[str], wanted: str) -> str | None:
    value = document.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise Problem.at("envelope", f"#/{name}", f"`{name}` must be {wanted}.")
    return value


def _metadata(document: dict[str, Any]) -> Mapping[str, Any]:
    value = document.get("metadata")
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Problem.at("envelope", "#/metadata", "`metadata` must be an object.")
    text = canonical(value)
    if len(text) > MAX_METADATA_BYTES:
        raise Problem.at("envelope", "#/metadata", f"`metadata` is larger than {MAX_METADATA_BYTES} bytes.")
    plain: dict[str, Any] = orjson.loads(text)
    return plain


def _time(document: dict[str, Any]) -> tuple[str | None, datetime | None]:
    value = document.get("submitted_at")
    if value is None:
        return None, None
    if isinstance(value, str) and _TIME.fullmatch(value):
        with contextlib.suppress(ValueError, OverflowError):  # the 30th of February, or a zone that leads before year 1
            return value, datetime.fromisoformat(value.upper()).astimezone(UTC)
    raise Problem.at("envelope", "#/submitted_at", "`submitted_at` must be an RFC 3339 time with a zone, e.g. 2026-01-31T09:30:00Z.")
