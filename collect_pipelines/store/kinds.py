"""Which checks the forms of this installation name."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from collect_pipelines.store.forms import form_reference

__all__ = ["NamedCheck", "check_kinds", "named_checks", "newest_definitions"]

# The newest version of each open form; older ones serve late responses only.
NEWEST = """
    from collect.form
    join collect.organization using (organization_id)
    cross join lateral (
        select version, definition from collect.form_version
        where form_version.form_id = form.form_id order by version desc limit 1
    ) as newest
"""
OPEN = "where form.state = 'open' and newest.definition -> 'checks' is not null"
NAMED = text(f"""
    select form_id, organization.slug as organization, form.slug, newest.version, named.key as kind, named.value -> 'config' as config
    {NEWEST} cross join lateral json_each(newest.definition -> 'checks') as named {OPEN} order by kind, form_id
""")
DEFINITIONS = text(f"""
    select organization_id, organization.slug as organization, form.slug, newest.version, newest.definition {NEWEST} {OPEN} order by form_id
""")


@dataclass(frozen=True, slots=True)
class NamedCheck:
    """A check that the newest version of an open form names."""

    form_id: int
    form: str
    """Reference of the form."""
    version: int
    kind: str
    config: dict[str, Any]


@dataclass(frozen=True, slots=True)
class NewestDefinition:
    """The newest version of an open form, as it is stored."""

    organization_id: int
    organization: str
    form: str
    version: int
    definition: dict[str, Any]


def named_checks(connection: Connection) -> list[NamedCheck]:
    """What open forms name in their newest version, by kind."""
    return [
        NamedCheck(row.form_id, form_reference(row.organization, row.slug), row.version, row.kind, row.config or {})
        for row in connection.execute(NAMED)
    ]


def check_kinds(connection: Connection) -> list[str]:
    """The kinds that open forms name in their newest version, by name."""
    return list(dict.fromkeys(one.kind for one in named_checks(connection)))


def newest_definitions(connection: Connection) -> list[NewestDefinition]:
    """The newest version of each open form that names a check."""
    return [
        NewestDefinition(row.organization_id, row.organization, form_reference(row.organization, row.slug), row.version, row.definition)
        for row in connection.execute(DEFINITIONS)
    ]
