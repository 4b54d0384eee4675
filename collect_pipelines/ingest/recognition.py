"""The fingerprints of one response on its way in: looked up for its checks, then stored with it."""

from collections.abc import Sequence
from typing import Protocol

from collect_pipelines.model import Earlier, Fingerprint
from collect_pipelines.store.fingerprints import sealed

__all__ = ["FingerprintFinder", "Recognition"]


class FingerprintFinder(Protocol):
    """Who knows the fingerprints of earlier responses; see collect_pipelines.store.fingerprints.Finder."""

    async def earlier(self, form_id: int, response_id: str, fingerprints: Sequence[Fingerprint]) -> tuple[Earlier, ...]:
        """Other responses with one of these (sealed) fingerprints. Raises Unavailable while Postgres is away."""

    async def close(self) -> None:
        """Ends its connection."""


class Recognition:
    """
    For one response and one run of its checks; `look_up` is what the runner is given.

    Afterwards `fingerprints` are stored with the response, and `recognised` are the names whose earlier responses were told.
    """

    def __init__(self, finder: FingerprintFinder, form_id: int, response_id: str) -> None:
        self._finder = finder
        self._form_id = form_id
        self._response_id = response_id
        self.fingerprints: list[Fingerprint] = []
        self.recognised: set[str] = set()

    async def look_up(self, fingerprints: Sequence[Fingerprint]) -> tuple[Earlier, ...]:
        """The earlier responses of the form that have one of these fingerprints. Raises Unavailable while Postgres is away."""
        own = [sealed(self._form_id, fingerprint) for fingerprint in fingerprints]
        self.fingerprints += own  # also when nobody can be asked now: later responses shall find this one
        earlier = await self._finder.earlier(self._form_id, self._response_id, own)
        self.recognised.update(one.name for one in earlier)
        return earlier
