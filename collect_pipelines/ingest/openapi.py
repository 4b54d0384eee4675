"""The interface as an OpenAPI 3.1 document, made from the table of routes and the table of problems."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from collect_pipelines.ingest.body import JSON_TYPES, NDJSON_TYPES, YAML_TYPES
from collect_pipelines.ingest.problems import PROBLEMS

if TYPE_CHECKING:
    from collect_pipelines.ingest.routes import Route

__all__ = ["SCHEMAS", "document"]

_PARAMETERS = {
    "form": "Reference of the form.",
    "id": "Id of the response: 1 to 64 of A-Z a-z 0-9 : . _ -",
    "code": "Code of a problem.",
    "integration": "Number of the integration.",
    "receipt": "Name of the message, as the provider was told.",
}
_FORM_TYPES = ("application/x-www-form-urlencoded",)
_BODY_TYPES = {
    "Callback": JSON_TYPES + _FORM_TYPES,
    "Response": JSON_TYPES,
    "Batch": JSON_TYPES + NDJSON_TYPES,
    "FormDefinition": JSON_TYPES + YAML_TYPES,
}
_REPLY_TYPES = {"Metrics": "text/plain", "AnswerSchema": "application/schema+json"}
_SHARED_STATUSES = (400, 401, 403, 404, 409, 410, 413, 415, 422, 428, 503)
"""Problems that more than one route answers with; the codes are in `Problem.code`."""


def _object(description: str, required: tuple[str, ...] = (), closed: bool = False, **members: Any) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "description": description, "properties": members}
    if required:
        schema["required"] = list(required)
    if closed:
        schema["additionalProperties"] = False
    return schema


def _list_of(name: str) -> dict[str, Any]:
    return {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}}


_TEXT = {"type": "string"}
_NUMBER = {"type": "integer"}
_TIME = {"type": "string", "format": "date-time"}
_MAYBE_TIME = {"type": ["string", "null"], "format": "date-time"}
_MAYBE_TEXT = {"type": ["string", "null"]}
_ANY_OBJECT = {"type": "object"}

SCHEMAS: dict[str, dict[str, Any]] = {
    "Response": _object(
        "A response. `id` may be left out when an Idempotency-Key is sent, or when the id is in the path.",
        ("answers",),
        closed=True,
        id={"type": "string", "pattern": "^(uuid:)?[A-Za-z0-9:._-]{1,64}$"},
        answers={"type": "object", "description": "Question key to answer; see the form's schema."},
        version={"type": "integer", "minimum": 1, "description": "Form version it was filled with; the newest when left out."},
        submitted_at={**_TIME, "description": "The device's clock when it was finished."},
        respondent={"type": "string", "minLength": 1, "maxLength": 256},
        source={"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
        metadata={"type": "object", "description": "Facts about the response, at most 16 KiB."},
        language={"type": "string", "description": "Language of messages; goes before Accept-Language."},
        revision={"type": "integer", "minimum": 1, "description": "In an edit: the revision it replaces. If-Match says the same."},
    ),
    "Batch": {"type": "array", "items": {"$ref": "#/components/schemas/Response"}, "minItems": 1, "maxItems": 1000},
    "Finding": _object(
        "What a check says.",
        ("code", "severity", "message"),
        code=_TEXT,
        severity={"enum": ["reject", "flag", "note"]},
        message=_TEXT,
        question=_TEXT,
        label=_TEXT,
        data=_ANY_OBJECT,
    ),
    "CheckResult": _object(
        "How one check ended.",
        ("check", "outcome", "findings"),
        check=_TEXT,
        outcome={"enum": ["passed", "flagged", "rejected", "error", "timeout", "skipped"]},
        findings=_list_of("Finding"),
    ),
    "Receipt": _object(
        "The response is stored durably. A replay gets the same body and the header `Idempotent-Replayed: true`.",
        ("id", "form", "position", "revision", "version", "received_at", "checks"),
        id=_TEXT,
        form=_TEXT,
        position=_NUMBER,
        revision=_NUMBER,
        version=_NUMBER,
        received_at=_TIME,
        checks=_list_of("CheckResult"),
    ),
    "Verdict": _object("It would be accepted.", valid={"const": True}, form=_TEXT, version=_NUMBER, checks=_list_of("CheckResult")),
    "BatchResult": _object(
        "What became of one item.",
        ("index", "id", "status"),
        index=_NUMBER,
        id=_MAYBE_TEXT,
        status=_NUMBER,
        position=_NUMBER,
        revision=_NUMBER,
        replayed={"type": "boolean"},
        flags=_list_of("Finding"),
        problem={"$ref": "#/components/schemas/Problem"},
    ),
    "BatchReceipt": _object(
        "One result per item, in order; items with status 201 are stored durably.",
        ("accepted", "duplicates", "rejected", "results"),
        accepted=_NUMBER,
        duplicates=_NUMBER,
        rejected=_NUMBER,
        results=_list_of("BatchResult"),
    ),
    "StoredResponse": _object(
        "The newest revision.",
        ("id", "form", "position", "revision", "operation", "version", "received_at", "answers"),
        id=_TEXT,
        form=_TEXT,
        position=_NUMBER,
        revision=_NUMBER,
        operation={"enum": ["create", "edit", "delete", "release"]},
        version=_NUMBER,
        submitted_at=_MAYBE_TIME,
        received_at=_TIME,
        source=_TEXT,
        respondent=_MAYBE_TEXT,
        answers=_ANY_OBJECT,
        flags=_list_of("Finding"),
    ),
    "ResponsePage": _object("A page of the log.", form=_TEXT, responses=_list_of("StoredResponse"), next={"type": ["integer", "null"]}),
    "Timeline": _object("Where it has been, oldest first.", id=_TEXT, form=_TEXT, events={"type": "array", "items": _ANY_OBJECT}),
    "FormSummary": _object(
        "A form.", form=_TEXT, title=_ANY_OBJECT, state={"enum": ["open", "closed", "archived"]}, version=_NUMBER, responses=_NUMBER
    ),
    "FormList": _object("Forms of the organization.", forms=_list_of("FormSummary")),
    "Form": _object("A form with its definition.", form=_TEXT, shown_version=_NUMBER, definition=_ANY_OBJECT, versions={"type": "array"}),
    "Callback": {"type": "object", "description": "What the provider says, in its own words; see docs/destinations/sms.md."},
    "FormDefinition": {"type": "object", "description": "A form file; see docs/forms.md."},
    "Published": _object("The newest version.", ("form", "version", "created"), form=_TEXT, version=_NUMBER, created={"type": "boolean"}),
    "AnswerSchema": {"type": "object", "description": "JSON Schema 2020-12."},
    "Live": _object("The process is alive.", live={"const": True}),
    "Ready": _object("Whether responses can be stored, and if not, why.", ready={"type": "boolean"}, problems=_ANY_OBJECT),
    "Metrics": {"type": "string", "description": "Prometheus text format."},
    "OpenApi": {"type": "object"},
    "ProblemKind": _object("What a code means.", code=_TEXT, status=_NUMBER, title=_TEXT, next_step=_TEXT, retryable={"type": "boolean"}),
    "ProblemList": _object("Every code.", problems=_list_of("ProblemKind")),
    "Place": _object(
        "One thing that is wrong, and where.",
        ("pointer", "code", "message"),
        pointer=_TEXT,
        code=_TEXT,
        message=_TEXT,
        question=_TEXT,
        label=_TEXT,
    ),
    "Problem": _object(
        "RFC 9457 problem details.",
        ("type", "title", "status", "detail", "code", "request_id", "retryable", "next_step", "errors"),
        type={"type": "string", "format": "uri-reference"},
        title=_TEXT,
        status=_NUMBER,
        detail=_TEXT,
        code={"enum": list(PROBLEMS)},
        request_id=_TEXT,
        retryable={"type": "boolean"},
        next_step=_TEXT,
        errors=_list_of("Place"),
        checks=_list_of("CheckResult"),
        response_id={**_TEXT, "description": "Of `answers-rejected`: the id to send the corrected response with."},
        current_revision=_NUMBER,
    ),
}


def document(routes: "Iterable[Route]") -> dict[str, Any]:
    """The whole document."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        if route.page:
            continue
        paths.setdefault(route.template, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "collect-pipelines ingest",
            "version": "1",
            "description": "Responses in. A 201 means: stored durably. Every refusal is an RFC 9457 problem with a stable `code`.",
        },
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "`collect keys create`"}},
        },
    }


