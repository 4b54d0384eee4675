"""The reference lists of an organization as checks get them: read when they are wanted, and again when one changed."""

from collect_pipelines.checks.interface import References
from collect_pipelines.ingest.threads import StoreThreads
from collect_pipelines.store.references import read_rows, references_version

__all__ = ["ReferenceLists"]


class ReferenceLists:
    """Reads lists from Postgres; keeps none, because the checks keep what they make of them."""

    def __init__(self, threads: StoreThreads) -> None:
        self._threads = threads

    async def version(self, organization_id: int) -> int:
        """A number that grows with every change. Raises Unavailable."""
        return await self._threads.transaction(references_version, organization_id)

    async def read(self, organization_id: int, names: tuple[str, ...]) -> References:
        """The rows by name of the list; a list that does not exist is empty. Raises Unavailable."""
        return {name: await self._threads.read(read_rows, organization_id, name) for name in names}
