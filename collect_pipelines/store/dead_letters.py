"""Dead letters: what a receiver refused for good, kept with its reason until somebody decides."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, select

from collect_pipelines.store.forms import form_reference
from collect_pipelines.store.tables import dead_letter, form, integration, organization

__all__ = ["StoredDeadLetter", "list_dead_letters"]


@dataclass(frozen=True, slots=True)
class StoredDeadLetter:
    """One entry one integration could not deliver; `reason` holds no answer."""

    integration_id: int
    integration: str
    kind: str
    form_id: int
    form: str
    position: int
    batch_no: int
    response_id: str
    revision: int
    reason: str
    state: Literal["open", "redelivered", "discarded"]
    created_at: datetime


def list_dead_letters(
    connection: Connection, form_id: int | None = None, integration_id: int | None = None, limit: int = 100
) -> list[StoredDeadLetter]:
    """Those nobody decided about yet, by integration and position; of one form, one integration, or both."""
    query = (
        select(dead_letter, integration.c.name, integration.c.kind, form.c.form_id, form.c.slug, organization.c.slug.label("organization"))
        .join(integration, integration.c.integration_id == dead_letter.c.integration_id)
        .join(form, form.c.form_id == integration.c.form_id)
        .join(organization, organization.c.organization_id == integration.c.organization_id)
        .where(dead_letter.c.state == "open")
        .order_by(dead_letter.c.integration_id, dead_letter.c.position)
        .limit(limit)
    )
    if form_id is not None:
        query = query.where(form.c.form_id == form_id)
    if integration_id is not None:
        query = query.where(integration.c.integration_id == integration_id)
    return [
        StoredDeadLetter(
            integration_id=row.integration_id,
            integration=row.name,
            kind=row.kind,
            form_id=row.form_id,
            form=form_reference(row.organization, row.slug),
            position=row.position,
            batch_no=row.batch_no,
            response_id=row.response_id,
            revision=row.revision,
            reason=row.reason,
            state=row.state,
            created_at=row.created_at,
        )
        for row in connection.execute(query)
    ]
