"""The form versions that share the processes of a kind: whose requests wait, and who is still to be made ready."""

from collections.abc import Iterator, Sequence
from typing import Any

from collect_pipelines.checks.isolation.member import Member
from collect_pipelines.checks.isolation.tenant import Request, Tenant, Unheeded, end_with
from collect_pipelines.checks.isolation.turns import place_for, preparations

__all__ = ["NO_LISTS", "Lodging"]

NO_LISTS = b"{}"
RECENT_SECONDS = 600.0  # form versions used since are made ready in a new process before they are asked for


class Lodging:
    """Tenants by key; each takes its turn, whoever it is."""

    def __init__(self) -> None:
        self.wants_lists = True
        """Whether the plug-in wants reference lists; until it has told, it may."""
        self._tenants: dict[int, Tenant] = {}
        self._hungry: dict[int, Tenant] = {}
        """Tenants with requests that wait, the next in turn first."""
        self._unsettled: dict[int, Tenant] = {}
        """Tenants that some process may have to make ready, the next in turn first."""

    def admit(self, tenant: Tenant) -> None:
        """Takes a form version in."""
        self._tenants[tenant.key] = tenant

    def settle(self, tenant: Tenant) -> None:
        """Has the tenant made ready in every process that lacks it, in time."""
        self._know_lists(tenant)
        self._unsettled[tenant.key] = tenant

    def settle_recent(self, now: float) -> None:
        """The same for those that wait or were used lately: a new process knows none of them."""
        for tenant in self._tenants.values():
            self._know_lists(tenant)
            if tenant.waiting or now - tenant.used_at < RECENT_SECONDS:
                self.settle(tenant)

    def wait(self, request: Request) -> None:
        """The request waits for its turn."""
        request.tenant.waiting.append(request)
        self._hungry.setdefault(request.tenant.key, request.tenant)

    def take_back(self, work: Sequence[Any]) -> None:
        """What a lost process had not begun: requests wait again, first in their rows, and preparations are to be made again."""
        for task in reversed(work):
            if isinstance(task, Request):
                task.tenant.waiting.appendleft(task)
                self._hungry.setdefault(task.tenant.key, task.tenant)
            else:
                task.tenant.preparing = False
                self._unsettled[task.tenant.key] = task.tenant

    def drop(self, tenant: Tenant, reason: str) -> None:
        """Tells everyone who waits for the tenant that it is in vain."""
        while tenant.waiting:
            end_with(tenant.waiting.popleft().answer, Unheeded(reason))
        self._hungry.pop(tenant.key, None)

    def drop_all(self, reason: str) -> None:
        """The same for every tenant."""
        for tenant in self._tenants.values():
            self.drop(tenant, reason)

    def served(self, members: Sequence[Member]) -> Iterator[tuple[Request, Member]]:
        """Requests with the processes to answer them, one of each tenant in turn, while there is room. Hand each over at once."""
        served = True
        while served:
            served = False
            for key, tenant in list(self._hungry.items()):
                while tenant.waiting and tenant.waiting[0].answer.done():  # given up meanwhile
                    tenant.waiting.popleft()
                if not tenant.waiting:
                    self._hungry.pop(key, None)
                elif (member := place_for(tenant, members)) is not None:
                    self._hungry[key] = self._hungry.pop(key)  # the last in turn now
                    yield tenant.waiting.popleft(), member
                    served = True

    def to_prepare(self, members: Sequence[Member]) -> Iterator[tuple[Tenant, Member]]:
        """Which process is to make which tenant ready now. Have each done at once."""
        if not self._unsettled:
            return
        usable = [member for member in members if member.usable]
        for key, tenant in list(self._unsettled.items()):
            # Whatever makes it preparable, or lets a process lack it, settles it anew.
            if not tenant.preparable or all(member.prepared.get(key) == tenant.generation for member in usable):
                del self._unsettled[key]
        yield from preparations(self._unsettled, usable, busy=bool(self._hungry))

    def _know_lists(self, tenant: Tenant) -> None:
        if tenant.references is None and not self.wants_lists:
            tenant.references = NO_LISTS
