"""Attempts that were sent back: what was wrong with which question, never an answer. Part of a response's story, for a month."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg.types.json import Jsonb
from sqlalchemy import Connection, select, text

from collect_pipelines.model import Operation
from collect_pipelines.store.forms import form_reference
from collect_pipelines.store.log import StoredEntry
from collect_pipelines.store.tables import form, organization, rejection

__all__ = [
    "KEPT_DAYS",
    "KEPT_PER_RESPONSE",
    "Rejection",
    "StoredRejection",
    "find_rejections",
    "numbered_attempts",
    "prune_rejections",
    "record_rejections",
]

KEPT_PER_RESPONSE = 20  # a client that resends in a loop must not fill the database; the newest tell what is wrong now
KEPT_DAYS = 30  # a story is asked for while people remember the visit

# Recorded once, also when the commit before a lost connection had succeeded and the same attempts are written again.
INSERT = text("""
    insert into collect.rejection (form_id, response_id, attempted_at, version, operation, source, key_id, findings)
    select :form_id, :response_id, :attempted_at, :version, :operation, :source, :key_id, :findings
    where not exists (
        select from collect.rejection
        where form_id = :form_id and response_id = :response_id and attempted_at = :attempted_at
    )
""")
DELETE_SURPLUS = text("""
    delete from collect.rejection where rejection_id in (
        select rejection_id from collect.rejection
        where form_id = :form_id and response_id = :response_id
        order by attempted_at desc, rejection_id desc offset :kept
    )
""")
DELETE_OLD = text("""
    delete from collect.rejection where ctid = any(array(
        select ctid from collect.rejection
        where attempted_at < statement_timestamp() - make_interval(days => :days) order by attempted_at limit :size
    ))
""")


@dataclass(frozen=True, slots=True)
class Rejection:
    """One attempt that was sent back; each finding has `code` and `severity`, and `question`, `label`, `rule`, `questions` if known."""

    form_id: int
    response_id: str
    attempted_at: datetime
    version: int
    operation: Operation
    source: str
    key_id: int | None
    findings: Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class StoredRejection:
    """The same, read back."""

    form_id: int
    form: str
    response_id: str
    attempted_at: datetime
    version: int
    operation: Operation
    source: str
    key_id: int | None
    findings: list[dict[str, Any]]


def record_rejections(connection: Connection, rejections: Sequence[Rejection]) -> None:
    """Writes them, each once, and keeps the newest 20 of each response."""
    rows = [
        {
            "form_id": one.form_id,
            "response_id": one.response_id,
            "attempted_at": one.attempted_at,
            "version": one.version,
            "operation": one.operation,
            "source": one.source,
            "key_id": one.key_id,
            "findings": Jsonb(list(one.findings)),
        }
        for one in rejections
    ]
    connection.execute(INSERT, rows)
    responses = sorted({(one.form_id, one.response_id) for one in rejections})
    surplus = [{"form_id": form_id, "response_id": response_id, "kept": KEPT_PER_RESPONSE} for form_id, response_id in responses]
    connection.execute(DELETE_SURPLUS, surplus)


def find_rejections(connection: Connection, response_id: str, organization_slug: str | None = None) -> list[StoredRejection]:
    """The attempts under this id that were sent back, oldest first, in every form; of one organization when it is named."""
    # A probe of the index on (form, response id) per form, as for the log.
    query = (
        select(
            *(column for column in rejection.c if column.name != "rejection_id"),
            form.c.slug,
            organization.c.slug.label("organization"),
        )
        .select_from(form.join(organization, organization.c.organization_id == form.c.organization_id))
        .join(rejection, rejection.c.form_id == form.c.form_id)
        .where(rejection.c.response_id == response_id)
        .order_by(rejection.c.attempted_at, rejection.c.rejection_id)
    )
    if organization_slug is not None:
        query = query.where(organization.c.slug == organization_slug)
    found = []
    for row in connection.execute(query):
        values = dict(row._mapping)
        values["form"] = form_reference(values.pop("organization"), values.pop("slug"))
        values["attempted_at"] = values["attempted_at"].astimezone(UTC)
        found.append(StoredRejection(**values))
    return found


def numbered_attempts(
    entries: Sequence[StoredEntry], rejections: Sequence[StoredRejection]
) -> list[tuple[int, StoredEntry | StoredRejection]]:
    """
    Every attempt of a client to send, edit or delete one response of one form, oldest first, numbered from 1.

    An entry is an attempt that was accepted. Releases are an operator's doing and are left out. Attempts beyond the newest 20 that
    were sent back, or older than 30 days, are not counted.
    """
    attempts: list[StoredEntry | StoredRejection] = [*rejections, *(entry for entry in entries if entry.operation != "release")]
    attempts.sort(key=_moment)
    return list(enumerate(attempts, start=1))


def _moment(attempt: StoredEntry | StoredRejection) -> datetime:
    return attempt.received_at if isinstance(attempt, StoredEntry) else attempt.attempted_at


def prune_rejections(connection: Connection, size: int) -> int:
    """Removes attempts older than 30 days, `size` at most, and says how many those were."""
    return connection.execute(DELETE_OLD, {"days": KEPT_DAYS, "size": size}).rowcount
