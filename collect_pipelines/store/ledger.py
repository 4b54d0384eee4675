"""The ledger: where every entry of every form stands, per integration (promise 4)."""

from typing import Any

from sqlalchemy import Connection, func, select, true

from collect_pipelines.model import Ledger
from collect_pipelines.store.breakers import breaker_state
from collect_pipelines.store.forms import form_reference
from collect_pipelines.store.tables import batch, dead_letter, form, integration, organization, response

__all__ = ["batch_totals", "ledger"]


def ledger(connection: Connection, form_id: int | None = None) -> list[Ledger]:
    """One line per integration, of all forms or of one; all numbers are of one moment."""
    waiting = (
        select(response.c.received_at)
        .where(response.c.form_id == form.c.form_id, response.c.position == integration.c.cursor + 1)
        .limit(1)  # keeps it a probe of the index per integration: joined freely, it is planned as a scan of the whole log
        .lateral("waiting")
    )
    query = (
        select(
            integration,
            form.c.slug,
            organization.c.slug.label("organization"),
            form.c.head,
            func.extract("epoch", func.clock_timestamp() - waiting.c.received_at).label("age"),
            _letters("waiting", integration.c.behind),
            _letters("open", integration.c.dead_lettered),
            breaker_state().label("breaker"),
        )
        .select_from(_OWNED.outerjoin(waiting, true()))
        .order_by(integration.c.integration_id)
    )
    if form_id is not None:
        query = query.where(form.c.form_id == form_id)
    return [_line(row) for row in connection.execute(query)]


def batch_totals(connection: Connection) -> list[dict[str, Any]]:
    """Sums over the batches of each integration, as the fields of `telemetry.pipeline_metrics.BatchTotals`."""
    landed, parked = batch.c.state == "landed", batch.c.state == "parked"
    sums = {
        "batches": func.count().filter(landed),
        "parked": func.count().filter(parked),
        "retries": func.sum(func.greatest(batch.c.attempts - 1, 0)),
        "rows": func.sum(batch.c.rows).filter(landed),
        "seconds": func.sum(batch.c.seconds),
        "api_calls": func.sum(batch.c.api_calls),
        "quota_wait_seconds": func.sum(batch.c.quota_wait_seconds),
    }
    columns = [func.coalesce(total, 0).label(name) for name, total in sums.items()]
    totals = select(batch.c.integration_id, *columns).group_by(batch.c.integration_id).subquery("totals")
    query = (
        select(form.c.slug, organization.c.slug.label("organization"), integration.c.name, integration.c.kind, totals)
        .select_from(_OWNED.outerjoin(totals, totals.c.integration_id == integration.c.integration_id))
        .order_by(integration.c.integration_id)
    )
    return [
        {
            "form": form_reference(row.organization, row.slug),
            "integration": row.name,
            "kind": row.kind,
            **{name: (float if name.endswith("seconds") else int)(getattr(row, name) or 0) for name in sums},
        }
        for row in connection.execute(query)
    ]


_OWNED = integration.join(form, form.c.form_id == integration.c.form_id).join(
    organization, organization.c.organization_id == integration.c.organization_id
)


def _letters(state: str, bound: Any) -> Any:
    """How many of the integration's letters are in the state; there are none while `bound` is zero, and none is looked for."""
    count = select(func.count()).where(
        bound > 0, dead_letter.c.integration_id == integration.c.integration_id, dead_letter.c.state == state
    )
    return count.correlate(integration).scalar_subquery().label(f"letters_{state}")


def _line(row: Any) -> Ledger:
    return Ledger(
        form=form_reference(row.organization, row.slug),
        integration=row.name,
        kind=row.kind,
        state=row.state,
        accepted=row.head,
        delivered=row.delivered,
        filtered=row.filtered,
        quarantined=row.quarantined,
        dead_lettered=row.dead_lettered,
        erased=row.erased,
        pending=row.head - row.cursor + row.behind,
        oldest_pending_seconds=None if row.age is None else max(float(row.age), 0.0),
        reason=row.reason,
        fix=row.fix,
        problem=row.problem,
        notices=row.notices,
        set_aside=row.letters_waiting,
        open_letters=row.letters_open,
        failures=row.failures,
        breaker=row.breaker,
    )
