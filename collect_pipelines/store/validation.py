"""What validation decides: how far a form is validated, and which entries are held back and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, cast, distinct, func, literal, select, true, update
from sqlalchemy.dialects.postgresql import JSONB

from collect_pipelines.errors import Conflict, LeaseLost, NotFound
from collect_pipelines.store.audit import record_audit
from collect_pipelines.store.database import ring
from collect_pipelines.store.forms import form_reference
from collect_pipelines.store.leases import Lease, hold_lease
from collect_pipelines.store.tables import form, organization, quarantine, response

__all__ = [
    "PendingForm",
    "QuarantineEntry",
    "Quarantined",
    "count_held",
    "discard",
    "forms_to_validate",
    "held_by_rule",
    "list_quarantined",
    "quarantined_at",
    "release",
    "settle_validation",
]


@dataclass(frozen=True, slots=True)
class QuarantineEntry:
    """An entry to hold back; each reason has `rule`, `question` and `message`, and no answer."""

    position: int
    response_id: str
    revision: int
    reasons: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Quarantined:
    """An entry held back, or what an operator decided about it."""

    form_id: int
    form: str
    position: int
    response_id: str
    revision: int
    reasons: list[dict[str, Any]]
    state: Literal["held", "released", "discarded"]
    created_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    released_position: int | None


@dataclass(frozen=True, slots=True)
class PendingForm:
    """A form with entries that are not validated: `after < position <= head`."""

    form_id: int
    reference: str
    after: int
    head: int
    oldest_received_at: datetime


def settle_validation(connection: Connection, form_id: int, through: int, quarantined: Sequence[QuarantineEntry], lease: Lease) -> None:
    """
    Everything up to `through` is validated; those listed are held back. One transaction.

    Raises LeaseLost when another worker took over; Conflict when `through` is behind what is validated or after the head.
    """
    if lease.name != f"validation:{form_id}":
        raise LeaseLost(f"The lease {lease.name} is not one of validating form {form_id}.")
    hold_lease(connection, lease)
    rows = [
        {"form_id": form_id, "position": e.position, "response_id": e.response_id, "revision": e.revision, "reasons": list(e.reasons)}
        for e in quarantined
    ]
    if rows:
        connection.execute(quarantine.insert(), rows)
    # Last, because the form's row is what every accepting transaction waits for.
    forward = form.c.validated_through < through, form.c.head >= through
    if not connection.execute(update(form).where(form.c.form_id == form_id, *forward).values(validated_through=through)).rowcount:
        raise Conflict(f"Form {form_id} can't be validated through {through}: that is behind what is validated, or after the head.")
    ring(connection)


def forms_to_validate(connection: Connection) -> list[PendingForm]:
    """The forms with entries that are not validated yet, the one with the oldest entry first."""
    waiting = (
        select(response.c.received_at)
        .where(response.c.form_id == form.c.form_id, response.c.position == form.c.validated_through + 1)
        .limit(1)  # keeps it a probe of the index per pending form: joined freely, it is planned as a scan of the whole log
        .lateral("waiting")
    )
    query = (
        select(
            form.c.form_id,
            form.c.slug,
            organization.c.slug.label("organization"),
            form.c.validated_through,
            form.c.head,
            waiting.c.received_at,
        )
        .select_from(form.join(organization).join(waiting, true()))
        .where(form.c.head > form.c.validated_through)
        .order_by(waiting.c.received_at, form.c.form_id)
    )
    return [
        PendingForm(row.form_id, form_reference(row.organization, row.slug), row.validated_through, row.head, row.received_at)
        for row in connection.execute(query)
    ]


def list_quarantined(connection: Connection, form_id: int | None = None, limit: int = 100) -> list[Quarantined]:
    """The entries held back now, oldest first per form; of one form when it is named."""
    query = _QUARANTINED.where(quarantine.c.state == "held").order_by(quarantine.c.form_id, quarantine.c.position).limit(limit)
    return _quarantined(connection, query if form_id is None else query.where(quarantine.c.form_id == form_id))


def count_held(connection: Connection, form_id: int | None = None) -> int:
    """How many entries are held back now; of one form when it is named."""
    query = select(func.count()).select_from(quarantine).where(quarantine.c.state == "held")
    return int(connection.execute(query if form_id is None else query.where(quarantine.c.form_id == form_id)).scalar_one())


def held_by_rule(connection: Connection) -> list[tuple[str, str, int]]:
    """Form, rule, and how many entries the rule holds back now; an entry that breaks two rules counts for both."""
    reason = func.jsonb_array_elements(quarantine.c.reasons).table_valued("value").render_derived()
    rule = func.coalesce(cast(reason.c.value, JSONB)["rule"].astext, "").label("rule")
    count = func.count(distinct(quarantine.c.position)).label("held")
    query = (
        select(form.c.slug, organization.c.slug.label("organization"), rule, count)
        .select_from(quarantine.join(form).join(organization).join(reason, true()))
        .where(quarantine.c.state == "held")
        .group_by(form.c.slug, organization.c.slug, rule)
        .order_by(form.c.slug, rule)
    )
    return [(form_reference(row.organization, row.slug), row.rule, row.held) for row in connection.execute(query)]


def quarantined_at(connection: Connection, form_id: int, position: int) -> Quarantined | None:
    """Why the entry was held back and what was decided; None when validation let it pass, or has not seen it."""
    query = _QUARANTINED.where(quarantine.c.form_id == form_id, quarantine.c.position == position)
    return next(iter(_quarantined(connection, query)), None)


def release(connection: Connection, form_id: int, position: int, actor: str) -> int:
    """
    Lets a held entry through as a new log entry with the same answers, and returns its position.

    Raises NotFound (nothing is held there), Conflict (decided already, or the response was edited or deleted meanwhile).
    """
    # Promise 3: a new position is only given under the lock of the form's row.
    head = connection.execute(select(form.c.head).where(form.c.form_id == form_id).with_for_update(key_share=True)).scalar()
    held = _held(connection, form_id, position)
    of_response = response.c.form_id == form_id, response.c.response_id == held.response_id
    newest = connection.execute(select(func.max(response.c.revision)).where(*of_response)).scalar_one()
    if head is None or newest != held.revision:
        raise Conflict(
            f"Response {held.response_id} has a newer revision than the one held at {position}.",
            fix="Discard the held entry; the newer revision is judged by itself.",
        )
    same = [c.name for c in response.c if c.name not in ("position", "revision", "operation", "received_at")]
    entry = select(
        *(response.c[name] for name in same), literal(head + 1), response.c.revision + 1, literal("release"), func.clock_timestamp()
    )
    columns = [*same, "position", "revision", "operation", "received_at"]
    connection.execute(response.insert().from_select(columns, entry.where(response.c.form_id == form_id, response.c.position == position)))
    connection.execute(update(form).where(form.c.form_id == form_id).values(head=head + 1))
    _decide(connection, form_id, position, actor, "released", head + 1)
    ring(connection)
    return int(head) + 1


def discard(connection: Connection, form_id: int, position: int, actor: str, reason: str = "") -> None:
    """
    Decides that a held entry is never delivered; it stays in the log, and the reason in the audit trail.

    Raises NotFound (nothing is held there), Conflict (decided already).
    """
    _held(connection, form_id, position)
    _decide(connection, form_id, position, actor, "discarded", None, {"reason": reason} if reason else {})


_QUARANTINED = (
    select(quarantine, form.c.slug, organization.c.slug.label("organization"))
    .join(form, form.c.form_id == quarantine.c.form_id)
    .join(organization, organization.c.organization_id == form.c.organization_id)
)


def _quarantined(connection: Connection, query: Any) -> list[Quarantined]:
    found = []
    for row in connection.execute(query):
        values = dict(row._mapping)
        values["form"] = form_reference(values.pop("organization"), values.pop("slug"))
        found.append(Quarantined(**values))
    return found


def _held(connection: Connection, form_id: int, position: int) -> Any:
    at = quarantine.c.form_id == form_id, quarantine.c.position == position
    row = connection.execute(select(quarantine).where(*at).with_for_update()).one_or_none()
    if row is None:
        raise NotFound(f"Nothing is held at position {position}.", fix="`collect failures list` shows what is held.")
    if row.state != "held":
        raise Conflict(f"The entry at position {position} was {row.state} already.", fix="`collect failures list` shows what is held.")
    return row


def _decide(
    connection: Connection,
    form_id: int,
    position: int,
    actor: str,
    state: str,
    released_position: int | None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    values = {"state": state, "decided_at": func.clock_timestamp(), "decided_by": actor, "released_position": released_position}
    at = quarantine.c.form_id == form_id, quarantine.c.position == position
    connection.execute(update(quarantine).where(*at).values(values))
    record_audit(connection, actor, f"quarantine.{state}", f"{form_id}:{position}", detail)
