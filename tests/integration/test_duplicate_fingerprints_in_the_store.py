"""Fingerprints are stored with the response that has them, found in one indexed query, closed against races, and forgotten in time."""

import asyncio
import contextlib
import dataclasses
import functools
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from collect_pipelines.errors import Unavailable
from collect_pipelines.model import Earlier, Fingerprint, Submission
from collect_pipelines.store.database import Database
from collect_pipelines.store.fingerprints import DELETE_EXPIRED, Finder, prune_fingerprints, sealed
from collect_pipelines.store.marks import FIND_FINGERPRINTS
from collect_pipelines.store.rejections import DELETE_OLD
from tests.integration.store_tools import publish, scalar, submission, writing

WEEK = 7 * 86_400


def in_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """The test, run in an event loop of its own."""

    @functools.wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        asyncio.run(test(*arguments, **named))  # type: ignore[arg-type]

    return run


def marked(form_id: int, response_id: str, *values: str, recognised: Sequence[str] = (), seconds: int = WEEK) -> Submission:
    """A response with fingerprints named `content`, sealed as the front door does."""
    own = tuple(sealed(form_id, Fingerprint("content", value.encode(), seconds)) for value in values)
    return dataclasses.replace(submission(form_id, response_id, name=response_id), fingerprints=own, recognised=frozenset(recognised))


def mark(form_id: int, value: str, seconds: int = WEEK) -> Fingerprint:
    return sealed(form_id, Fingerprint("content", value.encode(), seconds))


async def found(finder: Finder, form_id: int, response_id: str, *values: str, seconds: int = WEEK) -> list[str]:
    told = await finder.earlier(form_id, response_id, [mark(form_id, value, seconds) for value in values])
    return [one.response_id for one in told]


@in_loop
async def test_what_was_stored_is_found_by_others_and_not_by_itself(database: Database, database_url: str) -> None:
    (form_id, other_form) = publish(database, "a", "b")
    finder = Finder(database_url)
    async with writing(database_url) as writer:
        before = datetime.now(UTC)
        assert (await writer.accept(marked(form_id, "r-1", "x"))).outcome == "accepted"
        told = await finder.earlier(form_id, "r-2", [mark(form_id, "x"), mark(form_id, "y")])

        assert await found(finder, form_id, "r-1", "x") == []
        assert await found(finder, other_form, "r-2", "x") == []
        assert await found(finder, form_id, "r-2", "y") == []
    await finder.close()

    assert [(one.name, one.response_id) for one in told] == [("content", "r-1")]
    assert abs((told[0].received_at - before).total_seconds()) < 60
    assert isinstance(told[0], Earlier) and told[0].received_at.tzinfo is UTC


@in_loop
async def test_many_who_ask_at_once_are_answered_each_with_its_own(database: Database, database_url: str) -> None:
    (form_id,) = publish(database, "a")
    finder = Finder(database_url)
    async with writing(database_url) as writer:
        await writer.accept_many([marked(form_id, f"r-{number}", f"x-{number}") for number in range(50)])
    answers = await asyncio.gather(*(found(finder, form_id, "new", f"x-{number}", f"x-{number + 1}") for number in range(49)))
    await finder.close()

    assert [sorted(answer) for answer in answers] == [sorted((f"r-{number}", f"r-{number + 1}")) for number in range(49)]


@in_loop
async def test_nothing_is_found_outside_the_window_nor_of_a_deleted_response(database: Database, database_url: str) -> None:
    (form_id,) = publish(database, "a")
    finder = Finder(database_url)
    async with writing(database_url) as writer:
        await writer.accept(marked(form_id, "old", "x"))
        await writer.accept(marked(form_id, "gone", "y"))
        await writer.accept(submission(form_id, "gone", operation="delete", replaces=1))
    with database.begin() as connection:
        connection.exec_driver_sql("update collect.fingerprint set received_at = received_at - interval '2 hours'")

    assert await found(finder, form_id, "new", "x", seconds=3600) == []
    assert await found(finder, form_id, "new", "x", seconds=3 * 3600) == ["old"]
    assert await found(finder, form_id, "new", "y") == []
    await finder.close()


@in_loop
async def test_nothing_is_remembered_of_a_deleted_response_and_all_of_the_others(database: Database, database_url: str) -> None:
    form_id, other_form = publish(database, "a", "b")
    async with writing(database_url) as writer:
        await writer.accept_many([marked(form_id, "gone", "x", "y"), marked(form_id, "kept", "z"), marked(other_form, "gone", "x")])
        in_one_group = [
            marked(form_id, "brief", "v"),
            submission(form_id, "brief", operation="delete", replaces=1),
            submission(form_id, "gone", operation="delete", replaces=1),
        ]
        assert [one.outcome for one in await writer.accept_many(in_one_group)] == ["accepted"] * 3
        refused = await writer.accept(submission(form_id, "kept", operation="delete", replaces=7))
        assert refused.outcome == "revision_conflict"

    with database.begin() as connection:
        rows = connection.exec_driver_sql("select form_id, response_id from collect.fingerprint order by form_id").all()
    assert [tuple(row) for row in rows] == [(form_id, "kept"), (other_form, "gone")]


@in_loop
async def test_a_response_that_was_overtaken_is_not_stored_until_its_checks_know(database: Database, database_url: str) -> None:
    (form_id,) = publish(database, "a")
    async with writing(database_url) as writer:
        first, second, third = await writer.accept_many([marked(form_id, name, "x") for name in ("r-1", "r-2", "r-3")])
        again = await writer.accept(marked(form_id, "r-2", "x", recognised=["content"]))
        replayed = await writer.accept(marked(form_id, "r-1", "x"))

    assert [one.outcome for one in (first, second, third, again, replayed)] == [
        "accepted",
        "overtaken",
        "overtaken",
        "accepted",
        "replayed",
    ]
    assert scalar(database, "select head from collect.form where form_id = :form_id", form_id=form_id) == 2


