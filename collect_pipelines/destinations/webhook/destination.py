"""The class the core drives. Nothing heavy is imported before the first request."""

import secrets
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, Literal

from collect_pipelines.destinations.interface import (
    Batch,
    Capability,
    Delivery,
    Destination,
    DestinationConfig,
    Guarantee,
    OnDelete,
    ProbeReport,
)
from collect_pipelines.destinations.webhook.config import WebhookConfig

if TYPE_CHECKING:
    from collect_pipelines.destinations.http.client import GuardedClient
    from collect_pipelines.destinations.webhook.session import Session

__all__ = ["Webhook"]


class Webhook(Destination):
    """A signed request per response, or per batch, to an address of the receiver's own."""

    kind: ClassVar[str] = "webhook"
    Config: ClassVar[type[DestinationConfig]] = WebhookConfig
    # Promise 5: sent again whenever it is not sure; the id is the same, so the receiver can tell
    guarantee: ClassVar[Guarantee] = "at_least_once"
    supports: ClassVar[frozenset[Capability]] = frozenset({"upsert", "delete", "append"})
    deletes: ClassVar[tuple[OnDelete, ...]] = ("delete",)
    keyed: ClassVar[bool] = True
    values: ClassVar[Literal["display", "typed"]] = "typed"
    max_rows: ClassVar[int] = 100
    max_bytes: ClassVar[int] = 1_000_000  # in batch mode one body; what receivers commonly take
    longest_wait_seconds: ClassVar[float] = 3600.0  # an endpoint that is down for a day is asked some thirty times
    clock: Callable[[], float] = staticmethod(time.time)
    """Seconds since the epoch: what signatures are dated with."""
    tls: ssl.SSLContext | None = None
    """Whom to trust instead of the system's certificate authorities."""

    config: WebhookConfig
    _client: "GuardedClient | None" = None

    def probe(self) -> ProbeReport:
        """Sends a `test.ping`. Raises Blocked with the fix when it is not answered with 2xx, and TryLater when it may be later."""
        return self._session().probe(datetime.fromtimestamp(self.clock(), UTC), secrets.token_hex(8))

    def preview(self, batch: Batch) -> str:
        """The requests as they would be sent."""
        from collect_pipelines.destinations.webhook.preview import requests_of

        return requests_of(batch, self.config)

    def deliver(self, batch: Batch) -> Delivery:
        """Sends an event per row."""
        return self._session().deliver(batch)

    def close(self) -> None:
        """Closes the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _session(self) -> "Session":
        from collect_pipelines.destinations.http.client import GuardedClient
        from collect_pipelines.destinations.webhook.session import open_session

        if self._client is None:
            self._client = GuardedClient(allow_private=self.config.allow_private, timeout_seconds=self.config.timeout_seconds, tls=self.tls)
        return open_session(self.config, self.context, self._client, self.clock)
