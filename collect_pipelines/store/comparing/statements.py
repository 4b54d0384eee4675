"""The statements of a comparison; what they count as right is said in docs/reconcile.md."""

__all__ = [
    "COMPARE_RESPONSES",
    "COMPARE_REVISIONS",
    "COPIES",
    "ENTRIES",
    "EXPECTED_RESPONSES",
    "EXPECTED_REVISIONS",
    "FORGET_CHANGED",
    "KEEP_COMMON",
    "SAMPLE",
    "SEND_AGAIN",
    "TABLES",
]

TABLES = """
create temp table verdict (position bigint primary key, passes_some boolean not null, passes_every boolean not null);
create temp table left_out (first bigint, last bigint, doubtful boolean not null);
create temp table found (
    number bigint generated always as identity, response_id text not null, revision bigint, deleted boolean not null, place text not null
);
create temp table expected (
    response_id text not null, revision bigint, position bigint not null, required boolean not null,
    lowest bigint not null, highest bigint not null, gone_from bigint
);
create temp table fresh (
    kind text not null, response_id text not null, revision bigint, position bigint, rows bigint not null,
    newer boolean not null, expected text not null, found text not null, place text not null
);
create temp table difference (like fresh);
"""

ENTRIES = """
create temp table entry as
select r.position, r.response_id, r.revision, r.operation,
    r.operation <> 'delete' and coalesce(v.passes_some, true) as live,
    coalesce(v.passes_some <> v.passes_every, false)
        or coalesce(l.state in ('waiting', 'superseded') or (l.state in ('open', 'discarded') and l.unknown), false)
        or coalesce(s.doubtful, false)
        or (r.position <= %(start)s and exists (
            select from collect.response n
            where n.form_id = r.form_id and n.response_id = r.response_id and n.revision > r.revision and n.position > %(through)s
        )) as maybe
from collect.response r
left join pg_temp.verdict v on v.position = r.position
left join collect.dead_letter l on l.integration_id = %(integration)s and l.position = r.position
left join lateral (
    select bool_or(doubtful) as doubtful, bool_or(not doubtful) as out
    from pg_temp.left_out where r.position <= %(start)s and r.position between first and last
) s on true
where r.form_id = %(form)s and r.position <= %(through)s
    and (l.state is null or l.state in ('waiting', 'superseded', 'redelivered') or l.unknown)
    and (s.out is null or not s.out)
    and not exists (select from collect.quarantine q where q.form_id = r.form_id and q.position = r.position)
"""
"""The entries that may have had an effect. `maybe`: nobody can say whether they had."""

EXPECTED_RESPONSES = """
insert into pg_temp.expected (response_id, revision, position, required, lowest, highest, gone_from)
select response_id, null, coalesce(position, any_position),
    top_live and not (%(takes_back)s and coalesce(maybe_gone > top, false)),
    case when top_live then top when top is not null and %(takes_back)s then top + 1 else 1 end,
    coalesce(highest_live, 0),
    case when not top_live or top is null then 0 when maybe_gone > top then maybe_gone end
from (
    select response_id,
        max(revision) filter (where not maybe) as top,
        max(position) filter (where not maybe) as position,
        max(position) as any_position,
        coalesce(max(revision) filter (where not maybe) = max(revision) filter (where not maybe and live), false) as top_live,
        max(revision) filter (where live) as highest_live,
        max(revision) filter (where maybe and not live) as maybe_gone
    from (select response_id, revision, position, live, maybe from pg_temp.entry) entries
    group by response_id
) responses
"""
"""
The newest entry of a response that surely had its effect decides: a row with its revision, or none. Doubtful newer ones may stand there.
`gone_from`: a row that stands there as deleted is right from this revision on; null: it is not.
"""

EXPECTED_REVISIONS = """
insert into pg_temp.expected (response_id, revision, position, required, lowest, highest, gone_from)
select response_id, revision, position,
    not maybe and position > %(mode_through)s and (live or (%(delete_rows)s and operation = 'delete')),
    revision, revision, revision
from pg_temp.entry where live or %(takes_back)s or maybe
"""