@in_loop
async def test_of_many_at_one_moment_through_two_writers_one_is_first(database: Database, database_url: str) -> None:
    (form_id,) = publish(database, "a")
    async with writing(database_url) as one, writing(database_url) as other:
        outcomes = await asyncio.gather(*((one, other)[number % 2].accept(marked(form_id, f"r-{number}", "x")) for number in range(20)))

    assert sorted(outcome.outcome for outcome in outcomes) == ["accepted"] + ["overtaken"] * 19


@in_loop
async def test_an_edit_with_the_same_content_is_no_duplicate_of_its_original(database: Database, database_url: str) -> None:
    (form_id,) = publish(database, "a")
    edit = dataclasses.replace(submission(form_id, "r-1", "B", "edit", 1), fingerprints=marked(form_id, "r-1", "x").fingerprints)
    async with writing(database_url) as writer:
        outcomes = await writer.accept_many([marked(form_id, "r-1", "x"), edit])

    assert [one.outcome for one in outcomes] == ["accepted", "accepted"]
    assert scalar(database, "select count(*) from collect.fingerprint") == 1


@in_loop
async def test_what_is_refused_leaves_no_fingerprint(database: Database, database_url: str) -> None:
    (form_id,) = publish(database, "a")
    async with writing(database_url) as writer:
        await writer.accept(submission(form_id, "r-1", "A"))
        conflict = await writer.accept(marked(form_id, "r-1", "x"))

    assert conflict.outcome == "conflict"
    assert scalar(database, "select count(*) from collect.fingerprint") == 0


@in_loop
async def test_expired_fingerprints_are_forgotten_in_slices(database: Database, database_url: str) -> None:
    (form_id,) = publish(database, "a")
    async with writing(database_url) as writer:
        await writer.accept_many([marked(form_id, f"r-{number}", f"x-{number}", seconds=1 + number // 5 * WEEK) for number in range(10)])
    with database.begin() as connection:
        connection.exec_driver_sql("update collect.fingerprint set expires_at = expires_at - interval '1 hour'")
    with database.begin() as connection:
        pruned = [prune_fingerprints(connection, size=3) for _ in range(3)]

    assert pruned == [3, 2, 0]
    assert scalar(database, "select count(*) from collect.fingerprint") == 5


@in_loop
async def test_who_asks_while_postgres_is_away_is_told_and_later_ones_are_answered(database: Database, database_url: str) -> None:
    (form_id,) = publish(database, "a")
    away, finder = Finder("postgresql://postgres@127.0.0.1:1/none"), Finder(database_url)
    async with writing(database_url) as writer:
        await writer.accept(marked(form_id, "r-1", "x"))
    with pytest.raises(Unavailable):
        await found(away, form_id, "r-2", "x")
    assert await found(finder, form_id, "r-2", "x") == ["r-1"]
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'collect-ingest-finder'")
    # Whether the broken connection is noticed before it is used is up to the kernel; the one after is new in any case.
    with contextlib.suppress(Unavailable):
        await found(finder, form_id, "r-2", "x")

    assert await found(finder, form_id, "r-2", "x") == ["r-1"]
    await finder.close()
    await away.close()


def test_the_look_up_probes_indexes_with_the_plan_it_keeps(database: Database) -> None:
    (form_id,) = publish(database, "a")
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(
            "insert into collect.fingerprint"
            " select %s, 'content', sha256(n::text::bytea), 'r-' || n, now(), now() from generate_series(1, 5000) n",
            (form_id,),
        )
        connection.execute("vacuum analyze collect.fingerprint")
        connection.execute("set plan_cache_mode = force_generic_plan")
        connection.execute(f"prepare hot (int[], bigint[], text[], text[], bytea[], int[]) as {FIND_FINGERPRINTS}")
        arguments = "array[0], array[1], array['r'], array['content'], array['\\x00'::bytea], array[60]"
        plan = "\n".join(line for (line,) in connection.execute(f"explain execute hot ({arguments})"))

    assert "Index Scan Backward using fingerprint_received_at_ix" in plan
    assert "received_at > " in plan.split("fingerprint_received_at_ix")[1].split("Filter")[0]  # bounds the scan, filters nothing
    assert "Seq Scan" not in plan and "Sort Key: f." not in plan


def test_what_has_expired_is_found_by_index_and_nothing_else_is_read(database: Database) -> None:
    (form_id,) = publish(database, "a")
    numbers = "from generate_series(1, 3000) n"
    with database.begin() as connection:
        connection.exec_driver_sql(
            "insert into collect.fingerprint"
            f" select {form_id}, 'content', sha256(n::text::bytea), 'r-' || n, now(), now() + interval '1 day' {numbers}"
        )
        connection.exec_driver_sql(
            "insert into collect.rejection (form_id, response_id, attempted_at, version, operation, source, findings)"
            f" select {form_id}, 'r-' || n, now(), 1, 'create', 'api', '[]' {numbers}"
        )
        connection.exec_driver_sql("analyze collect.fingerprint, collect.rejection")
        plans = [
            "\n".join(connection.scalars(text(f"explain {statement}"), {"size": 100, "days": 30}))
            for statement in (DELETE_EXPIRED, DELETE_OLD)
        ]

    assert "Index Cond: (expires_at <" in plans[0] and "Index Cond: (attempted_at <" in plans[1]
    assert all("Seq Scan" not in plan for plan in plans)
