"""
The handle on this installation: its settings, its database and its lanes.

A resource is made when a run or a tick starts, never at import, so the graph loads without a database. No field of it
holds a secret, so neither a run's configuration nor the web page can show one (Promise 10).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from collect_pipelines.errors import ConfigInvalid
from collect_pipelines.settings import Settings

if TYPE_CHECKING:
    from collect_pipelines.store.database import Database
    from collect_pipelines.sync.lane import Lane

__all__ = ["Installation"]


class Installation(dg.ConfigurableResource[None]):
    """Opens what a run or a tick needs. Imports of the library are made on use: each kind of run pays for its own only."""

    connections: int = Field(default=1, description="Connections that a run or a tick keeps to the database of the responses.")

    def settings(self) -> Settings:
        """The settings of the process that runs this."""
        return Settings.from_environment()

    def database_url(self) -> str:
        """The database of the responses. Raises ConfigInvalid when no setting names it."""
        url = self.settings().database_url
        if url is None:
            fix = '`collect up` sets it for its own processes; for a command by hand: export COLLECT_DATABASE_URL="$(collect db url)"'
            raise ConfigInvalid("COLLECT_DATABASE_URL is not set.", fix=fix)
        return url

    @contextmanager
    def database(self) -> Iterator["Database"]:
        """The database with a small pool, closed afterwards."""
        from collect_pipelines.store.database import Database

        database = Database(self.database_url(), pool_size=self.connections)
        try:
            yield database
        finally:
            database.dispose()

    def lane(self, kind: str, owner: str) -> "Lane":
        """The lane of this kind: `validation` or the kind of a destination."""
        from collect_pipelines.sync.lane import Lane
        from collect_pipelines.telemetry.logs import configure_logging

        # Whoever works a lane tells it in the one log; this is the first that such a process asks of us.
        configure_logging(self.settings())
        return Lane(self.database_url(), self.settings(), kind, owner)
