"""Twilio's Programmable Messaging: one message per POST, found again by number, text and time."""

import base64
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlencode

from collect_pipelines.destinations.http import NotAllowed, NotSent, OutcomeUnclear
from collect_pipelines.destinations.sms.config import TwilioProvider
from collect_pipelines.destinations.sms.providers.answers import PLACE_FIX, document, moment, retry_after, word
from collect_pipelines.destinations.sms.providers.interface import Found, Message, Provider, Result, Same
from collect_pipelines.errors import Blocked, TryLater
from collect_pipelines.model import JsonValue

if TYPE_CHECKING:
    from collect_pipelines.destinations.http.client import Answer, GuardedClient
    from collect_pipelines.destinations.interface import Context

__all__ = ["STATES", "Twilio"]

PAGE_SIZE = 50  # messages to one number since the attempt; cool-down and caps keep real ones far below
CLOCK_SECONDS = 120.0  # by so much Twilio's clock may be behind ours
TRIAL_PREFIX = "Sent from your Twilio trial account - "

STATES: dict[str, Literal["sent", "delivered", "undelivered", "failed"]] = {
    "accepted": "sent", "scheduled": "sent", "queued": "sent", "sending": "sent", "sent": "sent", "receiving": "sent", "received": "sent",
    "delivered": "delivered", "read": "delivered", "undelivered": "undelivered", "failed": "failed", "canceled": "failed",
}  # fmt: skip
"""Twilio's states in ours."""

OPTED_OUT = {21610: "The recipient has replied STOP to this sender."}
BUSY = {
    20429: "Twilio says: too many requests.",
    21611: "The sender's queue at Twilio is full.",
    63038: "The account's daily limit of messages is reached.",
}
REFUSED = {
    21211: "The number is not valid.",
    21214: "The number can't be reached.",
    21217: "The number is not valid.",
    21265: "The number is a short code, which takes no messages.",
    21266: "The number is the sender's own.",
    21268: "The number is of a premium or information service.",
    21408: "Messages to this country are not enabled for the account.",
    21602: "The text is empty.",
    21608: "A trial account writes to verified numbers only.",
    21612: "Twilio has no way from this sender to this number.",
    21614: "The number is no mobile number.",
    21617: "The text is too long.",
    21635: "The number is a landline.",
}
BLOCKED = {
    20003: ("Twilio refuses the account SID or the auth token.", "Correct them in the integration's `provider`"),
    20005: ("The Twilio account is not active.", "Reactivate it in Twilio's console"),
    20404: ("Twilio knows no such account.", "Correct `account_sid` in the integration's `provider`"),
    21212: ("Twilio refuses the sender.", "Correct `sender` in the integration's `provider`"),
    21267: ("A trial account can't use a sender id of letters.", "Use a number of the account as `sender`, or upgrade the account"),
    21603: ("Twilio got no sender.", "Set `sender` or `messaging_service_sid` in the integration's `provider`"),
    21606: ("The sender is no number of the account that can send SMS.", "Correct `sender` in the integration's `provider`"),
    21609: ("Twilio can't use the address for delivery reports.", "Set `public_url` to an https address that Twilio can reach"),
    21659: ("The sender is no number of Twilio's.", "Correct `sender` in the integration's `provider`"),
    21660: ("The sender belongs to another account.", "Correct `sender` or `account_sid` in the integration's `provider`"),
    21661: ("The sender can't send SMS.", "Use another number as `sender`"),
    21701: ("The messaging service does not exist.", "Correct `messaging_service_sid` in the integration's `provider`"),
    21703: ("The messaging service has no sender.", "Add a number to it in Twilio's console"),
    21704: ("The messaging service has no sender.", "Add a number to it in Twilio's console"),
    21705: ("The messaging service can't be used.", "Correct `messaging_service_sid` in the integration's `provider`"),
}


