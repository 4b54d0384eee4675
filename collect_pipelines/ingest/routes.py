"""Every route of the interface in one table: routing, scopes and the OpenAPI document are made from it."""

# ruff: noqa: E501 - a table reads best with one row per line

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

from collect_pipelines.ingest import batch, callbacks, health, openapi, publish, read, submit
from collect_pipelines.ingest.google_connect import steps
from collect_pipelines.ingest.problems import Problem
from collect_pipelines.ingest.request import Reply, Request, json_reply
from collect_pipelines.ingest.services import Services
from collect_pipelines.store.keys import Scope

__all__ = ["ROUTES", "Handler", "Route", "find_route"]

Handler = Callable[[Services, Request], Awaitable[Reply]]
Counted = Literal["no", "request", "response"]


@dataclass(frozen=True, slots=True)
class Route:
    """One method on one path. `{name}` stands for one path segment."""

    method: str
    template: str
    handler: Handler
    summary: str
    scope: Scope | None = None
    answers: tuple[tuple[int, str], ...] = ((200, ""),)
    """Status and schema name of the good answers."""
    body: str | None = None
    """Schema name of the request body."""
    counted: Counted = "request"
    """`response`: one request is one response. Health and metrics are not counted: they would dilute the share of errors."""
    page: bool = False
    """For people in a browser: no part of the interface for programs, so not in the OpenAPI document."""


async def _show_openapi(_: Services, __: Request) -> Reply:
    return json_reply(200, openapi.document(ROUTES))


ROUTES: tuple[Route, ...] = (
    Route("POST", "/v1/forms/{form}/responses", submit.submit_response, "Submit a response.", "ingest", ((201, "Receipt"),), "Response", "response"),
    Route("POST", "/v1/forms/{form}/responses:validate", submit.validate_response, "Check a response, store nothing.", "ingest", ((200, "Verdict"),), "Response"),
    Route("POST", "/v1/forms/{form}/responses:batch", batch.submit_batch, "Submit up to 1,000 responses.", "ingest", ((201, "BatchReceipt"), (207, "BatchReceipt")), "Batch"),
    Route("GET", "/v1/forms/{form}/responses", read.list_form_responses, "List the form's log, page by page.", "read", ((200, "ResponsePage"),)),
    Route("GET", "/v1/forms/{form}/responses/{id}", read.show_response, "Show a response of the form.", "read", ((200, "StoredResponse"),)),
    Route("PUT", "/v1/forms/{form}/responses/{id}", submit.edit_response, "Replace a revision, or create under this id.", "ingest", ((200, "Receipt"), (201, "Receipt")), "Response", "response"),
    Route("DELETE", "/v1/forms/{form}/responses/{id}", submit.delete_response, "Delete a response.", "ingest", ((200, "Receipt"),), None, "response"),
    Route("GET", "/v1/responses/{id}", read.show_response, "Show a response.", "read", ((200, "StoredResponse"),)),
    Route("GET", "/v1/responses/{id}/timeline", read.show_timeline, "Show where a response has been.", "read", ((200, "Timeline"),)),
    Route("GET", "/v1/forms", publish.list_the_forms, "List the forms of the key's organization.", "read", ((200, "FormList"),)),
    Route("POST", "/v1/forms", publish.publish_version, "Publish a form version.", "admin", ((201, "Published"), (200, "Published")), "FormDefinition"),
    Route("GET", "/v1/forms/{form}", publish.show_form, "Show a form.", "read", ((200, "Form"),)),
    Route("GET", "/v1/forms/{form}/schema", publish.show_schema, "JSON Schema of the form's answers.", "read", ((200, "AnswerSchema"),)),
    Route("POST", "/v1/callbacks/{integration}/status/{receipt}", callbacks.receive_report, "Tell what became of a message (SMS providers).", None, ((204, ""),), "Callback"),
    Route("POST", "/v1/callbacks/{integration}/replies", callbacks.receive_reply, "Pass on a reply, e.g. STOP (SMS providers).", None, ((204, ""),), "Callback"),
    Route("GET", "/google/connect", steps.show_invitation, "Page that asks for a Google account.", page=True),
    Route("POST", "/google/connect", steps.begin, "Its button: on to Google.", page=True),
    Route("GET", "/google/callback", steps.come_back, "Page after Google.", page=True),
    Route("GET", "/livez", health.live, "Is the process alive.", None, ((200, "Live"),), None, "no"),
    Route("GET", "/readyz", health.ready, "Can it store responses.", None, ((200, "Ready"), (503, "Ready")), None, "no"),
    Route("GET", "/metrics", health.metrics, "Prometheus metrics.", None, ((200, "Metrics"),), None, "no"),
    Route("GET", "/openapi.json", _show_openapi, "This interface as OpenAPI 3.1.", None, ((200, "OpenApi"),), None, "no"),
    Route("GET", "/problems", health.list_problems, "Every problem code.", None, ((200, "ProblemList"),), None, "no"),
    Route("GET", "/problems/{code}", health.show_problem, "What a problem code means.", None, ((200, "ProblemKind"),), None, "no"),
)  # fmt: skip
"""In the order of the docs. HEAD is answered like GET, without the body."""


@dataclass(slots=True)
class _Node:
    """One step of a path: the routes that end here, and the steps that may follow."""

    routes: dict[str, Route] = field(default_factory=dict)
    steps: dict[str, "_Node"] = field(default_factory=dict)
    wildcard: tuple[str, "_Node"] | None = None


def find_route(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """The route and the values of its `{names}`. Raises Problem `unknown-path`, or `method-not-allowed` with the Allow header."""
    node = _TREE
    parameters: dict[str, str] = {}
    for step in path[1:].split("/"):
        following = node.steps.get(step)
        if following is None:
            if node.wildcard is None or not step:
                raise Problem("unknown-path")
            name, following = node.wildcard
            parameters[name] = step
        node = following
    if not node.routes:
        raise Problem("unknown-path")
    route = node.routes.get("GET" if method == "HEAD" else method)
    if route is None:
        allowed = ", ".join(sorted(node.routes))
        raise Problem("method-not-allowed", f"Offered here: {allowed}.", headers=[(b"allow", allowed.encode())])
    return route, parameters


def _tree(routes: tuple[Route, ...]) -> _Node:
    root = _Node()
    for route in routes:
        node = root
        for step in route.template[1:].split("/"):
            if step.startswith("{"):
                node.wildcard = node.wildcard or (step[1:-1], _Node())
                node = node.wildcard[1]
            else:
                node = node.steps.setdefault(step, _Node())
        node.routes[route.method] = route
    return root


_TREE = _tree(ROUTES)
