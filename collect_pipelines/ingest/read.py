"""GET one response, its timeline, and a form's responses page by page."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import orjson
from sqlalchemy import Connection

from collect_pipelines.ingest.envelope import clean_id
from collect_pipelines.ingest.problems import Problem
from collect_pipelines.ingest.request import Reply, Request, json_reply
from collect_pipelines.ingest.services import Services
from collect_pipelines.ingest.submit import open_form
from collect_pipelines.store.journal import FormLine, journal_of
from collect_pipelines.store.keys import ApiKey
from collect_pipelines.store.log import StoredEntry, find_responses, list_responses, newest_response
from collect_pipelines.store.rejections import StoredRejection, find_rejections, numbered_attempts
from collect_pipelines.store.traces import BatchTrace, batches_of
from collect_pipelines.store.validation import quarantined_at

__all__ = ["list_form_responses", "show_response", "show_timeline"]

MAX_PAGE = 1_000
USUAL_PAGE = 100
PAGE_BYTES = 8 * 1024 * 1024  # a page of 1,000 responses of 1 MiB each would be more than the process has
STEP = 20  # entries read at a time, for the same reason

Found = TypeVar("Found", StoredEntry, StoredRejection)


async def show_response(services: Services, request: Request) -> Reply:
    """The newest revision, with the ETag that an edit names in If-Match. 410 for one that was deleted."""
    known = (await _revisions(services, request))[-1]
    newest = await services.threads.read(newest_response, known.form_id, known.response_id) or known
    if newest.operation == "delete":
        raise Problem("response-erased")
    document = _with_content(newest)
    return json_reply(200, document, [(b"etag", b'"%d"' % newest.revision)], response_id=newest.response_id)


async def show_timeline(services: Services, request: Request) -> Reply:
    """Every attempt, every revision and every delivery of it, oldest first: where the response is, and where it has been."""
    entries, rejections = await _attempts(services, request)
    events = [_sent_back(number, one) for number, one in numbered_attempts(entries, rejections) if isinstance(one, StoredRejection)]
    numbers = {one.position: number for number, one in numbered_attempts(entries, rejections) if isinstance(one, StoredEntry)}
    for entry in entries:
        facts = {"position": entry.position, "revision": entry.revision}
        attempt = {"attempt": numbers[entry.position]} if entry.position in numbers else {}
        events.append({"at": entry.received_at, "event": _received(entry.operation), **attempt, **facts, "version": entry.version})
        held = await services.threads.read(quarantined_at, entry.form_id, entry.position)
        if held is not None:
            # No destination gets it: the batches that cover its position leave it out.
            events.append({"at": held.created_at, "event": "quarantined", **facts, "reasons": held.reasons})
            continue
        for trace in await services.threads.read(batches_of, entry.form_id, entry.position):
            if trace.sent:
                events += [{**event, **facts} for event in _deliveries(trace)]
    if entries:
        form_id, response_id = entries[-1].form_id, entries[-1].response_id
        noted = await services.threads.read(journal_of, form_id, response_id, entries[-1].revision)
        events += [_noted(one) for one in noted]
    for event in events:
        event["at"] = _utc(event["at"])
    events.sort(key=lambda event: event["at"])
    known: StoredEntry | StoredRejection = entries[-1] if entries else rejections[-1]
    return json_reply(200, {"id": known.response_id, "form": known.form, "events": events}, response_id=known.response_id)


async def list_form_responses(services: Services, request: Request) -> Reply:
    """A page of the form's log in position order; `next` is the cursor of the following page, null at the end."""
    _, form = await open_form(services, request, "read")
    after = request.number("after", 0)
    limit = min(request.number("limit", USUAL_PAGE), MAX_PAGE) or 1
    entries, following = await services.threads.read(_page, form.form_id, after, limit)
    return json_reply(200, {"form": form.reference, "responses": entries, "next": following}, items=len(entries))


def _page(connection: Connection, form_id: int, after: int, limit: int) -> tuple[list[orjson.Fragment], int | None]:
    """Entries as JSON, at most `limit` and about PAGE_BYTES of them, and where the following page begins."""
    page: list[orjson.Fragment] = []
    size = 0
    while len(page) < limit and size < PAGE_BYTES:
        wanted = min(limit - len(page), STEP)
        entries = list_responses(connection, form_id, after, wanted)
        for entry in entries:
            text = orjson.dumps(_with_content(entry), option=orjson.OPT_UTC_Z)
            page.append(orjson.Fragment(text))
            size += len(text)
        if len(entries) < wanted:
            return page, None
        after = entries[-1].position
    return page, after


