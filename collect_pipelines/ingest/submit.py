"""POST a response, validate it without storing, PUT a new revision, DELETE it."""

from typing import Any

from collect_pipelines.errors import Unavailable
from collect_pipelines.ingest.accept import NOTHING_CHECKED, Checked, check, checks_as_json, stored_checks, submission_of
from collect_pipelines.ingest.attempts import attempt_of
from collect_pipelines.ingest.body import JSON_TYPES, media_type, read_body
from collect_pipelines.ingest.discretion import checks_for, problem_for
from collect_pipelines.ingest.door import read_json
from collect_pipelines.ingest.envelope import Envelope, clean_id, read_envelope
from collect_pipelines.ingest.forms import OpenForm
from collect_pipelines.ingest.identity import identify, replaced_revision, revision_in
from collect_pipelines.ingest.incoming import Incoming
from collect_pipelines.ingest.problems import Problem
from collect_pipelines.ingest.receipts import STORED, problem_of, receipt, receipt_headers
from collect_pipelines.ingest.rechecking import check_and_store
from collect_pipelines.ingest.recognition import Recognition
from collect_pipelines.ingest.request import Reply, Request, json_reply
from collect_pipelines.ingest.services import Services
from collect_pipelines.model import Accepted
from collect_pipelines.store.keys import ApiKey, Scope
from collect_pipelines.store.log import list_responses, newest_response

__all__ = ["delete_response", "edit_response", "is_stored", "open_form", "submit_response", "validate_response"]

_OUTCOMES = {"accepted": "accepted", "replayed": "duplicate"}


async def submit_response(services: Services, request: Request) -> Reply:
    """201 once it is committed, and the same 201 for every replay (promises 1 and 2)."""
    key, form = await open_form(services, request, "ingest")
    envelope = await _read(request)
    _refuse_revision(envelope)
    response_id, by_key = identify(request, envelope, form.form_id)
    return await _create(services, request, key, form, envelope, response_id, by_key)


async def validate_response(services: Services, request: Request) -> Reply:
    """What `submit_response` would say, with 200 instead of 201; nothing is written."""
    key, form = await open_form(services, request, "ingest")
    envelope = await _read(request)
    version = await services.forms.version(key, form, envelope.version)
    response_id = envelope.response_id or ""
    recognition = Recognition(services.fingerprints, form.form_id, response_id)
    try:
        checked = await check(version, envelope, response_id, request.language(version.definition.languages), services.metrics, recognition)
    except Problem as rejection:
        raise problem_for(key, rejection) from None
    checks = checks_for(key, checks_as_json(checked.outcomes))
    return json_reply(200, {"valid": True, "form": form.reference, "version": version.number, "checks": checks})


async def edit_response(services: Services, request: Request) -> Reply:
    """A new revision that names the one it replaces; with `If-None-Match: *` a create under the id in the path."""
    key, form = await open_form(services, request, "ingest")
    envelope = await _read(request)
    response_id = _id_in_path(request, envelope)
    if request.text_header(b"if-none-match") == "*":
        _refuse_revision(envelope)
        return await _create(services, request, key, form, envelope, response_id, by_key=False)
    replaces = replaced_revision(request, envelope.revision)
    version = await services.forms.version(key, form, envelope.version)
    incoming = Incoming(form, version, envelope, response_id, request.language(version.definition.languages), "edit", replaces)
    try:
        accepted, checked = await check_and_store(services, incoming)
    except Problem as rejection:
        raise _sent_back(services, key, incoming, rejection) from None
    return await _answer(services, key, form, accepted, checked, 200)


async def delete_response(services: Services, request: Request) -> Reply:
    """A last revision without answers; destinations that can, delete the row (promise 6)."""
    key, form = await open_form(services, request, "ingest")
    response_id = clean_id(request.parameters["id"], "#")
    replaces = replaced_revision(request, revision_in(request.query().get("revision")))
    version = await services.forms.version(key, form, None)
    submission = submission_of(form, version, Envelope({}), response_id, NOTHING_CHECKED, "delete", replaces)
    return await _answer(services, key, form, await services.writer.accept(submission), NOTHING_CHECKED, 200)


