"""What providers tell us: delivery reports and replies, believed only when they prove where they come from."""

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl

from collect_pipelines.destinations.sms.config import GatewayProvider, SmsConfig, TwilioProvider
from collect_pipelines.destinations.sms.providers.answers import at_path, document, word

__all__ = ["Call", "Reply", "Report", "callback_secret", "proven", "read_reply", "read_report", "signature"]

SIGNATURE = "x-collect-signature"
WINDOW_SECONDS = 300.0  # how old a signed callback may be; clocks differ by less

STOP_WORDS = frozenset({"stop", "stopall", "stop all", "unsubscribe", "cancel", "end", "quit", "optout", "opt out", "revoke"})
START_WORDS = frozenset({"start", "unstop", "yes"})

Outcome = Literal["sent", "delivered", "undelivered", "failed"]

STATES: dict[str, Outcome] = {
    "accepted": "sent", "queued": "sent", "sending": "sent", "sent": "sent", "submitted": "sent", "buffered": "sent",
    "delivered": "delivered", "delivrd": "delivered", "read": "delivered",
    "undelivered": "undelivered", "undeliv": "undelivered", "undeliverable": "undelivered", "expired": "undelivered",
    "failed": "failed", "rejected": "failed", "rejectd": "failed", "canceled": "failed", "deleted": "failed",
}  # fmt: skip
"""Words of Twilio, of SMPP and of common gateways, in ours."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it came."""

    target: str
    """Path with its query, as it was sent."""
    headers: Mapping[str, str]
    """Names in small letters."""
    body: bytes

    def form(self) -> list[tuple[str, str]]:
        """The body as a form; empty for what is none."""
        try:
            return parse_qsl(self.body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS)
        except ValueError:
            return []

    def field(self, name: str) -> str | None:
        """A field of the form."""
        return dict(self.form()).get(name)


MOST_FIELDS = 100  # Twilio sends about 20


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a message."""

    state: Outcome
    message_id: str | None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What somebody wrote back."""

    sender: str
    wish: Literal["stop", "start"]
    proof: str | None
    """The same for the same call: a call that comes again is known by it. None when nothing tells calls apart."""

    def __repr__(self) -> str:
        return f"Reply({self.wish!r})"  # Promise 10: tracebacks show arguments


def callback_secret(config: SmsConfig) -> str | None:
    """The reference of the secret that proves callbacks; None when the integration takes none."""
    if config.public_url is None:
        return None
    if isinstance(config.provider, TwilioProvider):
        return config.provider.auth_token
    return config.provider.callback_secret if isinstance(config.provider, GatewayProvider) else None


def proven(config: SmsConfig, secret: str, call: Call, now: float | None = None) -> bool:
    """Whether the call comes from the provider. now: Unix time."""
    if isinstance(config.provider, TwilioProvider):
        # the address Twilio was told, not the one this process sees behind a gateway
        expected = signature(f"{config.public_url}{call.target}", call.form(), secret)
        return hmac.compare_digest(expected.encode(), call.headers.get("x-twilio-signature", "").encode())
    if not isinstance(config.provider, GatewayProvider):
        return False
    if config.provider.callback_proof == "token":
        return hmac.compare_digest(f"Bearer {secret}".encode(), call.headers.get("authorization", "").encode())
    return _signed(secret, call, time.time() if now is None else now)


def signature(url: str, form: list[tuple[str, str]], token: str) -> str:
    """
    Twilio's signature: HMAC-SHA1 over the address and the sorted fields.

    >>> fields = [("CallSid", "CA1234567890ABCDE"), ("Caller", "+12349013030"), ("Digits", "1234"), ("From", "+12349013030"),
    ...           ("To", "+18005551212")]
    >>> signature("https://mycompany.com/myapp.php?foo=1&bar=2", fields, "12345")
    '0/KCTR6DLpKmkAf8muzZqo1nDgQ='
    """
    signed = url + "".join(f"{name}{value}" for name, value in sorted(set(form)))
    # SHA-1 is what Twilio signs with; under HMAC it holds
    return base64.b64encode(hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()).decode()


def read_report(config: SmsConfig, call: Call) -> Report | None:
    """The report in a proven call; None when it says nothing we know."""
    if isinstance(config.provider, TwilioProvider):
        state = STATES.get((call.field("MessageStatus") or call.field("SmsStatus") or "").lower())
        return Report(state, word(call.field("MessageSid")), word(call.field("ErrorCode"))) if state else None
    if not isinstance(config.provider, GatewayProvider):
        return None
    fields, told = config.provider.callback_fields, document(call.body)
    said = word(at_path(told, fields.state)) or ""
    known = fields.states.get(said) or STATES.get(said.lower())
    return Report(known, word(at_path(told, fields.id))) if known else None


def read_reply(config: SmsConfig, call: Call) -> Reply | None:
    """The wish in a proven call; None when it says anything but STOP or START."""
    if isinstance(config.provider, TwilioProvider):
        sender, text, proof = call.field("From"), call.field("OptOutType") or call.field("Body"), call.field("MessageSid")
    elif isinstance(config.provider, GatewayProvider):
        fields, told = config.provider.callback_fields, document(call.body)
        sender, text, proof = at_path(told, fields.sender), at_path(told, fields.text), word(at_path(told, fields.id))
    else:
        return None
    if not isinstance(sender, str) or not isinstance(text, str):
        return None
    said = " ".join(text.split()).lower().strip(".!")
    wish: Literal["stop", "start"] | None = "stop" if said in STOP_WORDS else "start" if said in START_WORDS else None
    # a signature holds the time, so that two calls differ although they say the same
    return Reply(sender, wish, proof or call.headers.get(SIGNATURE)) if wish else None


def _signed(secret: str, call: Call, now: float) -> bool:
    moment = call.headers.get("x-collect-timestamp", "")
    if not (moment.isascii() and moment.isdigit() and len(moment) <= 12 and abs(now - int(moment)) <= WINDOW_SECONDS):
        return False
    # the address belongs to what is signed: a report can't be moved to another message
    signed = b".".join((moment.encode(), call.target.encode(), call.body))
    expected = "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), call.headers.get(SIGNATURE, "").encode())
