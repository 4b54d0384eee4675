"""What a destination is lent while it is read back: the same memory and secrets, and a quota that is waited for."""

import time
from collections.abc import Callable, Sequence

from collect_pipelines.errors import TryLater
from collect_pipelines.model import QuotaBucket
from collect_pipelines.settings import Settings
from collect_pipelines.store.database import Database
from collect_pipelines.store.integrations import Integration
from collect_pipelines.sync.context import DeliveryContext

__all__ = ["PATIENCE_SECONDS", "Patience", "ReadingContext"]

PATIENCE_SECONDS = 3600.0  # of waiting in one comparison; at 60 reads a minute that is 180 million rows
LONGEST_PAUSE_SECONDS = 2.0  # who waits for a turn asks again at least so often, or loses the place in the queue


class Patience:
    """What is left of the time a comparison may wait. `pause` waits for so many seconds."""

    def __init__(self, seconds: float = PATIENCE_SECONDS, pause: Callable[[float], None] = time.sleep) -> None:
        self.left, self._pause = seconds, pause

    def wait(self, seconds: float, why: str) -> None:
        """Waits. Raises TryLater when that would be longer than there is left."""
        if seconds > self.left:
            raise TryLater(f"{why} That took too long: it is compared again later.")
        self.left -= seconds
        self._pause(seconds)


class ReadingContext(DeliveryContext):
    """A destination never waits by itself, and a comparison that is given up halfway has to begin anew: so waiting is done here."""

    def __init__(self, database: Database, settings: Settings, integration: Integration, patience: Patience) -> None:
        super().__init__(database, settings, integration)
        self._patience = patience

    def choose_quota(self, choices: Sequence[Sequence[QuotaBucket]], *, background: bool = False, begun: bool = False) -> tuple[int, float]:
        """Returns when a token of every bucket was taken, after everybody who delivers. Raises TryLater when that takes too long."""
        while True:
            # Promise 9: a comparison never delays a response
            choice, wait = super().choose_quota(choices, background=True)
            if wait <= 0:
                return choice, 0.0
            self._patience.wait(min(wait, LONGEST_PAUSE_SECONDS), "Others used the receiver's quota.")
