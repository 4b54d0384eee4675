"""Reference lists of an organization: what checks look things up in, e.g. the slang lexicon. Each source keeps its licence."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Connection, Integer, cast, delete, func, literal, select
from sqlalchemy.dialects.postgresql import JSONB, insert

from collect_pipelines.errors import Invalid, NotFound
from collect_pipelines.store.audit import record_audit
from collect_pipelines.store.organizations import ensure_organization
from collect_pipelines.store.tables import organization as organization_table
from collect_pipelines.store.tables import reference_list, reference_row

__all__ = ["ReferenceList", "add_rows", "list_references", "read_rows", "references_version", "remove_rows", "replace_rows"]

CHUNK = 5_000  # rows of one statement


@dataclass(frozen=True, slots=True)
class ReferenceList:
    """One source of a list."""

    organization: str
    name: str
    source: str
    licence: str
    rows: int
    version: int
    imported_at: datetime


def replace_rows(
    connection: Connection, organization: str, name: str, source: str, licence: str, rows: Iterable[Mapping[str, Any]], actor: str = "cli"
) -> int:
    """
    The list's rows from this source become these, in this order; other sources stay as they are.

    Returns how many. Raises Invalid without a licence.
    """
    return _write(connection, organization, name, source, licence, rows, actor, keep=False)


def add_rows(
    connection: Connection, organization: str, name: str, source: str, licence: str, rows: Iterable[Mapping[str, Any]], actor: str = "cli"
) -> int:
    """
    Adds the rows behind those the source has, without those it has already. Returns how many it has then.

    When it has them all, under this licence, nothing changes. Raises Invalid without a licence.
    """
    return _write(connection, organization, name, source, licence, rows, actor, keep=True)


def remove_rows(connection: Connection, organization: str, name: str, source: str, actor: str = "cli") -> int:
    """Removes what came from this source. Returns how many rows that were. Raises NotFound."""
    found = next((one for one in list_references(connection, organization, name) if one.source == source), None)
    if found is None:
        raise NotFound(f"The list {name} has nothing from {source!r}.", fix=f"`collect {name} list` shows the sources.")
    _write(connection, organization, name, source, found.licence, (), actor, keep=False)
    return found.rows


def read_rows(connection: Connection, organization_id: int, name: str) -> list[dict[str, Any]]:
    """The rows of the list from all its sources, each with its `source` and `licence`; empty when there is no such list."""
    query = (
        select(reference_row.c.row, reference_list.c.source, reference_list.c.licence)
        .join_from(reference_list, reference_row)
        .where(reference_list.c.organization_id == organization_id, reference_list.c.name == name)
        .order_by(reference_list.c.list_id, reference_row.c.ordinal)
    )
    return [{**found.row, "source": found.source, "licence": found.licence} for found in connection.execute(query)]


def list_references(connection: Connection, organization: str | None = None, name: str | None = None) -> list[ReferenceList]:
    """Every list and source that has rows; of one organization or name when it is given."""
    query = (
        select(
            organization_table.c.slug.label("organization"),
            *(reference_list.c[column] for column in ("name", "source", "licence", "rows", "version", "imported_at")),
        )
        .join_from(reference_list, organization_table)
        .where(reference_list.c.rows > 0)
        .order_by(organization_table.c.slug, reference_list.c.name, reference_list.c.list_id)
    )
    if organization is not None:
        query = query.where(organization_table.c.slug == organization)
    if name is not None:
        query = query.where(reference_list.c.name == name)
    return [ReferenceList(**found._mapping) for found in connection.execute(query)]


def references_version(connection: Connection, organization_id: int) -> int:
    """
    A number that grows with every change of any of the organization's lists; 0 when it has none. One index probe.

    Read it before `read_rows`: what was read is then at least as new as the number.
    """
    query = select(func.coalesce(func.sum(reference_list.c.version), 0)).where(reference_list.c.organization_id == organization_id)
    return int(connection.execute(query).scalar_one())


def _write(
    connection: Connection,
    organization: str,
    name: str,
    source: str,
    licence: str,
    rows: Iterable[Mapping[str, Any]],
    actor: str,
    *,
    keep: bool,
) -> int:
    if not source.strip() or not licence.strip():
        raise Invalid(
            "A reference list needs a source and a licence.", fix="Say where it comes from and under which licence it may be used."
        )
    documents = [dict(row) for row in rows]
    organization_id = ensure_organization(connection, organization)
    if keep:
        known = _stored(connection, organization_id, name, source)
        if known is not None and known.licence == licence and not _new(connection, known.list_id, documents):
            return int(known.rows)
    list_id, before = _lock_list(connection, organization_id, name, source, licence)
    if keep:
        documents = _new(connection, list_id, documents)  # once more: another import may have come first
    else:
        connection.execute(delete(reference_row).where(reference_row.c.list_id == list_id))
    first = before if keep else 0
    for start in range(0, len(documents), CHUNK):
        _insert(connection, list_id, first + start, documents[start : start + CHUNK])
    total = first + len(documents)
    connection.execute(reference_list.update().where(reference_list.c.list_id == list_id).values(rows=total))
    detail = {"name": name, "source": source, "licence": licence, "rows": total}
    record_audit(connection, actor, "references.change", organization, detail)
    return total


def _stored(connection: Connection, organization_id: int, name: str, source: str) -> Any:
    query = select(reference_list.c.list_id, reference_list.c.licence, reference_list.c.rows).where(
        reference_list.c.organization_id == organization_id, reference_list.c.name == name, reference_list.c.source == source
    )
    return connection.execute(query).one_or_none()


def _new(connection: Connection, list_id: int, documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that the list does not have, word for word."""
    had = {_text(row) for row in connection.execute(select(reference_row.c.row).where(reference_row.c.list_id == list_id)).scalars()}
    return [document for document in documents if _text(document) not in had]


def _text(row: Mapping[str, Any]) -> str:
    return json.dumps(row, sort_keys=True)


def _insert(connection: Connection, list_id: int, first: int, documents: list[dict[str, Any]]) -> None:
    """One statement with one parameter: thousands of rows take milliseconds."""
    elements = func.jsonb_array_elements(literal(documents, JSONB)).table_valued("value", with_ordinality="place").render_derived()
    rows = select(literal(list_id, BigInteger), cast(elements.c.place, Integer) + (first - 1), cast(elements.c.value, JSONB))
    connection.execute(reference_row.insert().from_select(["list_id", "ordinal", "row"], rows))


def _lock_list(connection: Connection, organization_id: int, name: str, source: str, licence: str) -> tuple[int, int]:
    """Number and length of the list, one version further, its row locked: two imports of one source happen one after the other."""
    values = {"organization_id": organization_id, "name": name, "source": source, "licence": licence}
    statement = (
        insert(reference_list)
        .values(**values)
        .on_conflict_do_update(
            index_elements=["organization_id", "name", "source"],
            set_={"version": reference_list.c.version + 1, "licence": licence, "imported_at": func.clock_timestamp()},
        )
        .returning(reference_list.c.list_id, reference_list.c.rows)
    )
    found = connection.execute(statement).one()
    return found.list_id, found.rows
