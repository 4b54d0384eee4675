"""Tenants: every form, key and integration belongs to one organization."""

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from collect_pipelines.errors import NotFound
from collect_pipelines.store.names import check_organization
from collect_pipelines.store.tables import organization

__all__ = ["DEFAULT_ORGANIZATION", "ensure_organization", "organization_id_of"]

DEFAULT_ORGANIZATION = "default"


def ensure_organization(connection: Connection, slug: str = DEFAULT_ORGANIZATION, title: str | None = None) -> int:
    """The organization's number; it is made when it is missing. A title is only used when it is made. Raises Invalid."""
    found = _find(connection, slug)
    if found is None:
        check_organization(slug)
        connection.execute(insert(organization).values(slug=slug, title=title or slug).on_conflict_do_nothing())
        found = _find(connection, slug)
    assert found is not None, "inserted above or by another transaction that has committed"
    return found


def organization_id_of(connection: Connection, slug: str) -> int:
    """The organization's number. Raises NotFound."""
    found = _find(connection, slug)
    if found is None:
        raise NotFound(f"There is no organization {slug!r}.", fix="Check the spelling; publishing a form or making a key makes it.")
    return found


def _find(connection: Connection, slug: str) -> int | None:
    found: int | None = connection.execute(select(organization.c.organization_id).where(organization.c.slug == slug)).scalar()
    return found
