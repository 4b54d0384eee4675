"""Whose turn it is in the processes of a kind: which one answers a request, and which one makes which form version ready."""

from collections.abc import Iterator, Mapping, Sequence

from collect_pipelines.checks.isolation.member import Member
from collect_pipelines.checks.isolation.tenant import QUICK_SECONDS, Preparation, Request, Tenant

__all__ = ["place_for", "preparations"]

PIPELINED = 4  # requests that wait in a process, so that it need not wait for us


def place_for(tenant: Tenant, members: Sequence[Member]) -> Member | None:
    """The process that has least to do of those that know the tenant and have room for one more request; None when there is none."""
    able = [member for member in members if member.usable and tenant.key in member.prepared and _has_room(member, tenant)]
    return min(able, key=lambda member: len(member.work), default=None)


def preparations(unsettled: Mapping[int, Tenant], members: Sequence[Member], *, busy: bool) -> Iterator[tuple[Tenant, Member]]:
    """
    Which process is to make which tenant ready now: those first that no process knows, and of them those whose responses wait.

    A process makes one ready at a time, with requests before and after. In a second process a tenant is made ready only while no
    other one makes something ready, and no response waits.

    busy: some response waits for its turn.
    """
    usable = [member for member in members if member.usable]
    free = [member for member in usable if not any(isinstance(task, Preparation) for task in member.work)]
    spare: tuple[Tenant, Member] | None = None
    for tenant in sorted(unsettled.values(), key=lambda one: not one.waiting) if free else ():
        if tenant.preparing or not tenant.preparable:
            continue
        places = [member for member in free if member.prepared.get(tenant.key) != tenant.generation]
        if not places:
            continue
        best = min(places, key=lambda member: (tenant.key in member.prepared, len(member.work)))
        if any(tenant.key in member.prepared for member in usable):
            spare = spare or (tenant, best)
            continue
        yield tenant, best
        free.remove(best)
        if not free:
            return
    if spare is not None and not busy and len(free) == len(usable):
        yield spare


def _has_room(member: Member, tenant: Tenant) -> bool:
    if not member.work:
        return True
    last = member.work[-1]
    quick = isinstance(last, Request) and last.tenant.seconds < QUICK_SECONDS and tenant.seconds < QUICK_SECONDS
    return quick and len(member.work) < PIPELINED
