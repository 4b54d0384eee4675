"""Logs with many entries, written without the writer: quick, and right enough for readers."""

from sqlalchemy import Connection, text

FILL = """
with locked as (select form_id, head from collect.form where form_id = :form for no key update),
moved as (update collect.form f set head = l.head + :count from locked l where f.form_id = l.form_id)
insert into collect.response
    (form_id, position, response_id, revision, operation, version, received_at, source, respondent, unique_key, content_hash, answers)
select form_id, head + n, 'r-' || (head + n), 1, 'create', 1, clock_timestamp(), 'test', null, 'key-' || (head + n), sha256('x'),
    jsonb_build_object('name', 'Name ' || (head + n), 'empty', '', 'note', repeat('x', 200))
from locked, generate_series(1, :count) n
"""


def fill(connection: Connection, form_id: int, count: int) -> None:
    """Appends so many responses with ids r-1, r-2, ..."""
    connection.execute(text(FILL), {"form": form_id, "count": count})
