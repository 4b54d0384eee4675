"""The fingerprints of responses as the accept transaction reads and writes them."""

from collections.abc import Sequence
from typing import Any

from collect_pipelines.store.numbering import Entry

__all__ = ["FIND_FINGERPRINTS", "FORGET_DELETED", "deleted_in", "marks_of", "remembering"]

MOST_EARLIER = 3  # earlier responses told per fingerprint: one is enough to know, more help to see a pattern
# The index by time is read backwards and left after the newest three, however many there are. A deleted response is none that this
# one could repeat; the probe of its newest revision is a scalar subquery, because a join might be planned as a scan of the log.
FIND_FINGERPRINTS = f"""
select s.number, s.name, s.form_id, s.value, e.response_id, e.received_at
from unnest($1::int[], $2::bigint[], $3::text[], $4::text[], $5::bytea[], $6::int[]) s (number, form_id, response_id, name, value, seconds)
cross join lateral (
    select f.response_id, f.received_at
    from collect.fingerprint f
    where f.form_id = s.form_id and f.name = s.name and f.value = s.value and f.response_id <> s.response_id
        and f.received_at > statement_timestamp() - s.seconds * interval '1 second'
        and (
            select r.operation from collect.response r
            where r.form_id = s.form_id and r.response_id = f.response_id order by r.revision desc limit 1
        ) is distinct from 'delete'
    order by f.received_at desc limit {MOST_EARLIER}
) e
"""  # noqa: S608 - put together from names in this file

# Promise 10: nothing is kept of a deleted response that only served to find it. After the insert, which may store what it removes.
FORGET_DELETED = """
delete from collect.fingerprint where ctid = any(array(
    select f.ctid
    from unnest($1::bigint[], $2::text[]) d (form_id, response_id)
    cross join lateral (select g.ctid from collect.fingerprint g where g.form_id = d.form_id and g.response_id = d.response_id offset 0) f
))
"""


def deleted_in(entries: Sequence[Entry]) -> list[list[Any]]:
    """The responses that are deleted, as columns; nothing when there are none, as in most groups."""
    deleted = [entry.submission for entry in entries if entry.submission.operation == "delete"]
    return [[one.form_id for one in deleted], [one.response_id for one in deleted]] if deleted else []


def remembering(first: int) -> str:
    """
    What is added to the statement that stores responses, so that their fingerprints cost no round trip of their own.

    first: number of its first parameter; the five columns of `marks_of` follow each other. $1 is the time of acceptance.
    """
    return f"""
, marks as (
    insert into collect.fingerprint (form_id, name, value, response_id, received_at, expires_at)
    select m.form_id, m.name, m.value, m.response_id, $1::timestamptz, $1::timestamptz + m.seconds * interval '1 second'
    from unnest(${first}::bigint[], ${first + 1}::text[], ${first + 2}::bytea[], ${first + 3}::text[], ${first + 4}::int[])
        m (form_id, name, value, response_id, seconds)
    on conflict (form_id, response_id, name, value) do update set received_at = excluded.received_at, expires_at = excluded.expires_at
)
"""  # noqa: S608 - only numbers of parameters are put in


def marks_of(entries: Sequence[Entry]) -> list[list[Any]]:
    """The fingerprints of the entries as columns of `fingerprint`; nothing when there are none, as for most forms."""
    # By key, because Postgres refuses to write one row twice: an edit may come in the group of its original.
    rows = {
        (entry.submission.form_id, one.name, one.value, entry.submission.response_id): one.within_seconds
        for entry in entries
        for one in entry.submission.fingerprints
    }
    return [*([*column] for column in zip(*rows, strict=True)), [*rows.values()]] if rows else []
