"""A check that runs in the processes of its kind: whatever it does, ingest is not part of it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import orjson

from collect_pipelines.checks.breaker import Breaker
from collect_pipelines.checks.interface import Draft, References
from collect_pipelines.checks.isolation.child import Message
from collect_pipelines.checks.isolation.processes import CheckProcesses
from collect_pipelines.checks.isolation.tenant import Crashed, NotReady, Overran, Tenant, Unheeded
from collect_pipelines.checks.isolation.wire import draft_document, findings_of, fingerprints_of, reason_of
from collect_pipelines.checks.said import GettingReady, LookUp, NotNow, Said, told_earlier
from collect_pipelines.checks.verdict import Nonsense, sound_findings, sound_fingerprints, sound_metadata
from collect_pipelines.errors import Unavailable
from collect_pipelines.forms.definition import CheckSettings, FormDefinition
from collect_pipelines.model import Earlier

__all__ = ["IsolatedCheck"]

RETRY_LISTS_SECONDS = 2.0  # Postgres was away when its reference lists were read


class IsolatedCheck:
    """One check of one form version, in the processes of its kind."""

    waits = True

    def __init__(self, kind: str, settings: CheckSettings, definition: FormDefinition, breaker: Breaker, processes: CheckProcesses) -> None:
        self.kind = kind
        self.settings = settings
        self.breaker = breaker
        self._definition = definition
        self._processes = processes
        self._deadline = definition.deadline_ms / 1000
        self._limit = min(settings.timeout_ms / 1000, self._deadline)
        self._pool = processes.of(kind)
        self._tenant = Tenant(processes.next_key(), definition.form, b"", settings.config, breaker, self._limit)
        self._first_wait: float | None = None
        self._reading: asyncio.Task[None] | None = None
        self._read: Callable[[tuple[str, ...]], Awaitable[References]] | None = None

    @property
    def problem(self) -> str | None:
        """Why it can't be used."""
        return self._tenant.problem or (None if self._pool.is_ready(self._tenant) else self._pool.problem)

    @property
    def references(self) -> tuple[str, ...]:
        """The lists it wants, as far as that is known yet."""
        return self._pool.facts.references if self._pool.facts is not None else ()

    async def prepare(self, read: Callable[[tuple[str, ...]], Awaitable[References]]) -> None:
        """Has it made ready in the background, or ready anew after a change of its lists."""
        if self._read is None:
            self._read = read
            async with self._processes.preparing:
                self._tenant.form = await asyncio.to_thread(lambda: self._definition.model_dump_json(exclude_defaults=True).encode())
            self._pool.admit(self._tenant)
            self._pool.on_news(self._want_lists)
        elif self.references:
            await self._supply(read)
        self._want_lists()

    async def is_ready(self, seconds: float) -> bool:
        """Waits until it can be asked at once, or can't be used; False when that takes longer."""
        news = asyncio.Event()
        stop = self._pool.on_news(news.set)
        try:
            async with asyncio.timeout(seconds):
                while not self._pool.is_ready(self._tenant) and self.problem is None:
                    await news.wait()
                    news.clear()
        except TimeoutError:
            return False
        finally:
            stop()
        return True

    async def ask(self, draft: Draft, seconds: float, look_up: LookUp) -> Said:
        """What it says. Raises Nonsense, NotNow or TimeoutError."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        if not self._pool.is_ready(self._tenant):
            until = await self._until_ready(until)
        earlier: tuple[Earlier, ...] = ()
        if self._pool.facts is not None and self._pool.facts.fingerprints:
            answer = await self._answer("fingerprints", draft_document(draft), until)
            wanted = sound_fingerprints(fingerprints_of(answer.get("fingerprints")))
            async with asyncio.timeout_at(until):
                earlier = await told_earlier(self.kind, wanted, look_up)
        answer = await self._answer("check", draft_document(draft, earlier), until)
        return sound_findings(findings_of(answer.get("findings"))), sound_metadata(answer.get("metadata"))

    async def _until_ready(self, until: float) -> float:
        """
        The check's time begins when it is ready. For that the first responses may wait as long as the form allows, but those that
        come later do not wait again: a plug-in that never comes up must not slow everything down.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._first_wait = self._first_wait or now
        if not await self.is_ready(max(0.0, self._first_wait + self._deadline - now)):
            raise GettingReady
        self._first_wait = None
        spent = loop.time() - now
        return min(until + spent, now + self._deadline)

    async def _answer(self, do: Literal["fingerprints", "check"], document: dict[str, Any], until: float) -> Message:
        try:
            future = self._pool.ask(self._tenant, do, document)
            async with asyncio.timeout_at(until):
                answer = await future
        except NotReady as exc:
            raise NotNow(str(exc)) from None
        except (TypeError, ValueError):
            raise Nonsense("can't be given these answers") from None
        except Overran:
            raise TimeoutError from None
        except Crashed as exc:
            raise Nonsense(str(exc)) from None
        except Unheeded as exc:
            raise NotNow(str(exc)) from None
        if "error" in answer:
            raise Nonsense(reason_of(answer["error"]))
        return answer

    def _want_lists(self) -> None:
        """Reads the reference lists once it is known that the plug-in wants some."""
        if self.references and self._tenant.references is None and self._reading is None:
            self._reading = asyncio.get_running_loop().create_task(self._read_lists())

    async def _read_lists(self) -> None:
        assert self._read is not None
        while self._tenant.references is None:
            try:
                await self._supply(self._read)
            except Unavailable:
                await asyncio.sleep(RETRY_LISTS_SECONDS)

    async def _supply(self, read: Callable[[tuple[str, ...]], Awaitable[References]]) -> None:
        lists = await read(self.references)
        self._pool.supply(self._tenant, await asyncio.to_thread(orjson.dumps, lists))
