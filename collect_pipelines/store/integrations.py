"""Integrations: one plug-in bound to one form, with its cursor, its memory, and when it is due."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert

from collect_pipelines.errors import Conflict, NotFound
from collect_pipelines.model import IntegrationState, JsonValue
from collect_pipelines.store.database import ring
from collect_pipelines.store.forms import form_reference
from collect_pipelines.store.letters import is_due
from collect_pipelines.store.names import check_name
from collect_pipelines.store.older import first_position_since
from collect_pipelines.store.organizations import DEFAULT_ORGANIZATION
from collect_pipelines.store.settlement import LONGEST_WAIT_SECONDS
from collect_pipelines.store.tables import (
    allocation,
    allocation_scope,
    backfill,
    batch,
    dead_letter,
    form,
    integration,
    integration_memory,
    organization,
    response,
)

__all__ = [
    "MOST_WEIGHT",
    "DueIntegration",
    "Integration",
    "add_integration",
    "allocate",
    "begin_position",
    "due_integrations",
    "find_integration",
    "integration_by_id",
    "list_integrations",
    "next_due_seconds",
    "overtakes",
    "recall",
    "remember",
    "set_batch_rows",
    "set_integration_state",
]

MOST_WEIGHT = 1000.0  # of an integration; more would be everything there is
JUDGED_SECONDS = 5.0  # an entry received so long before a batch was planned may have been judged only after it


@dataclass(frozen=True, slots=True)
class Integration:
    """One integration as it stands."""

    integration_id: int
    name: str
    organization: str
    form_id: int
    form: str
    """Reference of the form."""
    kind: str
    config: dict[str, Any]
    mapping: dict[str, Any]
    """Which responses and columns, and in which form: see sync/mapping/."""
    language: str | None
    state: IntegrationState
    reason: str | None
    """Why it is paused or blocked, for a person."""
    fix: str | None
    problem: str | None
    """Code of what it is blocked by, where that has a name, e.g. `google_sheets.not_shared`: docs/problems.md."""
    notices: list[dict[str, Any]]
    """What a person should know although it goes on: `code`, `message`, `fix`, `since`."""
    cursor: int
    """Everything up to this position is settled, but for what is `behind`."""
    behind: int
    """Entries up to the cursor that are still to be sent: of a backfill, or set aside."""
    start_position: int
    """Where the cursor stood at the beginning."""
    failures: int
    """Attempts in a row that brought nothing forward."""
    batch_rows: int | None
    """Most entries of the next batch, while something that the receiver refuses is being singled out."""
    next_attempt_at: datetime | None
    created_at: datetime
    weight: float
    """Its share of a quota, next to others that wait for the same: twice the weight, twice the calls."""


@dataclass(frozen=True, slots=True)
class DueIntegration:
    """An integration with work to do now."""

    integration_id: int
    form_id: int
    form: str
    name: str
    cursor: int
    validated_through: int
    oldest_received_at: datetime | None
    """When the oldest entry after the cursor was received."""


def add_integration(
    connection: Connection,
    form_id: int,
    name: str,
    kind: str,
    config: dict[str, Any],
    *,
    start: Literal["all", "now"] | datetime = "all",
    language: str | None = None,
    mapping: dict[str, Any] | None = None,
    weight: float = 1.0,
) -> Integration:
    """
    Binds a destination to a form, from the first response on, from the next one (`now`), or from the first received at a moment.

    Everything before counts as filtered. Raises NotFound (no such form), Invalid for a name that can't be one, Conflict when it is taken.
    """
    check_name("integration", name)
    # Locked, so that "now" is a definite position: the next number is given after this transaction.
    row = connection.execute(select(form).where(form.c.form_id == form_id).with_for_update(key_share=True)).one_or_none()
    if row is None:
        raise NotFound(f"There is no form number {form_id}.", fix="`collect forms list` shows them.")
    cursor = begin_position(connection, form_id, start, row.head)
    values = {
        "organization_id": row.organization_id,
        "form_id": form_id,
        "name": name,
        "kind": kind,
        "config": config,
        "language": language,
        "mapping": mapping or {},
        "weight": weight,
        "cursor": cursor,
        "start_position": cursor,
        "filtered": cursor,
    }
    made = connection.execute(insert(integration).values(values).on_conflict_do_nothing().returning(integration.c.integration_id)).scalar()
    if made is None:
        raise Conflict(f"There is an integration {name!r} already.", fix="Choose another name: `collect integrations list` shows them.")
    ring(connection)
    return integration_by_id(connection, made)


def begin_position(connection: Connection, form_id: int, start: Literal["all", "now"] | datetime, head: int) -> int:
    """Where the cursor of an integration that begins so stands: everything up to there is left out."""
    if isinstance(start, str):
        return head if start == "now" else 0
    position = first_position_since(connection, form_id, start)
    return head if position is None else position - 1


def find_integration(connection: Connection, name: str, organization: str = DEFAULT_ORGANIZATION) -> Integration:
    """The integration with this name in the organization. Raises NotFound."""
    query = _INTEGRATIONS.where(integration.c.name == name, _INTEGRATIONS.selected_columns.organization == organization)
    for found in _integrations(connection, query):
        return found
    raise NotFound(f"There is no integration {name!r}.", fix="`collect integrations list` shows them.")


def integration_by_id(connection: Connection, integration_id: int) -> Integration:
    """The integration with this number. Raises NotFound."""
    for found in _integrations(connection, _INTEGRATIONS.where(integration.c.integration_id == integration_id)):
        return found
    raise NotFound(f"There is no integration number {integration_id}.", fix="`collect integrations list` shows them.")


def list_integrations(connection: Connection, form_id: int | None = None, kind: str | None = None) -> list[Integration]:
    """All integrations, oldest first; of one form, of one kind, or both."""
    query = _INTEGRATIONS.order_by(integration.c.integration_id)
    if form_id is not None:
        query = query.where(integration.c.form_id == form_id)
    if kind is not None:
        query = query.where(integration.c.kind == kind)
    return _integrations(connection, query)


def set_integration_state(
    connection: Connection,
    integration_id: int,
    state: IntegrationState,
    reason: str | None = None,
    fix: str | None = None,
    *,
    problem: str | None = None,
) -> None:
    """
    Pauses, blocks or resumes; resuming also ends a wait for the next attempt. The backlog is kept. Raises NotFound.

    problem: code of what it is blocked by.
    """
    values: dict[str, Any] = {"state": state, "reason": reason, "fix": fix, "problem": problem}
    if state == "active":
        values |= {"next_attempt_at": None, "failures": 0}
    if not connection.execute(update(integration).where(integration.c.integration_id == integration_id).values(values)).rowcount:
        raise NotFound(f"There is no integration number {integration_id}.", fix="`collect integrations list` shows them.")
    if state == "active":
        ring(connection)


def set_batch_rows(connection: Connection, integration_id: int, most: int | None) -> None:
    """Bounds the entries of the integration's next batches; None lifts the bound."""
    connection.execute(update(integration).where(integration.c.integration_id == integration_id).values(batch_rows=most))


