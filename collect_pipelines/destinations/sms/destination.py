"""The class the core drives. Nothing heavy is imported before the first message is drafted."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from collect_pipelines.destinations.interface import (
    Batch,
    Capability,
    Column,
    Delivery,
    Destination,
    DestinationConfig,
    Guarantee,
    ProbeReport,
)
from collect_pipelines.destinations.sms.config import SmsConfig
from collect_pipelines.destinations.sms.keys import receipt_key
from collect_pipelines.model import JsonValue

if TYPE_CHECKING:
    from collect_pipelines.destinations.http.client import GuardedClient
    from collect_pipelines.destinations.sms.providers import Provider

__all__ = ["Sms"]


class _ByPolicy:
    """`at_most_once`, or what an integration's `policy` makes of it."""

    def __get__(self, destination: "Sms | None", owner: type["Sms"]) -> Guarantee:
        if destination is not None and destination.config.policy == "at_least_once":
            return "at_least_once"
        return "at_most_once"


class Sms(Destination):
    """One SMS per response to the number it names, as soon as it is reliably stored."""

    kind: ClassVar[str] = "sms"
    Config: ClassVar[type[DestinationConfig]] = SmsConfig
    guarantee: ClassVar[Guarantee] = cast("Guarantee", _ByPolicy())
    supports: ClassVar[frozenset[Capability]] = frozenset()
    keyed: ClassVar[bool] = True
    values: ClassVar[Literal["display", "typed"]] = "typed"  # codes: labels are said in the recipient's language
    max_rows: ClassVar[int] = 50  # each is a call of its own; a provider that takes a second each holds the lane for a minute
    max_bytes: ClassVar[int] = 8_000_000
    longest_wait_seconds: ClassVar[float] = 900.0
    clock: Callable[[], float] = staticmethod(time.time)

    config: SmsConfig
    _client: "GuardedClient | None" = None

    @classmethod
    def misfits(cls, config: Any, columns: Sequence[Column]) -> list[str]:
        """What the configuration names and the columns don't have."""
        from collect_pipelines.destinations.sms.drafts import misfits

        return misfits(config, tuple(columns))

    def probe(self) -> ProbeReport:
        """Asks the provider who we are, and counts what the texts cost. Raises Blocked with the fix, or TryLater."""
        from collect_pipelines.destinations.sms.preview import text_facts

        facts: dict[str, JsonValue] = {**self._provider().probe(), **text_facts(self.config)}
        facts["policy"] = self.config.policy
        facts["delivery reports"] = self._reports_to("status/...")
        facts["replies (STOP)"] = self._reports_to("replies")
        kind = self.config.provider.kind
        return ProbeReport(f"Messages can be sent through {kind}, at most {self.config.most_per_day} in 24 hours.", facts)

    def preview(self, batch: Batch) -> str:
        """Recipient, text and segments of each message; what rules of the integration forbid is said instead."""
        from collect_pipelines.destinations.sms.drafts import Drafter
        from collect_pipelines.destinations.sms.limits import Limits
        from collect_pipelines.destinations.sms.preview import listing

        limits = Limits(self.config, self.context, batch.time_zone)
        return listing([(draft, limits.ruled_out(draft, self._now())) for draft in Drafter(self.config, batch).drafts()])

    def deliver(self, batch: Batch) -> Delivery:
        """Sends the messages in order, each noted in the journal before the call; never one that may have been sent before."""
        from collect_pipelines.destinations.sms.drafts import Drafter
        from collect_pipelines.destinations.sms.limits import Digests, Limits
        from collect_pipelines.destinations.sms.sending import Desk, Pause

        drafts = list(Drafter(self.config, batch).drafts())
        keys = [key for draft in drafts for key in (receipt_key(draft.response_id), receipt_key(draft.response_id, draft.revision))]
        desk = Desk(
            config=self.config,
            context=self.context,
            provider=self._provider(),
            limits=Limits(self.config, self.context, batch.time_zone),
            digests=Digests(self.context),
            pause=Pause(self.context, self._now),
            lines=self.context.notes(keys),
            clock=self._now,
        )
        outcomes = tuple(desk.handle(draft) for draft in drafts)
        return Delivery(outcomes, api_calls=desk.calls, sent_bytes=desk.sent_bytes)

    def close(self) -> None:
        """Closes the connections to the provider."""
        if self._client is not None:
            self._client.close()

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)

    def _provider(self) -> "Provider":
        from collect_pipelines.destinations.sms.providers import client_for, provider_of

        if self._client is None:
            self._client = client_for(self.config)
        # made anew for each batch, with its secrets as they are now
        return provider_of(self.config, self.context, self._client)

    def _reports_to(self, path: str) -> str | None:
        base = self.config.public_url
        return f"{base}/v1/callbacks/{self.context.integration_id}/{path}" if base else None
