"""Reading the log of responses: by position for the pipeline, by id for people."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import sql
from sqlalchemy import ARRAY, BigInteger, Connection, Text, cast, exists, func, literal, select
from sqlalchemy.dialects.postgresql import JSONB

from collect_pipelines.model import Operation
from collect_pipelines.store.forms import form_reference
from collect_pipelines.store.tables import form, organization, quarantine, response

__all__ = [
    "EntryCounts",
    "StoredEntry",
    "batch_end",
    "copied_entries",
    "entry_counts",
    "find_responses",
    "list_responses",
    "newest_response",
    "read_entries",
    "superseded_positions",
]

ISO_UTC = """'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'"""


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """One entry of a log: one revision of one response."""

    form_id: int
    form: str
    position: int
    response_id: str
    revision: int
    operation: Operation
    version: int
    submitted_at: datetime | None
    received_at: datetime
    source: str
    respondent: str | None
    answers: dict[str, Any]
    answer_metadata: dict[str, Any]
    flags: list[dict[str, Any]]
    metadata: dict[str, Any]


@dataclass(frozen=True, slots=True)
class EntryCounts:
    """Entries in a range of positions, and how many of them validation holds back."""

    total: int
    quarantined: int


def read_entries(
    connection: Connection,
    form_id: int,
    after: int,
    through: int,
    keys: Sequence[str | tuple[str, ...]],
    *,
    without_quarantined: bool = False,
    version: int | None = None,
    positions: Sequence[int] | None = None,
) -> bytes:
    """
    The entries with `after < position <= through`, in order, as CSV (UTF-8) with a header line.

    Columns: position, response_id, revision, operation, version, submitted_at, received_at (ISO 8601, UTC), source, respondent,
    then the answer to each of `keys` as text, named k0, k1, ... An unquoted empty field is null, "" is the empty text.
    keys: a tuple holds all keys one question has had; a response holds its answer under the key of the version it answered.
    version: only entries of this form version. positions: only these of the range.
    """
    conditions: list[sql.Composable] = [
        sql.SQL("r.form_id = {} and r.position > {} and r.position <= {}").format(
            sql.Literal(form_id), sql.Literal(after), sql.Literal(through)
        )
    ]
    if version is not None:
        conditions.append(sql.SQL("r.version = {}").format(sql.Literal(version)))
    if positions is not None:
        conditions.append(sql.SQL("r.position = any({}::bigint[])").format(sql.Literal(list(positions))))
    return copied_entries(connection, keys, conditions, without_quarantined=without_quarantined)


def copied_entries(
    connection: Connection, keys: Sequence[str | tuple[str, ...]], conditions: Sequence[sql.Composable], *, without_quarantined: bool
) -> bytes:
    """The entries `r` of the log for which these conditions hold, as `read_entries` gives them."""
    answers = [sql.SQL("{} as {}").format(_answer(key), sql.Identifier(f"k{n}")) for n, key in enumerate(keys)]
    if without_quarantined:
        conditions = [*conditions, _NOT_QUARANTINED]
    statement = sql.SQL("copy (select {} from collect.response r where {} order by r.position) to stdout (format csv, header true)").format(
        sql.SQL(", ").join([_META, *answers]), sql.SQL(" and ").join(conditions)
    )
    driver = connection.connection.driver_connection
    assert driver is not None, "an open transaction has a connection"
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        return b"".join(copy)


def _answer(key: str | tuple[str, ...]) -> sql.Composable:
    found = [sql.SQL("r.answers ->> {}").format(sql.Literal(one)) for one in ((key,) if isinstance(key, str) else key)]
    # no version takes two keys of one question, so at most one of them is there
    return found[0] if len(found) == 1 else sql.SQL("coalesce({})").format(sql.SQL(", ").join(found))


_META = sql.SQL(
    "r.position, r.response_id, r.revision, r.operation, r.version,"
    f" to_char(r.submitted_at at time zone 'UTC', {ISO_UTC}) as submitted_at,"
    f" to_char(r.received_at at time zone 'UTC', {ISO_UTC}) as received_at,"
    " r.source, r.respondent"
)
_NOT_QUARANTINED = sql.SQL("not exists (select from collect.quarantine q where q.form_id = r.form_id and q.position = r.position)")


def batch_end(connection: Connection, form_id: int, after: int, through: int, max_rows: int, max_bytes: int) -> int:
    """
    The last position of the largest batch after `after` that has at most so many entries and bytes of answers.

    At least one entry, however large it is; `after` itself when there is none up to `through`.
    """
    # Promise 3: positions are dense, so a number of rows is a distance of positions.
    last = min(through, after + max_rows)
    running = func.sum(func.octet_length(cast(response.c.answers, Text))).over(order_by=response.c.position)
    sizes = (
        select(response.c.position, running.label("bytes"))
        .where(response.c.form_id == form_id, response.c.position > after, response.c.position <= last)
        .subquery()
    )
    fitting = func.max(sizes.c.position).filter(sizes.c.bytes <= max_bytes)
    end = connection.execute(select(func.coalesce(fitting, func.min(sizes.c.position)))).scalar()
    return after if end is None else int(end)


def superseded_positions(connection: Connection, form_id: int, positions: Sequence[int], through: int) -> set[int]:
    """Those of the positions whose response has a newer entry up to `through` that is not in quarantine and not among them."""
    older, newer = response.alias("older"), response.alias("newer")
    numbers = literal(list(positions), ARRAY(BigInteger))
    held = exists().where(quarantine.c.form_id == form_id, quarantine.c.position == newer.c.position)
    # The index on (form, response id, revision) finds the newer ones; a later revision has a later position.
    query = (
        select(older.c.position)
        .where(older.c.form_id == form_id, older.c.position == func.any(numbers))
        .where(
            exists()
            .where(newer.c.form_id == form_id, newer.c.response_id == older.c.response_id, newer.c.revision > older.c.revision)
            .where(newer.c.position <= through, newer.c.position != func.all(numbers), ~held)
        )
    )
    return set(connection.execute(query).scalars())


def entry_counts(connection: Connection, form_id: int, after: int, through: int) -> EntryCounts:
    """How many entries there are with `after < position <= through`."""
    held = select(func.count()).where(quarantine.c.form_id == form_id, quarantine.c.position > after, quarantine.c.position <= through)
    entries = select(func.count()).where(response.c.form_id == form_id, response.c.position > after, response.c.position <= through)
    row = connection.execute(select(entries.scalar_subquery(), held.scalar_subquery())).one()
    return EntryCounts(*row)


def find_responses(
    connection: Connection, response_id: str, organization: str | None = None, *, without_answers: bool = False
) -> list[StoredEntry]:
    """
    Every revision of the response, oldest first, in every form; of one organization when it is named.

    without_answers: leaves answers, flags and metadata empty; a response edited a thousand times may hold 1 GiB of them.
    """
    # One probe per form of the index on (form, response id, revision): no index of its own is needed.
    query = (
        (_WITHOUT_ANSWERS if without_answers else _BY_FORM)
        .where(response.c.response_id == response_id)
        .order_by(form.c.form_id, response.c.revision)
    )
    if organization is not None:
        query = query.where(_BY_FORM.selected_columns.organization == organization)
    return _entries(connection, query)


def newest_response(connection: Connection, form_id: int, response_id: str) -> StoredEntry | None:
    """The last revision of the response, a deletion included; None when the form never had it."""
    query = _BY_FORM.where(response.c.form_id == form_id, response.c.response_id == response_id)
    return next(iter(_entries(connection, query.order_by(response.c.revision.desc()).limit(1))), None)


def list_responses(connection: Connection, form_id: int, after: int = 0, limit: int = 100) -> list[StoredEntry]:
    """Entries of the form's log with a position greater than `after`, in order, `limit` at most."""
    query = _BY_FORM.where(response.c.form_id == form_id, response.c.position > after)
    return _entries(connection, query.order_by(response.c.position).limit(limit))


_BY_FORM = (
    select(
        response.c.form_id,
        form.c.slug,
        organization.c.slug.label("organization"),
        response.c.position,
        response.c.response_id,
        response.c.revision,
        response.c.operation,
        response.c.version,
        response.c.submitted_at,
        response.c.received_at,
        response.c.source,
        response.c.respondent,
        response.c.answers,
        response.c.answer_metadata,
        response.c.flags,
        response.c.metadata,
    )
    .select_from(form.join(organization, organization.c.organization_id == form.c.organization_id))
    .join(response, response.c.form_id == form.c.form_id)
)

_EMPTY = {name: literal({}, JSONB).label(name) for name in ("answers", "answer_metadata", "metadata")} | {
    "flags": literal([], JSONB).label("flags")
}
_WITHOUT_ANSWERS = _BY_FORM.with_only_columns(*[_EMPTY.get(column.name, column) for column in _BY_FORM.selected_columns])


def _entries(connection: Connection, query: Any) -> list[StoredEntry]:
    found = []
    for row in connection.execute(query):
        values = dict(row._mapping)
        values["form"] = form_reference(values.pop("organization"), values.pop("slug"))
        found.append(StoredEntry(**values))
    return found