def due_integrations(connection: Connection, kind: str) -> list[DueIntegration]:
    """
    The active integrations of this kind that have something to send now, the one with the oldest entry first.

    Something is an open batch, validated entries after the cursor, entries that were set aside and whose wait is over, or a backfill.
    A postponed integration is due when its wait is over, or when something new came while older entries wait for their turn. Those
    that have new entries come before those that have only older ones.
    """
    oldest = select(response.c.received_at).where(response.c.form_id == form.c.form_id, response.c.position == integration.c.cursor + 1)
    # limit: keeps it a probe of the index per due integration; joined freely, it is planned as a scan of the whole log
    waiting = oldest.limit(1).lateral("waiting")
    open_batch = exists().where(batch.c.integration_id == integration.c.integration_id, batch.c.state.in_(["planned", "sending"]))
    query = (
        select(
            integration.c.integration_id,
            form.c.form_id,
            form.c.slug,
            organization.c.slug.label("organization"),
            integration.c.name,
            integration.c.cursor,
            form.c.validated_through,
            waiting.c.received_at.label("oldest_received_at"),
        )
        .select_from(integration.join(form, form.c.form_id == integration.c.form_id).join(organization, _OWNS).outerjoin(waiting, _TRUE))
        .where(integration.c.kind == kind, integration.c.state == "active")
        .where((integration.c.cursor < form.c.validated_through) | open_batch | _HAS_LETTERS | _HAS_BACKFILL)
        .where(
            func.coalesce(
                (integration.c.next_attempt_at <= func.clock_timestamp()) | _BEYOND_ANY_WAIT | _overtakes(waiting.c.received_at), True
            )
        )
        .order_by(waiting.c.received_at.nulls_last(), integration.c.integration_id)
    )
    return [_due(row) for row in connection.execute(query)]


def overtakes(connection: Connection, integration_id: int) -> bool:
    """Whether a new entry came after the integration planned a batch of older ones that has only waited for its turn since."""
    oldest = (response.c.form_id == integration.c.form_id) & (response.c.position == integration.c.cursor + 1)
    joined = integration.join(form, form.c.form_id == integration.c.form_id).join(response, oldest)
    query = select(_overtakes(response.c.received_at)).select_from(joined).where(integration.c.integration_id == integration_id)
    return bool(connection.execute(query).scalar())


