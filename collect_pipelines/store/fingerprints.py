"""Fingerprints of accepted responses: which earlier response has the same one. Digests only, each kept for its window."""

import asyncio
import hashlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

import asyncpg
from sqlalchemy import Connection, text

from collect_pipelines.errors import Unavailable
from collect_pipelines.model import Earlier, Fingerprint
from collect_pipelines.store.accepting import asyncpg_url
from collect_pipelines.store.marks import FIND_FINGERPRINTS

__all__ = ["Finder", "prune_fingerprints", "sealed"]

ANSWER_SECONDS = 1.5  # a check waits no longer; its own time-out is usually much shorter
CONNECT_SECONDS = 1.0
MAX_GROUP = 500  # responses asked about in one query

DELETE_EXPIRED = text("""
    delete from collect.fingerprint where ctid = any(array(
        select ctid from collect.fingerprint where expires_at < statement_timestamp() order by expires_at limit :size
    ))
""")


def sealed(form_id: int, fingerprint: Fingerprint) -> Fingerprint:
    """The fingerprint as it is stored and looked up: SHA-256 of form, name and value."""
    # Promise 10: the value may be an answer; what is stored tells nothing and fits no other form or name.
    named = b"fingerprint\0%d\0%s\0" % (form_id, fingerprint.name.encode())
    return Fingerprint(fingerprint.name, hashlib.sha256(named + fingerprint.value).digest(), fingerprint.within_seconds)


def prune_fingerprints(connection: Connection, size: int) -> int:
    """Forgets fingerprints whose window is over, `size` at most, and says how many those were."""
    return connection.execute(DELETE_EXPIRED, {"size": size}).rowcount


@dataclass(slots=True, eq=False)
class _Question:
    form_id: int
    response_id: str
    fingerprints: Sequence[Fingerprint]
    answer: "asyncio.Future[tuple[Earlier, ...]]"


class Finder:
    """
    Looks fingerprints up for responses that are being checked. One per process and event loop.

    One connection, made when it is first needed; what is asked while a query runs is asked together in the next one.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Any = None
        self._statement: Any = None
        self._queue: deque[_Question] = deque()
        self._task: asyncio.Task[None] | None = None

    async def earlier(self, form_id: int, response_id: str, fingerprints: Sequence[Fingerprint]) -> tuple[Earlier, ...]:
        """
        For each fingerprint (sealed), the newest three other responses that have it and came within its window; oldest first.

        Raises Unavailable while Postgres is away.
        """
        if not fingerprints:
            return ()
        loop = asyncio.get_running_loop()
        question = _Question(form_id, response_id, fingerprints, loop.create_future())
        self._queue.append(question)
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._answer_all())
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await question.answer
        except TimeoutError as exc:
            raise _away() from exc

    async def close(self) -> None:
        """Ends the connection; whoever still waits is told Unavailable."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._fail(self._queue)
        self._queue.clear()
        self._disconnect()

    async def _answer_all(self) -> None:
        while self._queue:
            group = [self._queue.popleft() for _ in range(min(len(self._queue), MAX_GROUP))]
            group = [question for question in group if not question.answer.done()]  # who went away is not asked for
            try:
                answers = await self._ask(group) if group else []
            except BaseException as exc:
                # Whatever it is, a new connection finds out whether it was the connection's fault.
                self._disconnect()
                self._fail(group)
                if not isinstance(exc, Exception):
                    raise
                continue
            for question, answer in zip(group, answers, strict=True):
                if not question.answer.done():
                    question.answer.set_result(answer)

    async def _ask(self, group: Sequence[_Question]) -> list[tuple[Earlier, ...]]:
        statement = await self._prepared()
        asked = [(number, question, one) for number, question in enumerate(group) for one in question.fingerprints]
        rows = await statement.fetch(
            [number for number, *_ in asked],
            [question.form_id for _, question, _ in asked],
            [question.response_id for _, question, _ in asked],
            [one.name for *_, one in asked],
            [one.value for *_, one in asked],
            [one.within_seconds for *_, one in asked],
        )
        answers: list[list[Earlier]] = [[] for _ in group]
        for row in rows:
            answers[row["number"]].append(Earlier(row["name"], row["response_id"], row["received_at"].astimezone(UTC)))
        return [tuple(sorted(answer, key=lambda one: (one.received_at, one.response_id))) for answer in answers]

    async def _prepared(self) -> Any:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(
                asyncpg_url(self._url),
                timeout=CONNECT_SECONDS,
                command_timeout=ANSWER_SECONDS,
                statement_cache_size=0,
                server_settings={
                    "application_name": "collect-ingest-finder",
                    "default_transaction_read_only": "on",
                    "plan_cache_mode": "force_generic_plan",
                    "jit": "off",
                },
            )
            self._statement = await self._connection.prepare(FIND_FINGERPRINTS)
        return self._statement

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
        self._connection = self._statement = None

    def _fail(self, questions: Sequence[_Question] | deque[_Question]) -> None:
        for question in questions:
            if not question.answer.done():
                question.answer.set_exception(_away())


def _away() -> Unavailable:
    return Unavailable("Earlier responses can't be looked up now.", fix="See /readyz of the ingest endpoint.")
