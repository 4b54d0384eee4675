"""POST many responses at once: each item stands for itself, all good ones are committed together."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from collect_pipelines.errors import Unavailable
from collect_pipelines.ingest.accept import NOTHING_CHECKED, submission_of
from collect_pipelines.ingest.attempts import attempt_of
from collect_pipelines.ingest.body import BATCH_BODY_BYTES, BODY_BYTES, JSON_TYPES, NDJSON_TYPES, media_type, read_body
from collect_pipelines.ingest.discretion import findings_for, problem_for
from collect_pipelines.ingest.door import read_json, split_array
from collect_pipelines.ingest.envelope import Envelope, read_envelope
from collect_pipelines.ingest.forms import OpenForm
from collect_pipelines.ingest.incoming import Incoming
from collect_pipelines.ingest.problems import Problem, from_error
from collect_pipelines.ingest.receipts import STORED, problem_of
from collect_pipelines.ingest.rechecking import ROUNDS, check_incoming
from collect_pipelines.ingest.request import Reply, Request, json_reply
from collect_pipelines.ingest.services import Services
from collect_pipelines.ingest.submit import is_stored, open_form
from collect_pipelines.model import Accepted, Submission
from collect_pipelines.store.keys import ApiKey
from collect_pipelines.store.rejections import Rejection

__all__ = ["MAX_ITEMS", "submit_batch"]

MAX_ITEMS = 1_000
BATCH_SECONDS = 20.0  # items whose checks have not begun by then are sent back as `overloaded`: gateways give up after 30 s
CHECKED_TOGETHER = 16  # items in their checks at a time, so that one batch can't take every thread
BREATH_ITEMS = 20  # after so many the event loop serves others; 20 items of 1.5 KB take about 2 ms


@dataclass(slots=True)
class _Item:
    """One response of the batch: either a submission or the problem that keeps it out."""

    response_id: str | None = None
    source: str = "api"
    incoming: Incoming | None = None
    submission: Submission | None = None
    flags: Sequence[Mapping[str, Any]] = ()
    rejection: Problem | None = None
    """What the checks say of a response whose id is in the log: told unless it turns out to be a replay."""
    problem: Problem | None = None
    attempt: Rejection | None = None
    """What is recorded when the checks' rejection is what the client is told; made at its time, not after the others are stored."""
    accepted: Accepted | None = None


async def submit_batch(services: Services, request: Request) -> Reply:
    """201 when every item is stored, else 207 with the reason per item. Sending the whole batch again is always safe."""
    key, form = await open_form(services, request, "ingest")
    kind = media_type(request, (*JSON_TYPES, *NDJSON_TYPES))
    body = await read_body(request, BATCH_BODY_BYTES)
    raw = split_array(body, MAX_ITEMS) if kind in JSON_TYPES else _lines(body)
    if not raw:
        raise Problem("json-empty", "The batch is empty.")
    items = await _prepare(services, request, key, form, raw)
    await _store(services, key, [item for item in items if item.submission is not None])
    for item in items:
        _note_attempt(services, key, item)
        item.flags = findings_for(key, item.flags)
    return _reply(services, request, form, items)


def _lines(body: bytes) -> list[bytes]:
    lines = [line for line in body.split(b"\n") if line.strip()]
    if len(lines) > MAX_ITEMS:
        raise Problem("batch-too-large", f"More than {MAX_ITEMS} items.")
    return lines


async def _store(services: Services, key: ApiKey, items: Sequence[_Item]) -> None:
    """All of them in one transaction; those that were overtaken (see `check_and_store`) are checked again and follow in another."""
    pending = items
    for number in range(1, ROUNDS + 1):
        if not pending:
            return
        try:
            stored = await services.writer.accept_many([item.submission for item in pending if item.submission is not None])
        except Unavailable as exc:
            if number == 1:
                raise
            for item in pending:  # the others are stored: what is away now concerns these alone
                item.problem = from_error(exc)
            return
        for item, accepted in zip(pending, stored, strict=True):
            _settle(services, item, accepted)
        overtaken = [item for item in pending if item.accepted is not None and item.accepted.outcome == "overtaken"]
        pending = await _checked_again(services, key, overtaken, number + 1)


async def _checked_again(services: Services, key: ApiKey, items: Sequence[_Item], number: int) -> list[_Item]:
    """Those that may still be stored."""
    places = asyncio.Semaphore(CHECKED_TOGETHER)

    async def checked(item: _Item) -> bool:
        assert item.incoming is not None
        async with places:
            try:
                kept, item.submission = await check_incoming(services, item.incoming, number)
            except Problem as problem:
                item.problem, item.attempt = problem, attempt_of(item.incoming, problem, key.key_id)
                return False
        item.flags = kept.flags
        return True

    results = await asyncio.gather(*map(checked, items))
    return [item for item, good in zip(items, results, strict=True) if good]


