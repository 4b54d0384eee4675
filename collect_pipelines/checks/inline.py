"""A check that runs on the event loop of ingest: claimed to be bounded, and believed because the operator trusts who made it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import MappingProxyType
from typing import TypeVar

from collect_pipelines.checks.breaker import Breaker
from collect_pipelines.checks.interface import Check, Draft, References
from collect_pipelines.checks.making import Unusable, made_check
from collect_pipelines.checks.said import GettingReady, LookUp, NotNow, Said, told_earlier
from collect_pipelines.checks.verdict import Nonsense, sound_findings, sound_fingerprints, sound_metadata
from collect_pipelines.forms.definition import CheckSettings, FormDefinition

__all__ = ["InlineCheck"]

Heard = TypeVar("Heard")

PREPARE_SECONDS = 10.0  # longer is not waited for; the thread that prepares is lost


class InlineCheck:
    """One check of one form version, in line."""

    def __init__(
        self,
        made: type[Check],
        kind: str,
        settings: CheckSettings,
        definition: FormDefinition,
        breaker: Breaker,
        preparing: asyncio.Semaphore,
    ) -> None:
        """preparing: held while it is made ready."""
        self.kind = kind
        self.settings = settings
        self.breaker = breaker
        self.problem: str | None = None
        self.references = tuple(made.references)
        self.waits = made.fingerprints is not Check.fingerprints
        """Whether it has to wait for a look-up."""
        self._made = made
        self._definition = definition
        self._preparing = preparing
        self._limit = min(settings.timeout_ms, definition.deadline_ms) / 1000
        self._check: Check | None = None

    async def prepare(self, read: Callable[[tuple[str, ...]], Awaitable[References]]) -> None:
        """Makes it ready, or ready anew after a change of its lists; the one before serves meanwhile. Raises what `read` raises."""
        references = await read(self.references) if self.references else {}
        try:
            async with self._preparing, asyncio.timeout(PREPARE_SECONDS):
                self._check = await asyncio.to_thread(made_check, self._made, self.kind, self.settings.config, self._definition, references)
            self.problem = None
        except Unusable as exc:
            self.problem = str(exc)
        except TimeoutError:
            self.problem = f"The check {self.kind!r} takes longer than {PREPARE_SECONDS:.0f} s to be made ready. Ask its author."

    async def ask(self, draft: Draft, seconds: float, look_up: LookUp) -> Said:
        """What it says, with earlier responses looked up. Raises Nonsense, NotNow or TimeoutError."""
        check = self._check
        if check is None:
            raise NotNow(self.problem) if self.problem else GettingReady()
        own = self._own(draft)
        wanted = self._guarded(lambda: sound_fingerprints(check.fingerprints(own, self._definition)))
        async with asyncio.timeout(seconds):
            earlier = await told_earlier(self.kind, wanted, look_up)
        return self.ask_now(replace(draft, earlier=earlier))

    def ask_now(self, draft: Draft) -> Said:
        """What it says. Raises Nonsense or NotNow."""
        check = self._check
        if check is None:
            raise NotNow(self.problem) if self.problem else GettingReady()
        own = self._own(draft)
        started = time.perf_counter()
        try:
            return self._guarded(lambda: (sound_findings(check.check(own, self._definition)), sound_metadata(own.answer_metadata)))
        finally:
            if time.perf_counter() - started > self._limit:  # it is not what it claims to be
                self.breaker.failed(asyncio.get_running_loop().time())
            else:
                self.breaker.answered()

    def _own(self, draft: Draft) -> Draft:
        return Draft(draft.response_id, MappingProxyType(draft.answers), draft.respondent, draft.language, {}, draft.earlier)

    def _guarded(self, call: Callable[[], Heard]) -> Heard:
        try:
            return call()
        except Nonsense:
            raise
        except BaseException as exc:  # noqa: BLE001 - a plug-in may raise anything, SystemExit and StopIteration, too
            # Not its text, which may hold answers.
            raise Nonsense(f"raised {type(exc).__name__}") from None
