"""
The alerts that need no Prometheus: what is wrong now, judged from the ledger, and how it is told to a webhook.

The rules mean the same as those of deploy/prometheus/alerts.yml. An alert names forms, integrations and numbers, never an
answer (Promise 10).
"""

import json
import urllib.error
import urllib.request
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from types import MappingProxyType
from typing import IO, Any, Literal, Protocol

from collect_pipelines.errors import TryLater
from collect_pipelines.model import Ledger

__all__ = ["Alert", "Compared", "Kind", "Status", "evaluate", "message", "post"]

Kind = Literal["late", "blocked", "failing", "quarantine", "dead_letters", "batch", "different", "unproven"]
Status = Literal["fired", "resolved"]

POST_TIMEOUT_SECONDS = 5.0  # all alerts of a minute are one request


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that a person should look at. The same (kind, subject) is the same alert for as long as it lasts."""

    kind: Kind
    subject: str
    """Name of the integration; for quarantine and batch the form."""
    severity: Literal["critical", "warning"]
    form: str
    message: str
    fix: str


class Compared(Protocol):
    """What the newest comparison of an integration with its destination came to."""

    @property
    def integration(self) -> str:
        """Its name."""

    @property
    def form(self) -> str:
        """Reference of its form."""

    @property
    def kind(self) -> str:
        """Of its destination."""

    @property
    def state(self) -> str:
        """`equal`, `different` or `failed`."""

    @property
    def unexplained(self) -> int:
        """Rows that are not as they should be, but for those that are left to people."""

    @property
    def error(self) -> str | None:
        """Why it failed."""


def evaluate(
    ledger: Iterable[Ledger],
    held: Mapping[str, int],
    late_after_seconds: float,
    warnings: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
    comparisons: Iterable[Compared] = (),
) -> list[Alert]:
    """
    What is wrong now, in the order of the ledger.

    held: open quarantine entries by form. late_after_seconds: an entry pending for longer is late. warnings: by form, the rules over
    batches that its newest batch breaks, each with a sentence. comparisons: the newest of each integration.
    """
    alerts = []
    for row in ledger:
        alerts += _of_integration(row, late_after_seconds)
    alerts += [_quarantine(form, count) for form, count in sorted(held.items()) if count]
    alerts += [_batch(form, found) for form, found in sorted(warnings.items()) if found]
    alerts += [alert for one in comparisons for alert in _comparison(one)]
    return alerts


def _of_integration(row: Ledger, late_after_seconds: float) -> list[Alert]:
    found = []
    late = row.oldest_pending_seconds or 0.0
    show = f"collect integrations show {row.integration}"
    if row.state == "blocked":
        text = f"{row.integration} ({row.kind}) of form {row.form} needs a person: {row.reason or 'no reason is recorded'}"
        found.append(Alert("blocked", row.integration, "critical", row.form, text, row.fix or f"{show} names the reason and the fix."))
    elif row.state == "active" and late > late_after_seconds:
        text = f"{row.integration} ({row.kind}) of form {row.form} is late: {row.pending} pending, the oldest for {late:.0f} s."
        found.append(Alert("late", row.integration, "critical", row.form, text, f"{show} names the reason and the fix."))
    if row.state == "active" and row.breaker != "closed":
        text = f"{row.integration} ({row.kind}) of form {row.form}: {row.failures} attempts in a row failed. It goes on trying by itself."
        found.append(Alert("failing", row.integration, "warning", row.form, text, f"{show} names the last error."))
    if row.open_letters:
        text = f"{row.integration} ({row.kind}) of form {row.form}: the receiver refused {row.open_letters} for good."
        found.append(
            Alert(
                "dead_letters",
                row.integration,
                "warning",
                row.form,
                text,
                "`collect failures list` shows each with its reason; retry or discard them.",
            )
        )
    return found


def _quarantine(form: str, count: int) -> Alert:
    text = f"Form {form} has {count} in quarantine: validation holds them back."
    return Alert("quarantine", form, "warning", form, text, "`collect failures list` shows the rule and the question of each.")


def _batch(form: str, warnings: Mapping[str, str]) -> Alert:
    text = f"The newest batch of form {form} is unusual: {'; '.join(f'{rule}: {told}' for rule, told in sorted(warnings.items()))}"
    fix = f"Nothing is held back. `collect rules list {form}` shows what is looked at; find out what changed in the field, or the rule."
    return Alert("batch", form, "warning", form, text, fix)


def _comparison(one: Compared) -> list[Alert]:
    about = f"{one.integration} ({one.kind}) of form {one.form}"
    fix = f"`collect reconcile {one.integration}` lists them; with --repair what is missing, stale or there twice is mended."
    if one.state == "different" and one.unexplained:
        text = f"{about}: {one.unexplained} rows in the destination are not as the ledger says."
        return [Alert("different", one.integration, "warning", one.form, text, fix)]
    if one.state == "failed":
        text = f"{about} could not be compared with its destination: {one.error or 'no reason is recorded'}"
        return [Alert("unproven", one.integration, "warning", one.form, text, f"Then: collect reconcile {one.integration}")]
    return []


def message(fired: Collection[Alert], resolved: Collection[Mapping[str, str]], at: datetime) -> dict[str, Any]:
    """
    The document that is posted: `text` for chat services that show it as it is, the rest for programs.

    resolved: kind, subject and message of alerts that are over.
    """
    entries = [{"status": "fired", **asdict(alert)} for alert in fired] + [{"status": "resolved", **entry} for entry in resolved]
    lines = [f"{entry['status'].upper()}: {entry['message']}" for entry in entries]
    return {"source": "collect-pipelines", "at": at.isoformat(), "text": "\n".join(lines), "alerts": entries}


def post(url: str, document: Mapping[str, Any]) -> None:
    """
    Sends the document as JSON; returns when the receiver said 2xx. Follows no redirect.

    Raises TryLater, without the URL (it may hold a token), when the receiver did not take it.
    """
    request = urllib.request.Request(  # noqa: S310 - the operator's own URL; the opener below speaks HTTP only
        url, json.dumps(document).encode(), {"Content-Type": "application/json", "User-Agent": "collect-pipelines"}, method="POST"
    )
    try:
        with _OPENER.open(request, timeout=POST_TIMEOUT_SECONDS):
            return
    except urllib.error.HTTPError as exc:
        exc.close()
        raise TryLater(f"The alert webhook answered {exc.code}.") from None
    except (OSError, ValueError) as exc:
        raise TryLater(f"The alert webhook can't be reached ({type(exc).__name__}).", unknown=True) from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str) -> None:
        """None makes urllib raise the 3xx as it is: an alert goes where the operator said and nowhere else."""
        return


def _opener() -> urllib.request.OpenerDirector:
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
        _NoRedirect(),
    ):
        opener.add_handler(handler)
    return opener


_OPENER = _opener()