def _operation(route: "Route") -> dict[str, Any]:
    replies = {str(status): _reply(schema) if schema else {"description": "Taken."} for status, schema in route.answers}
    if route.body == "Callback":
        replies |= {str(status): _refusal(status) for status in (401, 413)}
    if route.scope is not None:
        for status in _SHARED_STATUSES:
            replies.setdefault(str(status), _refusal(status))
    operation: dict[str, Any] = {
        "operationId": route.handler.__name__.strip("_") + _suffix(route),
        "summary": route.summary,
        "parameters": [_parameter(step[1:-1]) for step in route.template.split("/") if step.startswith("{")],
        "responses": replies,
    }
    if route.scope is not None:
        operation["security"] = [{"key": [route.scope]}]
    if route.body is not None:
        schema = {"$ref": f"#/components/schemas/{route.body}"}
        operation["requestBody"] = {"required": True, "content": {kind: {"schema": schema} for kind in _BODY_TYPES[route.body]}}
    return operation


def _suffix(route: "Route") -> str:
    return "_of_form" if route.template == "/v1/forms/{form}/responses/{id}" and route.method == "GET" else ""


def _parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "description": _PARAMETERS[name], "schema": {"type": "string"}}


def _reply(schema: str) -> dict[str, Any]:
    kind = _REPLY_TYPES.get(schema, "application/json")
    text = str(SCHEMAS[schema].get("description", schema))
    return {"description": text, "content": {kind: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}}


def _refusal(status: int) -> dict[str, Any]:
    codes = ", ".join(code for code, kind in PROBLEMS.items() if kind.status == status)
    return {
        "description": f"Refused: {codes}.",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
