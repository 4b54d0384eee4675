"""One commit group against Postgres: lock, look up, number, insert, commit. Five round trips for any group, six with deletions."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg
import orjson

from collect_pipelines.errors import DurabilityOff
from collect_pipelines.model import Accepted, Submission
from collect_pipelines.store.database import CHANNEL, plain_url, problems_of
from collect_pipelines.store.marks import FIND_FINGERPRINTS, FORGET_DELETED, deleted_in, marks_of, remembering
from collect_pipelines.store.numbering import Entry, FormHead, Mark, Numbering, Revision

__all__ = ["Link", "asyncpg_url", "open_link"]

CONNECT_TIMEOUT_SECONDS = 1.5  # the answer "not stored" is due within 2 seconds
STATEMENT_TIMEOUT_SECONDS = 5.0  # after so long the connection is given up: Postgres hangs, or the network is gone
LOCK_TIMEOUT_MILLISECONDS = 500  # much longer than a commit; a form locked for longer must not hold up the others
# Connection parameters of libpq that are no settings of the server; postgresql.org/docs/current/libpq-connect.html
LIBPQ_ONLY = frozenset({
    "channel_binding", "connect_timeout", "fallback_application_name", "gssencmode", "hostaddr", "keepalives", "keepalives_count",
    "keepalives_idle", "keepalives_interval", "load_balance_hosts", "max_protocol_version", "min_protocol_version", "requirepeer",
    "require_auth", "sslcertmode", "sslcompression", "sslcrldir", "sslsni", "tcp_user_timeout",
})  # fmt: skip
DURABLE_SETTINGS = ("fsync", "synchronous_commit", "full_page_writes")

SETTINGS = ", ".join(f"current_setting('{name}') as {name}" for name in DURABLE_SETTINGS)
LOCK_FORMS = "select form_id, head, state from collect.form where form_id = any($1) order by form_id for no key update"
LOCK_FREE_FORMS = f"{LOCK_FORMS} skip locked"
# `offset 0` keeps the probe of an index from being planned as a scan of the log while statistics are missing.
FIND_RESPONSES = f"""
select t.*, e.*
from (select clock_timestamp() as now, {SETTINGS} offset 0) t
left join (
    select r.form_id, r.response_id, r.revision, r.position, r.operation, r.version, r.content_hash, r.received_at, r.unique_key
    from unnest($1::bigint[], $2::text[]) s (form_id, response_id)
    cross join lateral (select * from collect.response r where r.form_id = s.form_id and r.response_id = s.response_id offset 0) r
) e on true
order by e.revision
"""  # noqa: S608 - put together from names in this file
# Only the newest revision of a response holds its key: an edit may have given it back.
FIND_UNIQUE_KEYS = """
select s.form_id, s.unique_key, r.response_id
from unnest($1::bigint[], $2::text[]) s (form_id, unique_key)
cross join lateral (select * from collect.response r where r.form_id = s.form_id and r.unique_key = s.unique_key offset 0) r
where r.revision = (
    select max(n.revision) from collect.response n where n.form_id = r.form_id and n.response_id = r.response_id
)
"""
# Column of the log, type as it is sent, type as it is kept, and where it is found.
COLUMNS: tuple[tuple[str, str, str, Callable[[Entry], Any]], ...] = (
    ("form_id", "bigint", "", lambda entry: entry.submission.form_id),
    ("position", "bigint", "", lambda entry: entry.position),
    ("response_id", "text", "", lambda entry: entry.submission.response_id),
    ("revision", "int", "", lambda entry: entry.revision),
    ("operation", "text", "", lambda entry: entry.submission.operation),
    ("version", "int", "", lambda entry: entry.submission.version),
    ("submitted_at", "timestamptz", "", lambda entry: entry.submission.submitted_at),
    ("source", "text", "", lambda entry: entry.submission.source),
    ("respondent", "text", "", lambda entry: entry.submission.respondent),
    ("unique_key", "text", "", lambda entry: entry.submission.unique_key),
    ("content_hash", "bytea", "", lambda entry: entry.submission.content_hash),
    ("answers", "text", "::jsonb", lambda entry: entry.submission.answers_json),
    ("answer_metadata", "text", "::jsonb", lambda entry: _json(entry.submission.answer_metadata)),
    ("flags", "text", "::jsonb", lambda entry: _json(entry.submission.flags)),
    ("metadata", "text", "::jsonb", lambda entry: _json(entry.submission.metadata)),
)
_NAMES = ", ".join(name for name, *_ in COLUMNS)
INSERT = f"""
with entries as (
    insert into collect.response ({_NAMES}, received_at)
    select {", ".join(name + kept for name, _, kept, _ in COLUMNS)}, $1::timestamptz
    from unnest({", ".join(f"${number}::{sent}[]" for number, (_, sent, *_) in enumerate(COLUMNS, start=4))}) e ({_NAMES})
), heads as (
    update collect.form f set head = h.head from unnest($2::bigint[], $3::bigint[]) h (form_id, head) where f.form_id = h.form_id
)
"""  # noqa: S608 - put together from names in this file
# One notification per group: notifying takes a lock that every commit of the database waits for.
NOTIFY = f"select pg_notify('{CHANNEL}', '')"
QUIETLY = "select 1"


class Link:
    """A connection of the writer with its statements prepared. For one group at a time; broken by any error it does not name."""

    def __init__(self, connection: Any, statements: dict[str, Any], *, notify: bool) -> None:
        self._connection = connection
        self._statements = statements
        self._notify = notify
        self.committing = False
        """True from the moment a commit is sent until its answer: an error in between leaves the outcome unknown."""
        self.durability_problems: tuple[str, ...] = ()
        """As of the last group or check."""

    @property
    def closed(self) -> bool:
        """True when the connection is gone."""
        return bool(self._connection.is_closed())

    def on_close(self, callback: Callable[[], None]) -> None:
        """Calls back when the connection goes away, whoever ended it."""
        self._connection.add_termination_listener(lambda _: callback())

    async def check(self) -> None:
        """Reads the settings promise 1 rests on."""
        self._note_durability(await self._statements["settings"].fetchrow())

    async def store(self, submissions: Sequence[Submission], locked_elsewhere: set[int]) -> list[Accepted | None]:
        """
        One transaction: the outcome of each submission, in order, after the commit; None where the form is locked by others.

        locked_elsewhere: forms not to wait for; those that turn out to be free are taken out of it.
        Raises what asyncpg raises, with nothing stored unless `committing` is True; DurabilityOff with nothing stored.
        """
        await self._connection.execute("begin")
        try:
            forms, skipped = await self._lock({submission.form_id for submission in submissions}, locked_elsewhere)
            numbering = await self._look_up(forms, [submission for submission in submissions if submission.form_id not in skipped])
            answers = [None if submission.form_id in skipped else numbering.judge(submission) for submission in submissions]
            if numbering.entries:
                await self._insert(numbering)
        except BaseException:
            if not self.closed:
                await self._connection.execute("rollback")
            raise
        # Promise 1: nobody is answered before this returns.
        self.committing = True
        status = await self._connection.execute("commit")
        if status != "COMMIT":
            raise asyncpg.InternalServerError("the transaction was not committed")
        self.committing = False
        return answers

    async def close(self) -> None:
        """Ends the connection at once; an open transaction is rolled back."""
        self._connection.terminate()

    async def _lock(self, wanted: set[int], locked_elsewhere: set[int]) -> tuple[dict[int, FormHead], set[int]]:
        """The forms that are ours until the transaction ends, and those that were not waited for."""
        doubtful = wanted & locked_elsewhere
        rows = await self._statements["lock"].fetch(sorted(wanted - doubtful))
        if doubtful:
            rows = [*rows, *await self._statements["lock_free"].fetch(sorted(doubtful))]
        forms = {row["form_id"]: FormHead(row["head"], row["state"]) for row in rows}
        locked_elsewhere.difference_update(forms)
        return forms, doubtful - forms.keys()

    async def _look_up(self, forms: dict[int, FormHead], submissions: Sequence[Submission]) -> Numbering:
        # After the lock, so that what another writer committed a moment ago is seen.
        rows = await self._statements["find"].fetch([s.form_id for s in submissions], [s.response_id for s in submissions])
        self._note_durability(rows[0])
        # Promise 1: acknowledged only under settings that survive a power cut; read in the very transaction.
        if self.durability_problems:
            raise DurabilityOff(fix="Turn them on again: " + ", ".join(self.durability_problems))
        responses: dict[tuple[int, str], list[Revision]] = defaultdict(list)
        for row in rows:
            if row["form_id"] is not None and (not (kept := responses[row["form_id"], row["response_id"]]) or _newer(row, kept)):
                kept.append(_revision(row))
        taken, known = await self._unique_keys(submissions), await self._fingerprints(submissions)
        return Numbering(forms, responses, taken, rows[0]["now"], known=known)

    async def _unique_keys(self, submissions: Sequence[Submission]) -> dict[tuple[int, str], str]:
        keys = {(s.form_id, s.unique_key) for s in submissions if s.unique_key is not None}
        if not keys:
            return {}
        rows = await self._statements["find_unique"].fetch([form_id for form_id, _ in keys], [key for _, key in keys])
        return {(row["form_id"], row["unique_key"]): row["response_id"] for row in rows}

    async def _fingerprints(self, submissions: Sequence[Submission]) -> dict[Mark, set[str]]:
        """Which responses have the fingerprints of these; asks nothing when there are none, as for most forms."""
        asked = [(s, one) for s in submissions if s.fingerprints for one in s.fingerprints if one.name not in s.recognised]
        if not asked:
            return {}
        statement = await self._prepared("find_fingerprints", FIND_FINGERPRINTS)
        rows = await statement.fetch(
            list(range(len(asked))),
            [s.form_id for s, _ in asked],
            [s.response_id for s, _ in asked],
            [one.name for _, one in asked],
            [one.value for _, one in asked],
            [one.within_seconds for _, one in asked],
        )
        known: dict[Mark, set[str]] = defaultdict(set)
        for row in rows:
            known[row["form_id"], row["name"], row["value"]].add(row["response_id"])
        return known

    async def _prepared(self, name: str, statement: str) -> Any:
        """A statement that few forms need: prepared at its first use."""
        if name not in self._statements:
            self._statements[name] = await self._connection.prepare(statement)
        return self._statements[name]

    async def _insert(self, numbering: Numbering) -> None:
        heads = numbering.heads
        columns = [[value(entry) for entry in numbering.entries] for *_, value in COLUMNS]
        marks = marks_of(numbering.entries)
        statement = self._statements["insert"]
        if marks:
            statement = await self._prepared("insert_marked", _insert(self._notify, remembering(4 + len(COLUMNS))))
        await statement.fetch(numbering.received_at, list(heads), list(heads.values()), *columns, *marks)
        deleted = deleted_in(numbering.entries)
        if deleted:
            await (await self._prepared("forget_deleted", FORGET_DELETED)).fetch(*deleted)

    def _note_durability(self, row: Any) -> None:
        self.durability_problems = tuple(problems_of({name: row[name] for name in DURABLE_SETTINGS}))


def asyncpg_url(url: str) -> str:
    """The URL without the parameters that libpq keeps for itself: asyncpg would pass them on to the server, which knows none of them."""
    parts = urlsplit(plain_url(url))
    kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in LIBPQ_ONLY]
    return urlunsplit(parts._replace(query=urlencode(kept)))


async def open_link(url: str, *, notify: bool) -> Link:
    """A connected link. Raises OSError, asyncpg's errors or TimeoutError while Postgres is away or not migrated."""
    connection = await asyncpg.connect(
        asyncpg_url(url),
        timeout=CONNECT_TIMEOUT_SECONDS,
        command_timeout=STATEMENT_TIMEOUT_SECONDS,
        statement_cache_size=0,
        server_settings={
            "application_name": "collect-ingest",
            "lock_timeout": str(LOCK_TIMEOUT_MILLISECONDS),
            # A process stopped in the middle of a group must not keep its forms locked.
            "idle_in_transaction_session_timeout": str(int(STATEMENT_TIMEOUT_SECONDS * 1000)),
            # Planning for every group what never changes would cost as much as the group itself.
            "plan_cache_mode": "force_generic_plan",
            "jit": "off",
        },
    )
    try:
        statements = {
            "lock": await connection.prepare(LOCK_FORMS),
            "lock_free": await connection.prepare(LOCK_FREE_FORMS),
            "find": await connection.prepare(FIND_RESPONSES),
            "find_unique": await connection.prepare(FIND_UNIQUE_KEYS),
            "insert": await connection.prepare(_insert(notify)),
            "settings": await connection.prepare(f"select {SETTINGS}"),
        }
        link = Link(connection, statements, notify=notify)
        await link.check()
    except BaseException:
        connection.terminate()
        raise
    return link


def _insert(notify: bool, marks: str = "") -> str:
    return f"{INSERT}{marks} {NOTIFY if notify else QUIETLY}"


def _newer(row: Any, kept: list[Revision]) -> bool:
    # A response id that occurs twice in the group is found twice.
    return bool(row["revision"] > kept[-1].revision)


def _revision(row: Any) -> Revision:
    return Revision(
        row["revision"], row["position"], row["operation"], row["version"], row["content_hash"], row["received_at"], row["unique_key"]
    )


def _json(value: Any) -> str:
    return orjson.dumps(value).decode() if value else _EMPTY[type(value) in (list, tuple)]


_EMPTY = ("{}", "[]")
