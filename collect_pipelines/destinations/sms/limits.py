"""What keeps a message from going out now, although it could be sent."""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from collect_pipelines.destinations.interface import Context
from collect_pipelines.destinations.sms.config import SmsConfig
from collect_pipelines.destinations.sms.drafts import Draft
from collect_pipelines.destinations.sms.hours import seconds_of_quiet
from collect_pipelines.destinations.sms.keys import CHANNEL, LIVE
from collect_pipelines.model import QuotaBucket

__all__ = ["Digests", "Limits", "Stop"]

DAY_SECONDS = 86_400.0
SEARCH_STEPS = 11  # finds the end of a full day's window within 42 s
KEY_NAME = "digest-key"
KEY_BYTES = 32


class Stop(NamedTuple):
    """Why a message does not go out now."""

    kind: Literal["suppressed", "late", "asleep", "full"]
    """
    suppressed: never, by a rule. late: never, it is too late; not worth a line of the journal. asleep: after a while, for this
    recipient. full: after a while, for everybody.
    """
    reason: str
    after: float | None = None


class Digests:
    """Names for numbers and texts that tell nobody what they stand for; the key never leaves the integration's memory."""

    def __init__(self, context: Context) -> None:
        known = context.recall(KEY_NAME)
        if not isinstance(known, str):
            known = secrets.token_hex(KEY_BYTES)
            context.remember(KEY_NAME, known)
        self._key = bytes.fromhex(known)

    def of(self, text: str) -> str:
        """32 hex digits, the same for the same text of this integration."""
        return hmac.new(self._key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:32]


class Limits:
    """Asked for each message right before it is sent; counts in the journal, which all processes share."""

    def __init__(self, config: SmsConfig, context: Context, zone: str) -> None:
        """zone: of recipients whose number does not tell theirs."""
        self._config, self._context, self._zone = config, context, zone
        self._today: int | None = None

    def ruled_out(self, draft: Draft, now: datetime) -> Stop | None:
        """What the message itself, its recipient or the hour forbids."""
        config = self._config
        recipient = draft.recipient
        if draft.received_at < now - timedelta(hours=config.within_hours):
            return Stop("late", f"the response was received more than {config.within_hours:g} hours ago")
        if recipient.e164 is None:
            return Stop("suppressed", recipient.reason or "there is no phone number")
        # asked for each message: somebody may reply STOP while a batch is being sent
        if self._context.opted_out(CHANNEL, [recipient.e164]):
            return Stop("suppressed", "the number has opted out")
        if config.quiet_hours and (wait := seconds_of_quiet(config.quiet_hours, recipient.zones or (self._zone,), now)):
            return Stop("asleep", f"it is within the quiet hours {config.quiet_hours}", wait)
        return None

    def used_up(self, subject: str) -> Stop | None:
        """What the messages before it forbid; takes its turn when nothing does."""
        config, since = self._config, self._context.noted_since
        if config.cooldown_seconds and since(config.cooldown_seconds, states=LIVE, subject=subject):
            return Stop("suppressed", f"the number got a message less than {config.cooldown_seconds:g} seconds ago")
        if since(DAY_SECONDS, states=LIVE, subject=subject) >= config.most_per_number:
            return Stop("suppressed", f"the number got {config.most_per_number} messages within 24 hours")
        if self._today is None:
            self._today = since(DAY_SECONDS, states=LIVE)
        if self._today >= config.most_per_day:
            return Stop("full", f"{config.most_per_day} messages were sent within 24 hours", self._until_room())
        return self._paced()

    def sent(self) -> None:
        """Counts one more message."""
        self._today = (self._today or 0) + 1

    def _paced(self) -> Stop | None:
        if self._config.per_minute is None:
            return None
        # Promise 9: `burst + 60 x rate` is what a minute can see at most
        burst = self._config.per_minute / 2
        bucket = QuotaBucket(f"sms:{self._context.integration_id}", burst, (self._config.per_minute - burst) / 60)
        wait = self._context.take_quota([bucket])
        return Stop("full", f"{self._config.per_minute} messages a minute are sent", wait) if wait else None

    def _until_room(self) -> float:
        """Seconds until the oldest message that fills the day is a day old."""
        recent, whole = 0.0, DAY_SECONDS
        for _ in range(SEARCH_STEPS):
            middle = (recent + whole) / 2
            if self._context.noted_since(middle, states=LIVE) >= self._config.most_per_day:
                whole = middle
            else:
                recent = middle
        return DAY_SECONDS - recent