async def _prepare(services: Services, request: Request, key: ApiKey, form: OpenForm, raw: Sequence[bytes]) -> list[_Item]:
    """Every item parsed and checked, in order. Only Unavailable, which concerns all of them, is raised."""
    deadline = asyncio.get_running_loop().time() + BATCH_SECONDS
    places = asyncio.Semaphore(CHECKED_TOGETHER)

    async def prepared(text: bytes) -> _Item:
        async with places:
            item = _Item()
            try:
                if asyncio.get_running_loop().time() > deadline:
                    raise Problem("overloaded", "The checks of the items before took too long. This item was not stored.")
                await _prepare_one(services, request, key, form, text, item)
            except Problem as problem:
                item.problem = problem
            return item

    items: list[_Item] = []
    for start in range(0, len(raw), BREATH_ITEMS):
        items += await asyncio.gather(*map(prepared, raw[start : start + BREATH_ITEMS]))
        await asyncio.sleep(0)
    return items


async def _prepare_one(services: Services, request: Request, key: ApiKey, form: OpenForm, text: bytes, item: _Item) -> None:
    if len(text) > BODY_BYTES:
        raise Problem("body-too-large", f"The item is larger than {BODY_BYTES} bytes.")
    envelope = read_envelope(read_json(text))
    item.response_id, item.source = envelope.response_id, envelope.source
    if envelope.response_id is None:
        raise Problem.at("id-required", "#/id", "Each item needs an id of its own.")
    _refuse_revision(envelope)
    version = await services.forms.version(key, form, envelope.version)
    item.incoming = Incoming(form, version, envelope, envelope.response_id, request.language(version.definition.languages))
    try:
        checked, item.submission = await check_incoming(services, item.incoming)
    except Problem as rejection:
        item.attempt = attempt_of(item.incoming, rejection, key.key_id)
        if not await is_stored(services, form, envelope.response_id):
            raise
        item.rejection = rejection
        item.submission = submission_of(form, version, envelope, envelope.response_id, NOTHING_CHECKED)
    else:
        item.flags = checked.flags


def _refuse_revision(envelope: Envelope) -> None:
    if envelope.revision is not None:
        raise Problem.at("envelope", "#/revision", "A batch holds new responses only; PUT an edit under its id.")


def _settle(services: Services, item: _Item, accepted: Accepted) -> None:
    item.accepted = accepted
    if accepted.outcome == "accepted":
        services.metrics.stored(accepted.received_at)
    elif accepted.outcome not in (*STORED, "overtaken"):
        item.problem = item.rejection or problem_of(accepted)


def _note_attempt(services: Services, key: ApiKey, item: _Item) -> None:
    if item.problem is not None and item.problem.code == "answers-rejected" and item.attempt is not None:
        services.attempts.note(item.attempt)
        item.problem = problem_for(key, item.problem).about(item.attempt.response_id)


def _reply(services: Services, request: Request, form: OpenForm, items: Sequence[_Item]) -> Reply:
    counts = {"accepted": 0, "duplicate": 0, "rejected": 0}
    results = []
    for index, item in enumerate(items):
        outcome = "rejected" if item.problem else "accepted" if item.accepted and item.accepted.outcome == "accepted" else "duplicate"
        counts[outcome] += 1
        services.metrics.responses(form.reference, item.source, outcome)
        results.append(_result(index, item, request.request_id))
    document = {"accepted": counts["accepted"], "duplicates": counts["duplicate"], "rejected": counts["rejected"], "results": results}
    request.source = items[0].source
    whole = "rejected" if counts["rejected"] else "accepted" if counts["accepted"] else "duplicate"
    return json_reply(207 if counts["rejected"] else 201, document, outcome=whole, items=len(items))


def _result(index: int, item: _Item, request_id: str) -> dict[str, Any]:
    result: dict[str, Any] = {"index": index, "id": item.response_id}
    if item.problem is not None:
        return {**result, "status": item.problem.kind.status, "problem": item.problem.as_json(request_id)}
    assert item.accepted is not None
    result |= {"status": 201, "position": item.accepted.position, "revision": item.accepted.revision}
    if item.accepted.outcome == "replayed":
        result["replayed"] = True
    elif item.flags:
        result["flags"] = item.flags
    return result
