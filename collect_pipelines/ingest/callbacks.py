"""
What SMS providers tell us: POST /v1/callbacks/{integration}/...

Nothing of it is imported before the first such request: the hot path and its start stay as they are.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from collect_pipelines.errors import CollectError, NotFound, Unavailable
from collect_pipelines.ingest.body import read_body
from collect_pipelines.ingest.cache import Cache
from collect_pipelines.ingest.problems import Problem
from collect_pipelines.ingest.request import Reply, Request
from collect_pipelines.ingest.threads import LOOKUP_SECONDS, StoreThreads
from collect_pipelines.model import JsonValue
from collect_pipelines.settings import Settings
from collect_pipelines.telemetry.logs import get_logger

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from collect_pipelines.destinations.sms.callbacks import Call, Report
    from collect_pipelines.destinations.sms.callbacks import Reply as SmsReply
    from collect_pipelines.destinations.sms.config import SmsConfig
    from collect_pipelines.ingest.services import Services

__all__ = ["CallbackDesk", "receive_reply", "receive_report"]

BODY_BYTES = 64 * 1024  # Twilio's callbacks have 1 KB
KNOWN_SECONDS = 10.0  # a changed configuration or secret counts so soon
MAX_DIGITS = 15
AT_ONCE = 2  # transactions of callbacks; the other threads are for those who send responses
REPLY = "reply"
"""Source of opt-outs that somebody wrote back."""
REPORT = "delivery report"
"""Who lets a response be looked at again."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Known:
    """An integration that takes callbacks."""

    integration_id: int
    organization_id: int
    config: "SmsConfig"
    secret: str = field(repr=False)


class CallbackDesk:
    """The integrations of this process that take callbacks, looked up at most every few seconds."""

    def __init__(self, threads: StoreThreads, settings: Settings) -> None:
        self._threads, self._settings = threads, settings
        self._known: Cache[int, _Known | None] = Cache(KNOWN_SECONDS)
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def transaction(
        self, function: "Callable[Concatenate[Connection, Arguments], Result]", *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> Result:
        """`function(connection, ...)`, a few at a time: a flood of callbacks delays no response. Raises Unavailable after a while."""
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                await self._turns.acquire()
        except TimeoutError as exc:
            raise Unavailable("Too many callbacks wait.", fix="They come again by themselves.") from exc
        try:
            return await self._threads.transaction(function, *arguments, **named)
        finally:
            self._turns.release()

    async def proven(self, request: Request) -> "tuple[_Known, Call]":
        """
        The integration of the path and the call, when it proves to come from its provider.

        Raises Problem `callback-unproven`, the same for an integration that is not there.
        """
        body = await read_body(request, BODY_BYTES)
        number = request.parameters["integration"]
        if not (number.isascii() and number.isdigit() and len(number) <= MAX_DIGITS):
            raise Problem("callback-unproven")
        known = await self._known.get(int(number), lambda: self.transaction(_find, int(number), self._settings))
        from collect_pipelines.destinations.sms.callbacks import Call, proven

        call = Call(_target(request), dict(_headers(request)), body)
        if known is None or not proven(known.config, known.secret, call):
            raise Problem("callback-unproven")
        return known, call


async def receive_report(services: "Services", request: Request) -> Reply:
    """What became of a message: updates its line of the journal. The same report again changes nothing."""
    known, call = await services.callbacks.proven(request)
    from collect_pipelines.destinations.sms.callbacks import read_report

    report = read_report(known.config, call)
    if report is not None:
        await services.callbacks.transaction(_note_report, known.integration_id, request.parameters["receipt"], report)
    return Reply(204)


async def receive_reply(services: "Services", request: Request) -> Reply:
    """STOP and its like put the number on the organization's opt-out list, START takes it off again. Other texts are dropped."""
    known, call = await services.callbacks.proven(request)
    from collect_pipelines.destinations.sms.callbacks import read_reply

    reply = read_reply(known.config, call)
    if reply is not None:
        await services.callbacks.transaction(_note_reply, known, reply)
    return Reply(204)


def _find(connection: "Connection", integration_id: int, settings: Settings) -> _Known | None:
    from pydantic import ValidationError

    from collect_pipelines.destinations.sms.callbacks import callback_secret
    from collect_pipelines.destinations.sms.config import SmsConfig
    from collect_pipelines.destinations.sms.keys import CHANNEL
    from collect_pipelines.store.integrations import integration_by_id
    from collect_pipelines.store.organizations import organization_id_of
    from collect_pipelines.store.secret_texts import secret_text

    try:
        found = integration_by_id(connection, integration_id)
    except NotFound:
        return None
    if found.kind != CHANNEL:
        return None
    try:
        config = SmsConfig.model_validate(found.config)
        reference = callback_secret(config)
        if reference is None:
            return None
        secret = secret_text(lambda: nullcontext(connection), settings, found.organization, reference)
    except (CollectError, ValidationError):
        log.warning("callbacks_unprovable", msg="The secret or the configuration of an integration can't be read.", integration=found.name)
        return None
    return _Known(integration_id, organization_id_of(connection, found.organization), config, secret)


def _note_report(connection: "Connection", integration_id: int, receipt: str, report: "Report") -> None:
    from collect_pipelines.destinations.sms.keys import claim_key, replaced_by, response_of
    from collect_pipelines.store.dead_letters import retry_unknown
    from collect_pipelines.store.journal import JournalLine, change_line, write_journal

    facts: dict[str, JsonValue] = {"code": report.code} if report.code else {}
    over = replaced_by(report.state)
    line = change_line(connection, integration_id, receipt, report.state, over=over, reference=report.message_id, facts=facts)
    if line is None:
        return
    # a doubt that a person was to decide about is over: the core finds the line, and counts it as delivered
    retry_unknown(connection, integration_id, response_of(receipt) or receipt, REPORT)
    if report.message_id is not None:
        write_journal(connection, integration_id, [JournalLine(claim_key(report.message_id), "claimed", detail={"receipt": receipt})])


def _note_reply(connection: "Connection", known: _Known, reply: "SmsReply") -> None:
    from collect_pipelines.destinations.sms.keys import CHANNEL
    from collect_pipelines.destinations.sms.numbers import sender_of
    from collect_pipelines.store.journal import JournalLine, write_journal
    from collect_pipelines.store.opt_outs import add_opt_outs, remove_opt_out

    number = sender_of(reply.sender, known.config.region)
    if number is None:
        log.warning("reply_from_nowhere", msg="Somebody replied STOP or START from what is no number.", integration_id=known.integration_id)
        return
    # a call that comes again must not undo what was decided since
    line = JournalLine(f"reply/{reply.proof}", reply.wish, over=())
    if reply.proof is not None and not write_journal(connection, known.integration_id, [line]):
        return
    if reply.wish == "stop":
        add_opt_outs(connection, known.organization_id, CHANNEL, [number], REPLY)
    else:
        remove_opt_out(connection, known.organization_id, CHANNEL, number, source=REPLY)


def _target(request: Request) -> str:
    raw: bytes = request.scope.get("raw_path") or request.path.encode()
    query: bytes = request.scope.get("query_string", b"")
    return (raw + (b"?" + query if query else b"")).decode("latin-1")


def _headers(request: Request) -> Iterator[tuple[str, str]]:
    for name, value in request.scope["headers"]:
        yield name.decode("latin-1").lower(), value.decode("latin-1")