async def _revisions(services: Services, request: Request) -> list[StoredEntry]:
    """All revisions of the response in the path, oldest first, of the one form that has it; without their answers."""
    key = await services.authenticator.require(request, "read")
    response_id = clean_id(request.parameters["id"], "#")
    entries = await _of_form(services, request, key, await _stored(services, key, response_id))
    if not entries:
        raise Problem("unknown-response")
    _refuse_ambiguity(key, entries)
    request.form = entries[0].form
    return sorted(entries, key=lambda entry: entry.revision)


async def _attempts(services: Services, request: Request) -> tuple[list[StoredEntry], list[StoredRejection]]:
    """The same, with the attempts under this id that were sent back; those alone when none was accepted."""
    key = await services.authenticator.require(request, "read")
    response_id = clean_id(request.parameters["id"], "#")
    entries = await _of_form(services, request, key, await _stored(services, key, response_id))
    found = await services.threads.read(find_rejections, response_id, key.organization)
    rejections = await _of_form(services, request, key, found)
    if not entries and not rejections:
        raise Problem("unknown-response")
    _refuse_ambiguity(key, entries or rejections)
    # An id may have been tried with a wrong form first; the story is that of the form that has it.
    form_id = (entries or rejections)[0].form_id
    request.form = (entries or rejections)[0].form
    return sorted(entries, key=lambda entry: entry.revision), [one for one in rejections if one.form_id == form_id]


async def _stored(services: Services, key: ApiKey, response_id: str) -> list[StoredEntry]:
    return await services.threads.read(find_responses, response_id, key.organization, without_answers=True)


async def _of_form(services: Services, request: Request, key: ApiKey, found: list[Found]) -> list[Found]:
    """Those of the form that the request names, if it names one."""
    wanted = request.parameters.get("form") or request.query().get("form")
    if wanted is None:
        return found
    form = await services.forms.open(key, wanted)
    return [one for one in found if one.form_id == form.form_id]


def _refuse_ambiguity(key: ApiKey, found: Sequence[StoredEntry | StoredRejection]) -> None:
    forms = sorted({one.form for one in found})
    if len(forms) > 1:
        raise Problem("ambiguous-id", f"The forms {', '.join(forms)} of {key.organization} have a response of this id.")


def _sent_back(number: int, one: StoredRejection) -> dict[str, Any]:
    facts = {"operation": one.operation, "version": one.version, "source": one.source, "findings": one.findings}
    return {"at": one.attempted_at, "event": "sent-back", "attempt": number, **facts}


def _deliveries(trace: BatchTrace) -> list[dict[str, Any]]:
    """A batch planned, each attempt that failed, and what became of the entry in it."""
    batch = {"integration": trace.integration, "kind": trace.kind, "batch_no": trace.batch_no, "purpose": trace.purpose}
    events = [{"at": trace.planned_at, "event": "planned", **batch, "attempts": trace.attempts}]
    tried = [one for one in trace.history if one.error is not None and one.outcome != "landed"]
    events += [{"at": one.at, "event": "tried", **batch, "outcome": one.outcome, "error": one.error} for one in tried]
    if trace.state not in ("planned", "replaced"):
        word = trace.state if trace.fate is None else trace.fate.replace(" ", "-")
        at = trace.landed_at or trace.last_attempt_at or trace.planned_at
        events.append({"at": at, "event": word, **batch, "attempts": trace.attempts, "error": trace.reason or trace.error})
    return events


def _noted(one: FormLine) -> dict[str, Any]:
    """What a journal knows of an effect outside, e.g. an SMS; `at` is when that last changed."""
    line = one.line
    told = {name: line.detail[name] for name in ("revision", "reason", "code") if line.detail.get(name) is not None}
    return {"at": line.updated_at, "event": "noted", "integration": one.integration, "kind": one.kind, "state": line.state, **told}


def _as_json(entry: StoredEntry) -> dict[str, Any]:
    return {
        "id": entry.response_id,
        "form": entry.form,
        "position": entry.position,
        "revision": entry.revision,
        "operation": entry.operation,
        "version": entry.version,
        "submitted_at": _utc(entry.submitted_at),
        "received_at": _utc(entry.received_at),
        "source": entry.source,
        "respondent": entry.respondent,
    }


def _with_content(entry: StoredEntry) -> dict[str, Any]:
    return {**_as_json(entry), "answers": entry.answers, "answer_metadata": entry.answer_metadata, "flags": entry.flags}


def _received(operation: str) -> str:
    return {"create": "received", "edit": "edited", "delete": "deleted", "release": "released"}[operation]


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)
