"""Every refusal of the HTTP interface: one stable code each, rendered as RFC 9457 problem details."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from collect_pipelines.errors import (
    CollectError,
    Conflict,
    DurabilityOff,
    FormIncompatible,
    FormInvalid,
    Invalid,
    NotFound,
    OutcomeUnknown,
    Unavailable,
)
from collect_pipelines.model import Finding

__all__ = ["PROBLEMS", "Place", "Problem", "ProblemKind", "from_error", "places_of"]

RETRY_AFTER_SECONDS = 1  # Postgres restarts within seconds; the client's own back-off does the rest


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """What all problems of one code have in common."""

    status: int
    title: str
    next_step: str
    retryable: bool = False


_RESEND = "Send the same request again after the seconds in Retry-After; the same id is stored once."
_FIX_JSON = "Correct the JSON at the named place and send it again."
_KEY = "Send `Authorization: Bearer <key>`; an administrator creates keys with `collect keys create`."

PROBLEMS: Mapping[str, ProblemKind] = {
    "json-empty": ProblemKind(400, "The body is empty", "Send a JSON document."),
    "json-syntax": ProblemKind(400, "The body is not JSON", _FIX_JSON),
    "utf8": ProblemKind(400, "The body is not UTF-8", "Encode the body as UTF-8."),
    "lone-surrogate": ProblemKind(400, "A text holds half a character", "Send \\uD800-\\uDFFF escapes only in pairs."),
    "number-invalid": ProblemKind(400, "NaN and Infinity are not JSON", "Leave the answer out, or send null."),
    "number-range": ProblemKind(
        400, "A number can't be kept", "Send numbers a 64-bit float can hold, with at most 64 characters, or send text."
    ),
    "duplicate-key": ProblemKind(400, "A key appears twice in one object", "Send each key once."),
    "depth": ProblemKind(400, "The JSON is nested too deeply", "Nest at most 32 levels."),
    "too-many-fields": ProblemKind(
        400, "The JSON has too many fields", "Send at most 2,000 fields, and 5,000 entries of lists, in one response."
    ),
    "encoding-corrupt": ProblemKind(400, "The body can't be decompressed", "Send one complete gzip stream, or the plain body."),
    "http-syntax": ProblemKind(400, "This is not an HTTP/1.1 request", "Use an HTTP client library; send one valid Content-Length."),
    "idempotency-key-format": ProblemKind(
        400, "The Idempotency-Key can't be used", "Send 1 to 255 printable ASCII characters, a UUID say."
    ),
    "key-missing": ProblemKind(401, "No API key", _KEY),
    "key-malformed": ProblemKind(401, "This is not an API key", _KEY),
    "key-unknown": ProblemKind(401, "The API key is not known", _KEY),
    "key-revoked": ProblemKind(401, "The API key was revoked", _KEY),
    "key-expired": ProblemKind(401, "The API key has expired", _KEY),
    "key-in-url": ProblemKind(
        401,
        "An API key was sent in the URL",
        "URLs end up in logs: revoke this key, then send the new one as `Authorization: Bearer <key>`.",
    ),
    "callback-unproven": ProblemKind(
        401,
        "The callback does not prove where it comes from",
        "Sign it as docs/destinations/sms.md says, within 5 minutes; the integration needs `public_url` and its secret.",
    ),
    "scope-missing": ProblemKind(403, "The API key may not do this", "Use a key that has the scope named in the detail."),
    "unknown-path": ProblemKind(404, "There is nothing here", "See /openapi.json for what is offered."),
    "unknown-form": ProblemKind(404, "There is no such form", "Check the form's name with `GET /v1/forms`."),
    "unknown-response": ProblemKind(404, "There is no such response", "Check the id, and that the key belongs to the same organization."),
    "method-not-allowed": ProblemKind(405, "This method is not offered here", "Use one of the methods in the Allow header."),
    "body-timeout": ProblemKind(408, "The body did not arrive in time", _RESEND, retryable=True),
    "response-conflict": ProblemKind(
        409,
        "This id is taken by other content",
        "To change a stored response, PUT it and name the revision it replaces; for a new response use a new id.",
    ),
    "revision-conflict": ProblemKind(
        409, "The response has been changed meanwhile", "Read the response, apply the change to its newest revision and name that revision."
    ),
    "not-unique": ProblemKind(409, "The form takes one response per respondent", "Edit the stored response instead of sending another."),
    "form-closed": ProblemKind(409, "The form takes no responses", "Ask the form's owner to open it."),
    "form-incompatible": ProblemKind(
        409,
        "The new version contradicts responses already stored",
        "Keep the type of every question key; give a changed question a new key.",
    ),
    "conflict": ProblemKind(409, "This contradicts what is stored", "See the detail."),
    "ambiguous-id": ProblemKind(409, "Several forms have a response of this id", "Name the form: add `?form=<form>`."),
    "response-erased": ProblemKind(
        410, "The response was deleted", "A deleted response is not stored again under its id; send a new response with a new id."
    ),
    "body-too-large": ProblemKind(413, "The body is too large", "Send at most 1 MiB per response, 5 MiB per batch."),
    "batch-too-large": ProblemKind(413, "The batch has too many items", "Send at most 1,000 responses per batch."),
    "media-type": ProblemKind(415, "This Content-Type is not taken here", "Send `Content-Type: application/json` in UTF-8."),
    "content-encoding": ProblemKind(415, "This Content-Encoding is not taken", "Send the body plain or with a single `gzip`."),
    "nul-char": ProblemKind(422, "A text holds the NUL character", "Remove \\u0000 from the text; Postgres can't store it."),
    "integer-range": ProblemKind(
        422, "An integer does not fit 64 bits", "Send integers from -2^63 to 2^63-1; send longer numbers as text."
    ),
    "envelope": ProblemKind(422, "The response is not in the expected shape", 'Send {"id": "...", "answers": {...}}; see /openapi.json.'),
    "unknown-field": ProblemKind(
        422, "A field is not known", 'Answers belong inside "answers", facts about the response inside "metadata".'
    ),
    "id-required": ProblemKind(
        422, "The response has no id", "Give each response an id (a UUID, say) or an Idempotency-Key, so that a retry is not stored twice."
    ),
    "idempotency-key-reused": ProblemKind(
        422,
        "The Idempotency-Key was used for other content",
        "Use a new key for each response, and the same key only to send the same content again.",
    ),
    "id-format": ProblemKind(422, "The id can't be used", "Use 1 to 64 of the characters A-Z a-z 0-9 : . _ -"),
    "unknown-version": ProblemKind(
        422, "The form has no such version", "Send one of the versions named in the detail, or leave `version` out for the current one."
    ),
    "answers-rejected": ProblemKind(
        422, "Some answers are not valid", "Correct the answers named in `errors` and send the response again with the same id."
    ),
    "not-storable": ProblemKind(
        422,
        "Postgres refused the response",
        "The response as it is can't be stored; remove unusual characters or numbers and send it again.",
    ),
    "form-invalid": ProblemKind(
        422, "The form definition is not valid", "Correct the faults in `errors`; `collect forms check FILE` finds them without a server."
    ),
    "invalid": ProblemKind(422, "The request is not valid", "See the detail."),
    "revision-required": ProblemKind(
        428,
        "The revision to replace is not named",
        'Send `If-Match: "<revision>"` or `revision` in the body; GET the response to see its revision.',
    ),
    "headers-too-large": ProblemKind(431, "The request headers are too large", "Send at most 100 headers and 16 KiB of them."),
    "internal": ProblemKind(
        500, "Something failed on our side", "Send the same request again later; report the request_id if it stays.", retryable=True
    ),
    "unavailable": ProblemKind(503, "The service can't store responses now", _RESEND, retryable=True),
    "outcome-unknown": ProblemKind(503, "It is not known whether the response was stored", _RESEND, retryable=True),
    "overloaded": ProblemKind(503, "Too many requests at once", _RESEND, retryable=True),
    "durability-off": ProblemKind(
        503,
        "Postgres may lose what it acknowledges",
        "An administrator must repair the settings named by /readyz. " + _RESEND,
        retryable=True,
    ),
}
"""Codes are stable: clients branch on them."""


@dataclass(frozen=True, slots=True)
class Place:
    """One thing that is wrong, and where: a JSON pointer into the body (`#/answers/age`)."""

    pointer: str
    code: str
    message: str
    question: str | None = None
    label: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The shape of one entry of `errors`."""
        document = {"pointer": self.pointer, "code": self.code, "message": self.message}
        if self.question is not None:
            document["question"] = self.question
        if self.label is not None:
            document["label"] = self.label
        return document


