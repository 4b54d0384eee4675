"""Comparisons of destinations with the log: what each found, the newest of every integration, and no more than is looked at."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, delete, func, select, update

from collect_pipelines.store.comparing.comparison import Difference, Numbers
from collect_pipelines.store.forms import form_reference
from collect_pipelines.store.tables import form, integration, organization, reconciliation

__all__ = [
    "KEPT",
    "Reconciliation",
    "ReconciliationState",
    "begin_reconciliation",
    "end_reconciliation",
    "newest_reconciliations",
    "note_repair",
    "reconciliation_by_id",
]

ReconciliationState = Literal["running", "equal", "different", "failed"]

KEPT = 30  # per integration: a month of nights


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """One comparison as it stands."""

    reconciliation_id: int
    integration_id: int
    integration: str
    form: str
    """Reference of the form."""
    kind: str
    through_position: int
    """Everything that was settled up to here was compared."""
    state: ReconciliationState
    error: str | None
    """Why it failed."""
    expected: int
    """Rows that should be there."""
    found: int
    missing: int
    respected: int
    """Of the missing ones, those that the integration's settings leave to the people who deleted them."""
    duplicated: int
    """Rows too many."""
    strange: int
    """Rows nothing was sent for."""
    stale: int
    """Rows that show another revision than they should."""
    repaired: int
    """Rows that were removed, and responses that were sent again, because of it."""
    differences: list[dict[str, Any]]
    """The first of each kind: `kind`, `response_id`, `position`, `expected`, `found`, `place`."""
    started_at: datetime
    finished_at: datetime | None

    @property
    def different(self) -> int:
        """All differences."""
        return self.missing + self.duplicated + self.strange + self.stale

    @property
    def unexplained(self) -> int:
        """Differences that are not left to people by a setting."""
        return self.different - self.respected

    @property
    def right(self) -> int:
        """Rows that are as they should be; a row that should not be there is none of them."""
        return max(self.expected - self.missing - self.stale, 0)


def begin_reconciliation(connection: Connection, integration_id: int, through: int) -> int:
    """The number of a comparison that begins now; forgets the oldest ones of the integration."""
    values = {"integration_id": integration_id, "through_position": through}
    made: int = connection.execute(reconciliation.insert().values(values).returning(reconciliation.c.reconciliation_id)).scalar_one()
    mine = reconciliation.c.integration_id == integration_id
    kept = select(reconciliation.c.reconciliation_id).where(mine).order_by(reconciliation.c.reconciliation_id.desc()).limit(KEPT)
    connection.execute(delete(reconciliation).where(mine, reconciliation.c.reconciliation_id.not_in(kept)))
    return made


def end_reconciliation(
    connection: Connection,
    reconciliation_id: int,
    numbers: Numbers | None,
    differences: Sequence[Difference] = (),
    *,
    respected: int = 0,
    error: str | None = None,
) -> None:
    """What it found; without numbers it failed, and `error` says why."""
    values: dict[str, Any] = {"state": "failed", "error": error, "finished_at": func.clock_timestamp()}
    if numbers is not None:
        values |= {"state": "different" if numbers.different else "equal", **asdict(numbers), "respected": respected}
        values["differences"] = [asdict(one) for one in differences]
    connection.execute(update(reconciliation).where(reconciliation.c.reconciliation_id == reconciliation_id).values(values))


def note_repair(connection: Connection, reconciliation_id: int, count: int) -> None:
    """So many rows were repaired, or are on their way."""
    changed = {"repaired": reconciliation.c.repaired + count}
    connection.execute(update(reconciliation).where(reconciliation.c.reconciliation_id == reconciliation_id).values(changed))


def reconciliation_by_id(connection: Connection, reconciliation_id: int) -> Reconciliation:
    """The one with this number, which must exist."""
    (found,) = _found(connection, _RECONCILIATIONS.where(reconciliation.c.reconciliation_id == reconciliation_id))
    return found


def newest_reconciliations(connection: Connection, kind: str | None = None, *, active: bool = False) -> list[Reconciliation]:
    """The last one of every integration that is over, by integration; of one kind when it is named, of active ones if wanted."""
    newest = (
        select(func.max(reconciliation.c.reconciliation_id))
        .where(reconciliation.c.state != "running")
        .group_by(reconciliation.c.integration_id)
    )
    query = _RECONCILIATIONS.where(reconciliation.c.reconciliation_id.in_(newest)).order_by(integration.c.integration_id)
    query = query if kind is None else query.where(integration.c.kind == kind)
    return _found(connection, query.where(integration.c.state == "active") if active else query)


_RECONCILIATIONS = (
    select(reconciliation, integration.c.name, integration.c.kind, form.c.slug, organization.c.slug.label("organization"))
    .join(integration, integration.c.integration_id == reconciliation.c.integration_id)
    .join(form, form.c.form_id == integration.c.form_id)
    .join(organization, organization.c.organization_id == integration.c.organization_id)
)


def _found(connection: Connection, query: Any) -> list[Reconciliation]:
    found = []
    for row in connection.execute(query):
        values = dict(row._mapping)
        values["form"] = form_reference(values.pop("organization"), values.pop("slug"))
        values["integration"] = values.pop("name")
        found.append(Reconciliation(**values))
    return found
