"""Any gateway that takes one message as JSON over HTTP, described by the configuration."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from collect_pipelines.destinations.http import NotAllowed, NotSent, OutcomeUnclear
from collect_pipelines.destinations.sms.config import GatewayProvider
from collect_pipelines.destinations.sms.providers.answers import PLACE_FIX, at_path, document, retry_after, word
from collect_pipelines.destinations.sms.providers.interface import Found, Message, Provider, Result, Same
from collect_pipelines.errors import Blocked, TryLater
from collect_pipelines.model import JsonValue

if TYPE_CHECKING:
    from collect_pipelines.destinations.http.client import Answer, GuardedClient
    from collect_pipelines.destinations.interface import Context

__all__ = ["Gateway"]

_PLACE = re.compile(r"\{(to|text|reference|sender|entity_id|template_id|callback_url)\}")
_SECRET = re.compile(r"((?:Bearer|Basic|Token|Key) )?((?:env|file|stored):.+)")

FORBIDDEN = (401, 402, 403, 404, 410)
FIX = "Correct the integration's `provider` (address, headers, account at the gateway), then resume."


class Gateway(Provider):
    """One POST per message; where the gateway can be asked by our reference, an unclear outcome is looked up."""

    def __init__(self, config: GatewayProvider, context: "Context", client: "GuardedClient") -> None:
        self._config, self._client = config, client
        self.looks_up, self.idempotent = config.look_up is not None, config.idempotent
        self._headers = {name: _opened(value, context) for name, value in config.headers.items()}
        self._body = _with_secrets(config.body, context)

    def send(self, message: Message) -> Result:
        """POST of the filled-in body."""
        body = json.dumps(_filled(self._body, self._values(message)), ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json", "Accept": "application/json", **self._headers}
        try:
            answer = self._client.request("POST", self._config.url, body=body, headers=headers)
        except NotAllowed as exc:
            raise Blocked(exc.reason, fix=exc.fix or PLACE_FIX) from exc
        except NotSent as exc:
            return Result("busy", reason=exc.reason)
        except OutcomeUnclear as exc:
            return Result("unclear", reason=exc.reason)
        return self._result(answer)

    def candidates(self, message: Message, since: datetime, same: Same) -> list[Found]:
        """GET by our reference: one or none."""
        assert self._config.look_up is not None
        url = self._config.look_up.url.replace("{reference}", quote(message.reference, safe=""))
        try:
            answer = self._client.request("GET", url, body=None, headers={"Accept": "application/json", **self._headers})
        except NotAllowed as exc:
            raise Blocked(exc.reason, fix=exc.fix or PLACE_FIX) from exc
        if answer.status == 404:
            return []
        if answer.status in FORBIDDEN:
            raise Blocked(f"The gateway refuses to be asked ({answer.status}).", fix=FIX)
        if not answer.ok:
            raise TryLater(f"The gateway answered {answer.status} to a question.", after=retry_after(answer.headers))
        found = word(at_path(document(answer.body), self._config.look_up.id))
        return [Found(found)] if found else []

    def probe(self) -> dict[str, JsonValue]:
        """Asks for a message that does not exist, where the gateway can be asked; else only reads the configuration."""
        facts: dict[str, JsonValue] = {"provider": "gateway", "looks up": self.looks_up, "idempotent": self.idempotent}
        if self.looks_up:
            self.candidates(Message("probe", "", "", ""), datetime.min.replace(tzinfo=UTC), lambda text: False)
        else:
            facts["asked"] = False
        return facts

    def _values(self, message: Message) -> dict[str, str]:
        template = self._config.template_id
        if isinstance(template, dict):
            template = template.get(message.language, next(iter(template.values()), ""))
        return {
            "to": message.to,
            "text": message.text,
            "reference": message.reference,
            "sender": self._config.sender or "",
            "entity_id": self._config.entity_id or "",
            "template_id": template or "",
            "callback_url": message.callback_url or "",
        }

    def _result(self, answer: "Answer") -> Result:
        if answer.ok:
            if self._config.id is None:
                return Result("sent")
            found = word(at_path(document(answer.body), self._config.id))
            if found:
                return Result("sent", id=found)
            return Result("unclear", reason=f"The gateway took it, and its answer has nothing at `{self._config.id}`.")
        code = str(answer.status)
        if answer.status in self._config.refused_statuses:
            return Result("refused", reason=f"The gateway refuses it ({code}).", code=code)
        if answer.status in FORBIDDEN or 300 <= answer.status < 400:
            # nothing was sent: redirects are not followed
            raise Blocked(f"The gateway refuses every message ({code}).", fix=FIX)
        if answer.status == 429:
            return Result("busy", reason="The gateway says: too many requests.", code=code, after=retry_after(answer.headers))
        return Result("unclear", reason=f"The gateway answered {code}.", code=code)


def _opened(value: str, context: "Context") -> str:
    """The text; a reference, also after `Bearer `, is replaced by its secret."""
    found = _SECRET.fullmatch(value)
    return f"{found[1] or ''}{context.secret(found[2])}" if found else value


def _with_secrets(value: Any, context: "Context") -> Any:
    if isinstance(value, Mapping):
        return {name: _with_secrets(one, context) for name, one in value.items()}
    if isinstance(value, list):
        return [_with_secrets(one, context) for one in value]
    return _Secret(_opened(value, context)) if isinstance(value, str) and _SECRET.fullmatch(value) else value


class _Secret(str):
    """A text in which no place is filled in, whatever it looks like."""

    __slots__ = ()


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    """The body with its places filled in, each once: a text that holds `{to}` stays as it is."""
    if isinstance(value, dict):
        return {name: _filled(one, values) for name, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, values) for one in value]
    if isinstance(value, str) and not isinstance(value, _Secret):
        return _PLACE.sub(lambda place: values[place[1]], value)
    return value
