"""
Messages to people, on Slack or by e-mail, through apprise (extra `notify`).

It is also the shortest example of a destination: a configuration, what a row becomes, and one outcome per row.
"""

import logging
import re
from collections.abc import Callable
from typing import Any, ClassVar, Literal

from pydantic import Field

from collect_pipelines.destinations.interface import (
    Batch,
    Capability,
    Delivery,
    Destination,
    DestinationConfig,
    Guarantee,
    OnDelete,
    Outcome,
    ProbeReport,
)
from collect_pipelines.errors import Blocked, TryLater
from collect_pipelines.model import QuotaBucket

__all__ = ["Email", "Notify", "NotifyConfig", "Slack"]

MESSAGES_PER_SECOND, BURST = 1.0, 5.0  # what Slack takes per address; nobody reads more mail
FAILURES_IN_A_ROW = 3  # one message may be at fault itself, three are the receiver's
MOST_CHARACTERS = 500  # of one answer: a message tells, it does not store
FAILED = "The message was not taken; apprise does not say why."

_FIELD = re.compile(r"\{([^{}\s]+)\}")


class NotifyConfig(DestinationConfig):
    """Who is told, and what."""

    url: str = Field(
        pattern=r"^(env|file|stored):.+$", description="`env:NAME`, `file:PATH` or `stored:NAME` of the address, which holds a secret."
    )
    template: str | None = Field(
        default=None,
        max_length=2000,
        description="Text of a message; `{key}` stands for an answer, `{form}` and `{response_id}` for what they say. "
        "Unset: a line per answered question.",
    )


class Notify(Destination):
    """A message per revision of a response."""

    Config: ClassVar[type[DestinationConfig]] = NotifyConfig
    guarantee: ClassVar[Guarantee] = "at_least_once"
    supports: ClassVar[frozenset[Capability]] = frozenset({"append", "delete"})
    deletes: ClassVar[tuple[OnDelete, ...]] = ("delete",)
    keyed: ClassVar[bool] = True
    values: ClassVar[Literal["display", "typed"]] = "display"
    max_rows: ClassVar[int] = 50
    longest_wait_seconds: ClassVar[float] = 3600.0
    schemes: ClassVar[tuple[str, ...]]
    """How an address of the kind begins: apprise itself would take any of its hundred services."""
    config: NotifyConfig

    def probe(self) -> ProbeReport:
        """Sends a message that says it is a test."""
        self.context.guard()
        if not self._sender()("Test", f"This is a test of {self.context.integration}: responses to {self.context.form} will come here."):
            raise Blocked(f"The test message to {self.config.url} was not taken.", fix="Correct the address, or try again if it is right.")
        return ProbeReport(f"The address {self.config.url} took a test message.")

    def preview(self, batch: Batch) -> str:
        """The messages."""
        return "\n\n".join("\n".join(self._message(batch, row)) for row in batch.frame.iter_rows(named=True))

    def deliver(self, batch: Batch) -> Delivery:
        """Sends a message per row, as fast as people may be told, and stops when three in a row were not taken."""
        send, outcomes, failures, wait = self._sender(), list[Outcome](), 0, 0.0
        for row in batch.frame.iter_rows(named=True):
            wait = self.context.take_quota([QuotaBucket(f"{self.kind}:{self.config.url}", BURST, MESSAGES_PER_SECOND)])
            if wait or failures == FAILURES_IN_A_ROW:
                break
            self.context.guard()
            sent = send(*self._message(batch, row))
            failures = 0 if sent else failures + 1
            outcomes.append(Outcome.delivered() if sent else Outcome.later(FAILED))
        # what was set aside and fails again counts for itself
        if not outcomes or (Outcome.delivered() not in outcomes and batch.purpose != "retry"):
            raise TryLater(FAILED if outcomes else None, after=wait or None, unknown=bool(outcomes), quota_wait=not outcomes)
        rest = Outcome.later("Its turn is later.", after=wait) if wait else Outcome.later(FAILED)
        return Delivery((*outcomes, *[rest] * (batch.frame.height - len(outcomes))), api_calls=len(outcomes))

    def _message(self, batch: Batch, row: dict[str, Any]) -> tuple[str, str]:
        what = {"delete": "deleted", "edit": "changed"}.get(row["_operation"], "new")
        answers = {column.key: (column.label, _short(row[column.name])) for column in batch.columns}
        lines = [f"{label}: {said}" for label, said in answers.values() if said]
        if self.config.template is not None and what != "deleted":
            known = {key: said for key, (_, said) in answers.items()} | {"form": batch.form_title, "response_id": row["_response_id"]}
            lines = [_FIELD.sub(lambda field: _known(known, field[1]), self.config.template)]
        # a person can tell by the last line that a message came twice
        return " ".join(f"{batch.form_title}: {what}".split()), "\n".join([*lines, f"({row['_response_id']}, revision {row['_revision']})"])

    def _sender(self) -> Callable[[str, str], bool]:
        try:
            from apprise import Apprise, AppriseAsset
        except ImportError as exc:
            raise Blocked("The package apprise is not installed.", fix="pip install 'collect-pipelines[notify]'") from exc
        # Promise 10: the one logs addresses and payloads, the other paths
        logging.getLogger("apprise").disabled = True
        logging.getLogger("urllib3").setLevel(logging.WARNING)
        url = self.context.secret(self.config.url)

        def send(title: str, body: str) -> bool:
            # a new one for each message: a used one sleeps between two
            service = Apprise(asset=AppriseAsset(app_id="collect-pipelines", image_url_mask="", http_redirects=False, async_mode=False))
            if not url.startswith(self.schemes) or not service.add(url) or len(service) != 1:
                fix = f"It begins with {' or '.join(self.schemes)}: docs/destinations/{self.kind}.md."
                raise Blocked(f"The address in {self.config.url} is none of {self.kind}.", fix=fix)
            return bool(service.notify(body=body, title=title, body_format="text"))

        return send


class Slack(Notify):
    """A message in a Slack channel for every response."""

    kind: ClassVar[str] = "slack"
    schemes: ClassVar[tuple[str, ...]] = ("https://hooks.slack.com/", "slack://")


class Email(Notify):
    """An e-mail for every response."""

    kind: ClassVar[str] = "email"
    schemes: ClassVar[tuple[str, ...]] = ("mailtos://", "mailto://")


def _short(value: Any) -> str:
    said = "" if value is None else str(value)
    return said if len(said) <= MOST_CHARACTERS else said[:MOST_CHARACTERS] + "..."


def _known(known: dict[str, str], name: str) -> str:
    if name not in known:
        raise Blocked(f"The template names {{{name}}}, which is no question that goes out.", fix=f"Use one of {', '.join(sorted(known))}.")
    return known[name]
