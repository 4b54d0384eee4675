"""The processes of one kind of check: a few, always at hand, replaced when they are lost, shared by all form versions."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol

import orjson

from collect_pipelines.checks.child import Child, Message
from collect_pipelines.checks.member import Facts, Loss, Member
from collect_pipelines.checks.tenant import (
    Crashed,
    NotReady,
    Overran,
    Preparation,
    Request,
    Tenant,
    Unheeded,
    end_with,
)
from collect_pipelines.checks.turns import place_for, preparations
from collect_pipelines.checks.wire import MAX_REQUEST_BYTES, frame, reason_of
from collect_pipelines.telemetry.logs import get_logger

__all__ = ["KindProcesses", "Watcher"]

MAX_WAITING = 1_000  # requests of one form version; beyond this waiting would not help
RETRY_SECONDS = (1.0, 60.0)  # shortest and longest pause before a process that does not come up is tried again
DOOMED_AFTER = 3  # failures to come up, in a row, of a plug-in that came up before; one that never did is believed at once
NO_LISTS = b"{}"
RECENT_SECONDS = 600.0  # form versions used since are made ready in a new process before they are asked for

log = get_logger(__name__)


class Watcher(Protocol):
    """Who wants to know; see telemetry.ingest_metrics."""

    def check_restarted(self, plugin: str, reason: str) -> None:
        """A process was lost and is replaced; reason: overrun, crash, memory, start."""

    def check_breaker(self, plugin: str, form: str, opened: bool) -> None:
        """A breaker opened or closed."""


class KindProcesses:
    """The processes of one kind. For one event loop."""

    def __init__(self, kind: str, processes: int, memory_bytes: int, watcher: Watcher, start: Callable[..., Child] = Child) -> None:
        self.kind = kind
        self.facts: Facts | None = None
        self.problem: str | None = None
        """Why no process comes up."""
        self._processes = processes
        self._memory_bytes = memory_bytes
        self._watcher = watcher
        self._start_child = start
        self._loop = asyncio.get_running_loop()
        self._members: list[Member] = []
        self._tenants: dict[int, Tenant] = {}
        self._hungry: dict[int, Tenant] = {}
        """Tenants with requests that wait, the next in turn first."""
        self._unsettled: dict[int, Tenant] = {}
        """Tenants that some process may have to make ready, the next in turn first."""
        self._numbers = 0
        self._failures = 0
        self._retry: asyncio.TimerHandle | None = None
        self._news: set[Callable[[], None]] = set()
        self._closed = False

    def open(self) -> None:
        """Starts the processes, so that the first form version need not wait for them."""
        self._fill()

    def admit(self, tenant: Tenant) -> None:
        """Takes a form version in; its check is made ready as soon as its references are there."""
        tenant.used_at = self._loop.time()
        self._tenants[tenant.key] = tenant
        self._fill()
        self._settle(tenant)

    def supply(self, tenant: Tenant, references: bytes) -> None:
        """The lists the check wants, for the first time or because one changed; until it is ready anew the old ones count."""
        tenant.references = references
        tenant.generation += 1
        tenant.problem = None
        self._settle(tenant)

    def is_ready(self, tenant: Tenant) -> bool:
        """Whether some process can be asked at once."""
        return any(member.usable and tenant.key in member.prepared for member in self._members)

    def on_news(self, told: Callable[[], None]) -> Callable[[], None]:
        """Calls back when a process comes up, fails to, or a tenant becomes ready; returns what ends that."""
        self._news.add(told)
        return lambda: self._news.discard(told)

    def ask(self, tenant: Tenant, do: Literal["fingerprints", "check"], draft: Mapping[str, Any]) -> "asyncio.Future[Message]":
        """
        Asks about one response; cancel the future to give it up. Raises NotReady.

        It may end with Overran, Crashed or Unheeded; and with TypeError for a draft that is not JSON.
        """
        problem = tenant.problem or (self.problem if not self._members_up() else None)
        if problem is not None:
            raise NotReady(problem)
        if len(tenant.waiting) >= MAX_WAITING:
            raise NotReady("too many responses wait for it")
        self._numbers += 1
        request = Request(self, tenant, self._numbers, do, draft, self._loop.create_future())
        tenant.used_at = self._loop.time()
        tenant.waiting.append(request)
        self._hungry.setdefault(tenant.key, tenant)
        if not self.is_ready(tenant):
            self._unsettled[tenant.key] = tenant
        self._serve()
        return request.answer

    def close(self) -> list[Child]:
        """Ends every process; who still waits is told. Returns them, to wait for their end."""
        self._closed = True
        if self._retry is not None:
            self._retry.cancel()
        children = [member.child for member in self._members]
        for member in self._members:
            member.end()
        self._members.clear()
        for tenant in self._tenants.values():
            self._drop(tenant, "ingest is stopping")
        return children

    # What processes tell.

    def up(self, member: Member) -> None:
        """See Owner."""
        self.facts = member.facts
        self.problem, self._failures = None, 0
        now = self._loop.time()
        for tenant in self._tenants.values():
            if tenant.references is None and self.facts is not None and not self.facts.references:
                tenant.references = NO_LISTS
            if tenant.waiting or now - tenant.used_at < RECENT_SECONDS:
                self._settle(tenant)
        self._tell_news()

    def free(self, member: Member) -> None:
        """See Owner."""
        if member.retiring:
            self._retire(member)
        self._serve()

    def lost(self, member: Member, loss: Loss, reason: str) -> None:
        """See Owner."""
        self._members.remove(member)
        self._watcher.check_restarted(self.kind, loss)
        log.warning("check_process_lost", msg=f"{reason}; another one is started.", kind=self.kind, outcome=loss)
        first, *others = member.work or [None]
        self._take_back(others)
        if isinstance(first, Request):
            self._blame(first, loss, reason)
        elif isinstance(first, Preparation):
            first.tenant.preparing = False
            self._lost_while_preparing(first.tenant, loss, reason)
        if loss == "start":
            self._failures += 1
        if loss == "start" and (self.facts is None or self._failures >= DOOMED_AFTER):
            self._wait_and_retry(reason)
        else:
            self._fill()
        self._serve()
        self._tell_news()

    def heard(self, request: Request, message: Message, seconds: float) -> None:
        """The answer to a request, from the process that was at it."""
        tenant = request.tenant
        tenant.seconds += (seconds - tenant.seconds) / 8
        if message.get("spent") is True and "error" in message:
            tenant.breaker.failed(self._loop.time())
            end_with(request.answer, Crashed(reason_of(message["error"])))
        else:
            if request.do == "check" or "error" in message:  # else the question that may hang is still to come
                tenant.breaker.answered()
            end_with(request.answer, message)

    def prepared(self, preparation: Preparation, message: Message) -> None:
        """A process has made a tenant ready, or could not."""
        tenant, member = preparation.tenant, preparation.member
        tenant.preparing = False
        problem = message.get("problem")
        if problem is None:
            member.prepared[tenant.key] = preparation.generation
            tenant.lost_preparing = 0
        elif preparation.generation == tenant.generation:
            tenant.problem = str(problem)
            log.warning("check_not_ready", msg=reason_of(tenant.problem), kind=self.kind, form=tenant.name)
            self._drop(tenant, tenant.problem)
        self._settle(tenant)
        self._tell_news()

    # What is done about it.

    def _members_up(self) -> bool:
        return any(member.facts is not None for member in self._members)

    def _fill(self) -> None:
        while not self._closed and self._retry is None and sum(not member.retiring for member in self._members) < self._processes:
            self._members.append(Member(self.kind, self._memory_bytes, self, self._start_child))

    def _wait_and_retry(self, reason: str) -> None:
        if not self._members_up():
            self.problem = reason
            for tenant in self._tenants.values():
                self._drop(tenant, reason)
        least, most = RETRY_SECONDS
        if self._retry is None and not self._closed:
            self._retry = self._loop.call_later(min(most, least * 2 ** min(self._failures, 10)), self._try_again)

    def _try_again(self) -> None:
        self._retry = None
        self._fill()

    def _retire(self, member: Member) -> None:
        """A process that used too much memory ends what it has, and no more."""
        self._fill()
        if not member.work and member in self._members:
            self._members.remove(member)
            self._watcher.check_restarted(self.kind, "memory")
            log.warning("check_process_lost", msg="Used too much memory; another one is started.", kind=self.kind, outcome="memory")
            member.end()

    def _settle(self, tenant: Tenant) -> None:
        """Has the tenant made ready in every process that lacks it, in time."""
        if tenant.references is None and self.facts is not None and not self.facts.references:
            tenant.references = NO_LISTS
        self._unsettled[tenant.key] = tenant
        self._serve()

    def _prepare_next(self) -> None:
        usable = [member for member in self._members if member.usable]
        for key, tenant in list(self._unsettled.items()):
            # Whatever makes it preparable, or lets a process lack it, settles it anew.
            if not tenant.preparable or all(member.prepared.get(key) == tenant.generation for member in usable):
                del self._unsettled[key]
        for tenant, member in preparations(self._unsettled, usable, busy=bool(self._hungry)):
            self._prepare(tenant, member, tenant.references or NO_LISTS)

    def _prepare(self, tenant: Tenant, member: Member, references: bytes) -> None:
        if len(tenant.form) + len(references) > MAX_REQUEST_BYTES // 2:
            tenant.problem = f"The reference lists that {self.kind!r} wants are too long to be given to it. Shorten them."
            self._drop(tenant, tenant.problem)
            return
        tenant.preparing = True
        # Both are JSON already, made in a thread: they may be long, and the event loop has others to serve.
        known = {"form": orjson.Fragment(tenant.form), "references": orjson.Fragment(references), "config": tenant.config}
        text = frame({"key": tenant.key, "generation": tenant.generation, **known})
        member.ask(Preparation(self, tenant, member, tenant.generation), text)

    def _serve(self) -> None:
        """Hands requests to processes, one of each tenant in turn, while there is room."""
        served = True
        while served:
            served = False
            for key, tenant in list(self._hungry.items()):
                while tenant.waiting and tenant.waiting[0].answer.done():  # given up meanwhile
                    tenant.waiting.popleft()
                if not tenant.waiting:
                    del self._hungry[key]
                elif (member := place_for(tenant, self._members)) is not None:
                    self._hungry[key] = self._hungry.pop(key)  # the last in turn now
                    self._hand_over(tenant.waiting.popleft(), member)
                    served = True
        if self._unsettled:
            self._prepare_next()

    def _hand_over(self, request: Request, member: Member) -> None:
        asked = {"do": request.do, "id": request.number, "key": request.tenant.key, "draft": request.draft}
        try:
            text = frame(asked)  # not before its turn: those that wait take no more memory than their responses do anyway
        except (TypeError, ValueError) as exc:
            end_with(request.answer, exc)
        else:
            member.ask(request, text)

    def _take_back(self, work: list[Any]) -> None:
        for task in reversed(work):
            if isinstance(task, Request):
                task.tenant.waiting.appendleft(task)
                self._hungry.setdefault(task.tenant.key, task.tenant)
            else:
                task.tenant.preparing = False
                self._unsettled[task.tenant.key] = task.tenant

    def _blame(self, request: Request, loss: Loss, reason: str) -> None:
        shut = request.tenant.breaker.failed(self._loop.time())
        end_with(request.answer, Overran() if loss == "overrun" else Crashed(f"its process {reason}"))
        if shut:
            self._drop(request.tenant, "not tried after repeated failures")

    def _lost_while_preparing(self, tenant: Tenant, loss: Loss, reason: str) -> None:
        """Once may be bad luck. Else the other form versions go on without it; it is tried again after a while."""
        tenant.lost_preparing += 1
        if tenant.lost_preparing == 1 and loss != "overrun":
            self._unsettled[tenant.key] = tenant
            return
        tenant.problem = f"Its process {reason} while the check was made ready for this form. Ask the author of {self.kind!r}."
        self._drop(tenant, tenant.problem)
        self._loop.call_later(RETRY_SECONDS[1], self._forgive, tenant, tenant.generation)

    def _forgive(self, tenant: Tenant, generation: int) -> None:
        if tenant.generation == generation and not self._closed:
            tenant.problem = None
            self._settle(tenant)

    def _drop(self, tenant: Tenant, reason: str) -> None:
        while tenant.waiting:
            end_with(tenant.waiting.popleft().answer, Unheeded(reason))
        self._hungry.pop(tenant.key, None)

    def _tell_news(self) -> None:
        for told in list(self._news):
            told()