COMPARE_RESPONSES = """
with rows_of as (
    select response_id, count(*) as copies, count(distinct revision) as revisions,
        (array_agg(revision order by deleted, revision desc nulls last, number))[1] as revision,
        (array_agg(deleted order by deleted, revision desc nulls last, number))[1] as deleted,
        (array_agg(place order by deleted, revision desc nulls last, number))[1] as place,
        (array_agg(place order by deleted, revision desc nulls last, number))[2] as second
    from pg_temp.found group by response_id
)
insert into pg_temp.fresh
select 'missing', e.response_id, null::bigint, e.position, 1, false, 'revision ' || e.lowest, 'no row', ''
from pg_temp.expected e left join rows_of f using (response_id)
where e.required and f.response_id is null
union all
select 'duplicated', e.response_id, null::bigint, e.position, f.copies - 1, false, 'one row', f.copies || ' rows',
    concat_ws(', ', f.place, f.second)
from pg_temp.expected e join rows_of f using (response_id)
where case when %(tolerant)s then f.copies > f.revisions else f.copies > 1 end
union all
select 'stale', e.response_id, null::bigint, e.position, 1, coalesce(not f.deleted and f.revision > e.highest and e.highest > 0, false),
    case when e.required then 'revision ' || e.lowest when e.gone_from is not null and e.lowest > e.highest then 'deleted'
        else 'revision ' || e.lowest || ' to ' || e.highest end,
    case when coalesce(f.revision, 0) = 0 then 'no revision' else 'revision ' || f.revision end
        || case when f.deleted then ', deleted' else '' end,
    f.place
from pg_temp.expected e join rows_of f using (response_id)
where not case when f.deleted then e.gone_from is not null and coalesce(f.revision >= e.gone_from, true)
    else coalesce(f.revision between e.lowest and e.highest, e.lowest <= e.highest) end
union all
select 'strange', f.response_id, null::bigint, null::bigint, f.copies, false, 'no row', coalesce('revision ' || f.revision, 'a row'),
    f.place
from rows_of f left join pg_temp.expected e using (response_id)
where e.response_id is null
"""

COMPARE_REVISIONS = """
with rows_of as (
    select response_id, revision, count(*) as copies, (array_agg(place order by number))[1] as place,
        (array_agg(place order by number))[2] as second
    from pg_temp.found group by response_id, revision
)
insert into pg_temp.fresh
select 'missing', e.response_id, e.revision, e.position, 1, false, 'revision ' || e.revision, 'no row', ''
from pg_temp.expected e left join rows_of f using (response_id, revision)
where e.required and f.response_id is null
union all
select 'duplicated', e.response_id, e.revision, e.position, f.copies - 1, false, 'one row of revision ' || e.revision, f.copies || ' rows',
    concat_ws(', ', f.place, f.second)
from pg_temp.expected e join rows_of f using (response_id, revision)
where f.copies > 1
union all
select 'strange', f.response_id, f.revision, null::bigint, f.copies, false, 'no row', 'revision ' || f.revision, f.place
from rows_of f left join pg_temp.expected e using (response_id, revision)
where e.response_id is null
"""

KEEP_COMMON = """
delete from pg_temp.fresh f where not exists (
    select from pg_temp.difference d
    where d.kind = f.kind and d.response_id = f.response_id and d.revision is not distinct from f.revision
)
"""

FORGET_CHANGED = """
delete from pg_temp.difference d where exists (
    select from collect.response r
    where r.form_id = %(form)s and r.response_id = d.response_id and r.position > %(through)s and r.position <= %(tried)s
) or exists (
    select from collect.response r join collect.dead_letter l on l.integration_id = %(integration)s and l.position = r.position
    where r.form_id = %(form)s and r.response_id = d.response_id and l.state in ('waiting', 'redelivered')
        and (l.state = 'waiting' or l.decided_at > %(begun)s)
)
"""

SAMPLE = """
select kind, response_id, position, expected, found, place from (
    select *, row_number() over (partition by kind order by position nulls last, response_id) as number from pg_temp.difference
) numbered where number <= %(most)s
order by array_position(array['missing', 'duplicated', 'strange', 'stale'], kind), number
"""

SEND_AGAIN = """
select distinct position from pg_temp.difference
where position is not null and ((kind = 'stale' and not newer) or (kind = 'missing' and %(missing)s)) order by position
"""

COPIES = """
select response_id, case when %(append_only)s then revision end
from pg_temp.difference where kind = 'duplicated' order by position, revision
"""
