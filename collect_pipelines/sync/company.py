"""Which integrations of a kind go out in one call: those that say the same of what they share."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from collect_pipelines.destinations.interface import Destination
from collect_pipelines.errors import CollectError
from collect_pipelines.store.integrations import DueIntegration, integration_by_id
from collect_pipelines.sync.delivery.courier import MOST_TOGETHER, Courier

__all__ = ["Companies", "Company"]

KNOWN_SECONDS = 30.0  # a configuration hardly ever changes; a courier looks again before it sends


@dataclass(frozen=True, slots=True)
class Company:
    """Integrations that are worked on as one."""

    key: int
    members: tuple[DueIntegration, ...]


class Companies:
    """Sorts what is due into companies. For one thread."""

    def __init__(self, courier: Courier, kind: type[Destination], clock: Callable[[], float] = time.monotonic) -> None:
        self._courier, self._clock = courier, clock
        self._sociable = kind.shares is not Destination.shares
        self._known: dict[int, tuple[float, str | None]] = {}
        self._numbers: dict[str, int] = {}

    def of(self, connection: Connection, due: Sequence[DueIntegration]) -> Iterator[Company]:
        """Each integration once, in the order of the first one of each company; of a large company those that come first."""
        found: dict[int, list[DueIntegration]] = {}
        for one in due:
            found.setdefault(self._key(connection, one), []).append(one)
        for key, members in found.items():
            yield Company(key, tuple(members[:MOST_TOGETHER]))

    def _key(self, connection: Connection, one: DueIntegration) -> int:
        """Of its company, below zero; else the integration's own number."""
        if not self._sociable or not self._courier.may_share(one.integration_id):
            return one.integration_id
        name = self._name(connection, one.integration_id)
        return one.integration_id if name is None else self._numbers.setdefault(name, -1 - len(self._numbers))

    def _name(self, connection: Connection, integration_id: int) -> str | None:
        now = self._clock()
        known = self._known.get(integration_id)
        if known is None or known[0] < now:
            known = (now + KNOWN_SECONDS, self._asked(connection, integration_id))
            self._known[integration_id] = known
        return known[1]

    def _asked(self, connection: Connection, integration_id: int) -> str | None:
        try:
            return self._courier.plugs.plug(integration_by_id(connection, integration_id)).destination.shares()
        except CollectError:
            return None  # by itself it is told what is wrong
        except Exception:  # noqa: BLE001 - a plug-in may raise anything and must not stop other integrations (promise 7)
            return None