class Twilio(Provider):
    """
    Twilio has no key against repetition, so an unclear outcome is looked up: messages to the number since the attempt, with this text.

    Two receipts may have the same number and text; the caller says which ids belong to others.
    """

    looks_up = True
    ambiguous = True

    def __init__(self, config: TwilioProvider, context: "Context", client: "GuardedClient") -> None:
        self._config, self._client = config, client
        self._account = f"{config.base_url.rstrip('/')}/2010-04-01/Accounts/{config.account_sid}"
        login = base64.b64encode(f"{config.account_sid}:{context.secret(config.auth_token)}".encode()).decode()
        self._headers = {"Authorization": f"Basic {login}", "Accept": "application/json"}

    def send(self, message: Message) -> Result:
        """POST Messages.json."""
        form = {"To": message.to, "Body": message.text}
        if self._config.messaging_service_sid:
            form["MessagingServiceSid"] = self._config.messaging_service_sid
        else:
            form["From"] = self._config.sender or ""
        if message.callback_url:
            form["StatusCallback"] = message.callback_url
        headers = {**self._headers, "Content-Type": "application/x-www-form-urlencoded"}
        try:
            answer = self._client.request("POST", f"{self._account}/Messages.json", body=urlencode(form).encode(), headers=headers)
        except NotAllowed as exc:
            raise Blocked(exc.reason, fix=exc.fix or PLACE_FIX) from exc
        except NotSent as exc:
            return Result("busy", reason=exc.reason)
        except OutcomeUnclear as exc:
            return Result("unclear", reason=exc.reason)
        return self._result(answer)

    def candidates(self, message: Message, since: datetime, same: Same) -> list[Found]:
        """
        GET Messages.json.

        Not filtered by `DateSent`: a message that waits in Twilio's queue has none yet and would be missed.
        """
        query = urlencode({"To": message.to, "PageSize": PAGE_SIZE})
        found = self._get(f"{self._account}/Messages.json?{query}")
        messages = found.get("messages")
        earliest = since - timedelta(seconds=CLOCK_SECONDS)
        return [
            Found(sid, STATES.get(str(one.get("status")), "sent"))
            for one in (messages if isinstance(messages, list) else ())
            if isinstance(one, dict) and _matches(one, message.to, earliest, same) and (sid := word(one.get("sid"))) is not None
        ]

    def probe(self) -> dict[str, JsonValue]:
        """GET the account."""
        found = self._get(f"{self._account}.json")
        status = word(found.get("status"))
        if status not in (None, "active"):
            raise Blocked(f"The Twilio account is {status}.", fix="Reactivate it in Twilio's console.")
        return {"provider": "twilio", "account": self._config.account_sid, "type": word(found.get("type"))}

    def _get(self, url: str) -> Mapping[str, Any]:
        try:
            answer = self._client.request("GET", url, body=None, headers=self._headers)
        except NotAllowed as exc:
            raise Blocked(exc.reason, fix=exc.fix or PLACE_FIX) from exc
        read = document(answer.body)
        if answer.ok and isinstance(read, dict):
            return read
        self._raise_blocked(answer, read)
        raise TryLater(f"Twilio answered {answer.status} to a question.", after=retry_after(answer.headers))

    def _result(self, answer: "Answer") -> Result:
        read = document(answer.body)
        told = read if isinstance(read, dict) else {}
        if answer.ok:
            sid = word(told.get("sid"))
            return Result("sent", id=sid) if sid else Result("unclear", reason="Twilio took it and told no id.")
        self._raise_blocked(answer, read)
        code = _code(told)
        if code in OPTED_OUT:
            return Result("opted_out", reason=OPTED_OUT[code], code=str(code))
        if code in BUSY or answer.status == 429:
            reason = BUSY.get(code, BUSY[20429])
            return Result("busy", reason=reason, code=str(code or 429), after=retry_after(answer.headers))
        if 400 <= answer.status < 500 and answer.status not in (408, 409, 425):
            return Result("refused", reason=REFUSED.get(code, f"Twilio refuses it (code {code or answer.status})."), code=str(code))
        return Result("unclear", reason=f"Twilio answered {answer.status}.", code=str(answer.status))

    @staticmethod
    def _raise_blocked(answer: "Answer", read: Any) -> None:
        code = _code(read if isinstance(read, dict) else {})
        if answer.status in (401, 403) and not code:
            code = 20003
        if code in BLOCKED and answer.status < 500:
            reason, fix = BLOCKED[code]
            raise Blocked(f"{reason} (Twilio code {code})", fix=f"{fix}, then resume.")
        if 300 <= answer.status < 400:
            raise Blocked(
                "What answers is not Twilio: it redirects.", fix="Correct `base_url` in the integration's `provider`, then resume."
            )


def _code(told: Mapping[str, Any]) -> int:
    code = told.get("code")
    return code if isinstance(code, int) and not isinstance(code, bool) else 0


def _matches(one: Mapping[str, Any], to: str, earliest: datetime, same: Same) -> bool:
    """Whether it went out, to this number, with this text, late enough."""
    body, created = one.get("body"), moment(one.get("date_created"))
    outgoing = str(one.get("direction", "outbound-api")).startswith("outbound")
    whole = isinstance(body, str) and same(body.removeprefix(TRIAL_PREFIX).strip())
    return outgoing and whole and one.get("to") == to and (created is None or created >= earliest)
