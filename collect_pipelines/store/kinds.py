"""Which checks the forms of this installation name."""

from sqlalchemy import Connection, text

__all__ = ["check_kinds"]

# The newest version of each open form; older ones serve late responses only.
NAMED = text("""
    select distinct json_object_keys(newest.definition -> 'checks') as kind
    from collect.form
    cross join lateral (
        select definition from collect.form_version where form_version.form_id = form.form_id order by version desc limit 1
    ) as newest
    where form.state = 'open' and newest.definition -> 'checks' is not null
    order by kind
""")


def check_kinds(connection: Connection) -> list[str]:
    """The kinds that open forms name in their newest version, by name."""
    return [row.kind for row in connection.execute(NAMED)]