class Problem(CollectError):
    """The request is refused; carries everything the client is told. Never holds an offending value."""

    def __init__(
        self,
        code: str,
        detail: str | None = None,
        *,
        places: Sequence[Place] = (),
        headers: Sequence[tuple[bytes, bytes]] = (),
        extra: Mapping[str, Any] | None = None,
        close: bool = False,
    ) -> None:
        """`close`: the connection can't be used further, e.g. because the rest of the body was not read."""
        self.code = code
        self.kind = PROBLEMS[code]
        self.places = tuple(places)
        self.headers = tuple(headers)
        self.extra = extra or {}
        self.close = close
        super().__init__(detail or self.kind.title + ".", fix=self.kind.next_step)

    @classmethod
    def at(cls, code: str, pointer: str, message: str) -> "Problem":
        """A problem with one place."""
        return cls(code, message, places=(Place(pointer, code, message),))

    def about(self, response_id: str) -> "Problem":
        """The same, naming the response that was refused."""
        self.extra = {"response_id": response_id, **self.extra}
        return self

    def as_json(self, request_id: str) -> dict[str, Any]:
        """The problem document."""
        document: dict[str, Any] = {
            "type": f"/problems/{self.code}",
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.message,
            "code": self.code,
            "request_id": request_id,
            "retryable": self.kind.retryable,
            "next_step": self.kind.next_step,
            "errors": [place.as_json() for place in self.places],
        }
        document.update(self.extra)
        return document

    def all_headers(self) -> list[tuple[bytes, bytes]]:
        """Headers of the reply, `Retry-After` and `WWW-Authenticate` included."""
        headers = list(self.headers)
        if self.kind.status == 503:
            headers.append((b"retry-after", b"%d" % RETRY_AFTER_SECONDS))
        if self.kind.status == 401:
            headers.append((b"www-authenticate", b'Bearer realm="collect"'))
        if self.close:
            headers.append((b"connection", b"close"))
        return headers