def next_due_seconds(connection: Connection, kind: str) -> float | None:
    """Seconds until the first postponed integration of this kind may be tried again (0.0 when it may now); None when none waits."""
    left = func.extract("epoch", func.min(integration.c.next_attempt_at) - func.clock_timestamp())
    query = select(left).where(integration.c.kind == kind, integration.c.state == "active")
    seconds = connection.execute(query).scalar()
    return None if seconds is None else max(float(seconds), 0.0)


def recall(connection: Connection, integration_id: int, name: str) -> JsonValue:
    """What was last remembered under the name; None if nothing was."""
    memory = integration_memory.c
    value: JsonValue = connection.execute(select(memory.value).where(memory.integration_id == integration_id, memory.name == name)).scalar()
    return value


def remember(connection: Connection, integration_id: int, name: str, value: JsonValue) -> None:
    """Keeps the value under the name in the place of the earlier one."""
    statement = insert(integration_memory).values(integration_id=integration_id, name=name, value=value)
    changed = {"value": statement.excluded.value, "updated_at": func.clock_timestamp()}
    connection.execute(statement.on_conflict_do_update(index_elements=["integration_id", "name"], set_=changed))


def allocate(connection: Connection, scope: str, name: str) -> int:
    """The number of the name in the scope: from 1, no other name has it, and it never changes."""
    known = select(allocation.c.number).where(allocation.c.scope == scope, allocation.c.name == name)
    number: int | None = connection.execute(known).scalar()
    if number is not None:
        return number
    connection.execute(insert(allocation_scope).values(scope=scope).on_conflict_do_nothing())
    connection.execute(select(allocation_scope).where(allocation_scope.c.scope == scope).with_for_update())
    # Under the lock of its scope: another transaction may have numbered the name meanwhile.
    number = connection.execute(known).scalar()
    if number is None:
        following = update(allocation_scope).where(allocation_scope.c.scope == scope).values(last=allocation_scope.c.last + 1)
        number = int(connection.execute(following.returning(allocation_scope.c.last)).scalar_one())
        connection.execute(allocation.insert().values(scope=scope, name=name, number=number))
    return number


_OWNS = organization.c.organization_id == integration.c.organization_id
_TRUE = form.c.form_id.is_not(None)
# Postgres's clock was set back since: the wait it was meant to be is over or soon will be.
_BEYOND_ANY_WAIT = integration.c.next_attempt_at - func.clock_timestamp() > func.make_interval(0, 0, 0, 0, 0, 0, LONGEST_WAIT_SECONDS)
_HAS_LETTERS = (integration.c.behind > 0) & exists().where(
    dead_letter.c.integration_id == integration.c.integration_id, dead_letter.c.state == "waiting", is_due()
)
# an older entry may have been replaced by one that nobody has judged yet
_HAS_BACKFILL = (form.c.validated_through >= integration.c.start_position) & exists().where(
    backfill.c.integration_id == integration.c.integration_id, backfill.c.state == "active"
)
_INTEGRATIONS = (
    select(integration, form.c.slug.label("form_slug"), organization.c.slug.label("organization"))
    .join(form, form.c.form_id == integration.c.form_id)
    .join(organization, _OWNS)
)


def _overtakes(received_at: Any) -> Any:
    """An older batch waits for its turn under a quota: what came since goes before it, instead of waiting with it."""
    return (integration.c.cursor < form.c.validated_through) & exists().where(
        batch.c.integration_id == integration.c.integration_id,
        batch.c.state == "planned",
        batch.c.purpose != "live",
        batch.c.attempts == 0,
        batch.c.planned_at < received_at + func.make_interval(0, 0, 0, 0, 0, 0, JUDGED_SECONDS),
    )


def _integrations(connection: Connection, query: Any) -> list[Integration]:
    return [
        Integration(
            integration_id=row.integration_id,
            name=row.name,
            organization=row.organization,
            form_id=row.form_id,
            form=form_reference(row.organization, row.form_slug),
            kind=row.kind,
            config=row.config,
            mapping=row.mapping,
            language=row.language,
            state=row.state,
            reason=row.reason,
            fix=row.fix,
            problem=row.problem,
            notices=row.notices,
            cursor=row.cursor,
            behind=row.behind,
            start_position=row.start_position,
            failures=row.failures,
            batch_rows=row.batch_rows,
            next_attempt_at=row.next_attempt_at,
            created_at=row.created_at,
            weight=row.weight,
        )
        for row in connection.execute(query)
    ]


def _due(row: Any) -> DueIntegration:
    return DueIntegration(
        integration_id=row.integration_id,
        form_id=row.form_id,
        form=form_reference(row.organization, row.slug),
        name=row.name,
        cursor=row.cursor,
        validated_through=row.validated_through,
        oldest_received_at=row.oldest_received_at,
    )
