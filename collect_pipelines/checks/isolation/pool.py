"""The processes of one kind of check: a few, always at hand, replaced when they are lost, shared by all form versions."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Literal

import orjson

from collect_pipelines.checks.isolation.child import Child, Message
from collect_pipelines.checks.isolation.crew import Crew, Watcher
from collect_pipelines.checks.isolation.lodging import NO_LISTS, Lodging
from collect_pipelines.checks.isolation.member import Facts, Loss, Member
from collect_pipelines.checks.isolation.tenant import (
    Crashed,
    NotReady,
    Overran,
    Preparation,
    Request,
    Tenant,
    end_with,
)
from collect_pipelines.checks.isolation.wire import MAX_REQUEST_BYTES, frame, reason_of
from collect_pipelines.telemetry.logs import get_logger

__all__ = ["KindProcesses"]

MAX_WAITING = 1_000  # requests of one form version; beyond this waiting would not help
FORGIVEN_SECONDS = 60.0  # a form version in whose making processes were lost is tried again after so long

log = get_logger(__name__)


class KindProcesses:
    """The processes of one kind. For one event loop."""

    def __init__(self, kind: str, processes: int, memory_bytes: int, watcher: Watcher, start: Callable[..., Child] = Child) -> None:
        self.kind = kind
        self.facts: Facts | None = None
        self._loop = asyncio.get_running_loop()
        self._crew = Crew(kind, processes, watcher, lambda: Member(kind, memory_bytes, self, start))
        self._lodging = Lodging()
        self._numbers = 0
        self._news: set[Callable[[], None]] = set()
        self._closed = False

    @property
    def members(self) -> list[Member]:
        """The processes, also those that are coming up."""
        return self._crew.members

    @property
    def problem(self) -> str | None:
        """Why no process comes up."""
        return self._crew.problem

    def open(self) -> None:
        """Starts the processes, so that the first form version need not wait for them."""
        self._crew.fill()

    def admit(self, tenant: Tenant) -> None:
        """Takes a form version in; its check is made ready as soon as its references are there."""
        tenant.used_at = self._loop.time()
        self._lodging.admit(tenant)
        self._crew.fill()
        self._settle(tenant)

    def supply(self, tenant: Tenant, references: bytes) -> None:
        """The lists the check wants, for the first time or because one changed; until it is ready anew the old ones count."""
        tenant.references = references
        tenant.generation += 1
        tenant.problem = None
        self._settle(tenant)

    def is_ready(self, tenant: Tenant) -> bool:
        """Whether some process can be asked at once."""
        return any(member.usable and tenant.key in member.prepared for member in self.members)

    def on_news(self, told: Callable[[], None]) -> Callable[[], None]:
        """Calls back when a process comes up, fails to, or a tenant becomes ready; returns what ends that."""
        self._news.add(told)
        return lambda: self._news.discard(told)

    def ask(self, tenant: Tenant, do: Literal["fingerprints", "check"], draft: Mapping[str, Any]) -> "asyncio.Future[Message]":
        """
        Asks about one response; cancel the future to give it up. Raises NotReady.

        It may end with Overran, Crashed or Unheeded; and with TypeError for a draft that is not JSON.
        """
        problem = tenant.problem or (self.problem if not self._crew.is_up else None)
        if problem is not None:
            raise NotReady(problem)
        if len(tenant.waiting) >= MAX_WAITING:
            raise NotReady("too many responses wait for it")
        self._numbers += 1
        request = Request(self, tenant, self._numbers, do, draft, self._loop.create_future())
        tenant.used_at = self._loop.time()
        self._lodging.wait(request)
        if not self.is_ready(tenant):
            self._lodging.settle(tenant)
        self._serve()
        return request.answer

    def close(self) -> list[Child]:
        """Ends every process; who still waits is told. Returns them, to wait for their end."""
        self._closed = True
        children = self._crew.close()
        self._lodging.drop_all("ingest is stopping")
        return children

    # What processes tell.

    def up(self, member: Member) -> None:
        """See Owner."""
        self.facts = member.facts
        self._crew.came_up()
        self._lodging.wants_lists = self.facts is None or bool(self.facts.references)
        self._lodging.settle_recent(self._loop.time())
        self._serve()
        self._tell_news()

    def free(self, member: Member) -> None:
        """See Owner."""
        if member.retiring:
            self._crew.retire(member)
        self._serve()

    def lost(self, member: Member, loss: Loss, reason: str) -> None:
        """See Owner."""
        self._crew.remove(member, loss, reason)
        first, *others = member.work or [None]
        self._lodging.take_back(others)
        if isinstance(first, Request):
            self._blame(first, loss, reason)
        elif isinstance(first, Preparation):
            first.tenant.preparing = False
            self._lost_while_preparing(first.tenant, loss, reason)
        if not self._crew.replace(loss, reason, ever_up=self.facts is not None):
            self._lodging.drop_all(reason)
        self._serve()
        self._tell_news()

    def heard(self, request: Request, message: Message, seconds: float) -> None:
        """The answer to a request, from the process that was at it."""
        tenant = request.tenant
        tenant.seconds += (seconds - tenant.seconds) / 8
        spent = message.get("spent") is True
        if spent:  # its process is replaced, even if it answered: the next responses wait for that
            tenant.breaker.failed(self._loop.time())
        elif request.do == "check" or "error" in message:  # else the question that may hang is still to come
            tenant.breaker.answered()
        end_with(request.answer, Crashed(reason_of(message["error"])) if spent and "error" in message else message)

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
            self._lodging.drop(tenant, tenant.problem)
        self._settle(tenant)
        self._tell_news()

    # What is done about it.

    def _settle(self, tenant: Tenant) -> None:
        """Has the tenant made ready in every process that lacks it, in time."""
        self._lodging.settle(tenant)
        self._serve()

    def _prepare(self, tenant: Tenant, member: Member, references: bytes) -> None:
        if len(tenant.form) + len(references) > MAX_REQUEST_BYTES // 2:
            tenant.problem = f"The reference lists that {self.kind!r} wants are too long to be given to it. Shorten them."
            self._lodging.drop(tenant, tenant.problem)
            return
        tenant.preparing = True
        # Both are JSON already, made in a thread: they may be long, and the event loop has others to serve.
        known = {"form": orjson.Fragment(tenant.form), "references": orjson.Fragment(references), "config": tenant.config}
        text = frame({"key": tenant.key, "generation": tenant.generation, **known})
        member.ask(Preparation(self, tenant, member, tenant.generation), text)

    def _serve(self) -> None:
        """Hands what waits to the processes, while there is room."""
        for request, member in self._lodging.served(self.members):
            self._hand_over(request, member)
        for tenant, member in self._lodging.to_prepare(self.members):
            self._prepare(tenant, member, tenant.references or NO_LISTS)

    def _hand_over(self, request: Request, member: Member) -> None:
        asked = {"do": request.do, "id": request.number, "key": request.tenant.key, "draft": request.draft}
        try:
            text = frame(asked)  # not before its turn: those that wait take no more memory than their responses do anyway
        except (TypeError, ValueError) as exc:
            end_with(request.answer, exc)
        else:
            member.ask(request, text)

    def _blame(self, request: Request, loss: Loss, reason: str) -> None:
        shut = request.tenant.breaker.failed(self._loop.time())
        end_with(request.answer, Overran() if loss == "overrun" else Crashed(f"its process {reason}"))
        if shut:
            self._lodging.drop(request.tenant, "not tried after repeated failures")

    def _lost_while_preparing(self, tenant: Tenant, loss: Loss, reason: str) -> None:
        """Once may be bad luck. Else the other form versions go on without it; it is tried again after a while."""
        tenant.lost_preparing += 1
        if tenant.lost_preparing == 1 and loss != "overrun":
            self._lodging.settle(tenant)
            return
        tenant.problem = f"Its process {reason} while the check was made ready for this form. Ask the author of {self.kind!r}."
        self._lodging.drop(tenant, tenant.problem)
        self._loop.call_later(FORGIVEN_SECONDS, self._forgive, tenant, tenant.generation)

    def _forgive(self, tenant: Tenant, generation: int) -> None:
        if tenant.generation == generation and not self._closed:
            tenant.problem = None
            self._settle(tenant)

    def _tell_news(self) -> None:
        for told in list(self._news):
            told()