def from_error(error: CollectError) -> Problem:
    """The problem that tells a client about an error of the house. Details of our side stay in the log."""
    match error:
        case Problem():
            return error
        case FormInvalid() | FormIncompatible():
            code = "form-invalid" if isinstance(error, FormInvalid) else "form-incompatible"
            return Problem(code, error.message, places=[Place("#", code, text) for text in error.problems])
        case Invalid():
            return Problem("invalid", error.message)
        case Conflict():
            return Problem("conflict", error.message)
        case NotFound():
            return Problem("unknown-path", error.message)
        case DurabilityOff():
            return Problem("durability-off", "Nothing was stored.")
        case OutcomeUnknown():
            return Problem("outcome-unknown", "The connection to Postgres was lost while it was storing.")
        case Unavailable() if getattr(error, "overloaded", False):
            return Problem("overloaded", "Too many responses are waiting. Nothing was stored.")
        case Unavailable():
            return Problem("unavailable", "Postgres can't be used now. Nothing was stored.")
        case _:
            return Problem("internal")


def places_of(findings: Sequence[Finding]) -> list[Place]:
    """One place per question that a rejecting finding is about: its own, and those it lists in `data["questions"]`."""
    return [
        Place(_pointer(question), finding.code, finding.message, question, label)
        for finding in findings
        if finding.severity == "reject"
        for question, label in _concerned(finding).items()
    ]


def _concerned(finding: Finding) -> dict[str | None, str | None]:
    """Labels of the questions concerned, by place; None for the response as a whole."""
    labels: dict[str | None, str | None] = {} if finding.question is None else {finding.question: finding.label}
    listed = finding.data.get("questions")
    for item in listed if isinstance(listed, Sequence) else ():  # a plug-in may list anything
        question, label = (item.get("question"), item.get("label")) if isinstance(item, Mapping) else (None, None)
        if isinstance(question, str):
            labels.setdefault(question, label if isinstance(label, str) else None)
    return labels or {None: finding.label}


def _pointer(question: str | None) -> str:
    if question is None:
        return "#/answers"
    return "#/answers/" + question.replace("~", "~0").replace("[", "/").replace("].", "/").replace("]", "")