async def open_form(services: Services, request: Request, scope: Scope) -> tuple[ApiKey, OpenForm]:
    """The caller's key and the form in the path, noted on the request for log and metrics."""
    key = await services.authenticator.require(request, scope)
    form = await services.forms.open(key, request.parameters["form"])
    request.form = form.reference
    return key, form


async def _read(request: Request) -> Envelope:
    media_type(request, JSON_TYPES)
    envelope = read_envelope(read_json(await read_body(request)))
    request.source = envelope.source
    return envelope


async def _create(
    services: Services, request: Request, key: ApiKey, form: OpenForm, envelope: Envelope, response_id: str, by_key: bool
) -> Reply:
    version = await services.forms.version(key, form, envelope.version)
    incoming = Incoming(form, version, envelope, response_id, request.language(version.definition.languages))
    try:
        accepted, checked = await check_and_store(services, incoming)
    except Problem as rejection:
        if await is_stored(services, form, response_id):
            accepted = await services.writer.accept(submission_of(form, version, envelope, response_id, NOTHING_CHECKED))
            if accepted.outcome == "replayed":
                return await _reply(services, key, form, accepted, NOTHING_CHECKED, 201)
        raise _sent_back(services, key, incoming, rejection) from None
    return await _answer(services, key, form, accepted, checked, 201, by_key=by_key)


def _sent_back(services: Services, key: ApiKey, incoming: Incoming, rejection: Problem) -> Problem:
    """The rejection with the response's id, so that the corrected response is sent under the same one; the attempt is recorded."""
    services.attempts.note(attempt_of(incoming, rejection, key.key_id))
    return problem_for(key, rejection).about(incoming.response_id)


async def is_stored(services: Services, form: OpenForm, response_id: str) -> bool:
    """
    Whether the form has a response of this id, in any state.

    Promise 2: a replay is a replay, also when a newer version or a check that is away would refuse it today. An id that is in the
    log stays there, so a create under it can be handed to the writer unchecked: it is replayed or refused, never stored.
    """
    return await services.threads.transaction(newest_response, form.form_id, response_id) is not None


async def _answer(
    services: Services, key: ApiKey, form: OpenForm, accepted: Accepted, checked: Checked, status: int, *, by_key: bool = False
) -> Reply:
    if accepted.outcome not in STORED:
        raise problem_of(accepted, by_idempotency_key=by_key)
    return await _reply(services, key, form, accepted, checked, status)


async def _reply(services: Services, key: ApiKey, form: OpenForm, accepted: Accepted, checked: Checked, status: int) -> Reply:
    if accepted.outcome == "replayed":
        checks = await _checks_then(services, key, form, accepted)
    else:
        services.metrics.stored(accepted.received_at)
        checks = checks_as_json(checked.outcomes)
    # Promise 1: the writer returned, so the commit is on disk; only now is it acknowledged.
    return json_reply(
        status,
        receipt(form.reference, accepted, checks_for(key, checks)),
        receipt_headers(accepted),
        outcome=_OUTCOMES[accepted.outcome],
        response_id=accepted.response_id,
        position=accepted.position,
    )


async def _checks_then(services: Services, key: ApiKey, form: OpenForm, accepted: Accepted) -> list[dict[str, Any]]:
    """What the checks said when it was stored: the replay of a 201 is that 201."""
    assert accepted.position is not None
    try:
        (entry,) = await services.threads.transaction(list_responses, form.form_id, accepted.position - 1, 1)
    except Unavailable as exc:
        raise Problem("unavailable", "The response is stored, but its receipt can't be read now.") from exc
    if entry.operation == "delete":
        return []
    version = await services.forms.version(key, form, entry.version)
    return stored_checks(version.check_names, entry.flags)


def _id_in_path(request: Request, envelope: Envelope) -> str:
    response_id = clean_id(request.parameters["id"], "#")
    if envelope.response_id is not None and envelope.response_id != response_id:
        raise Problem.at("envelope", "#/id", "`id` differs from the id in the path.")
    return response_id


def _refuse_revision(envelope: Envelope) -> None:
    if envelope.revision is not None:
        raise Problem.at("envelope", "#/revision", "A new response replaces no revision; to change a stored one, PUT it under its id.")
