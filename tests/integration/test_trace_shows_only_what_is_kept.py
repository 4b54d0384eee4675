"""The ingest process forgets by itself what is kept only for a time, whoever else is at it, and also after an outage."""

import asyncio
from collections.abc import Iterator

import pytest

from collect_pipelines.errors import Unavailable
from collect_pipelines.ingest.housekeeping import Housekeeping
from collect_pipelines.ingest.threads import StoreThreads
from collect_pipelines.store.database import Database
from collect_pipelines.store.forgetting import SLICE, forget_expired
from tests.integration.store_tools import publish, scalar, until

LEFT = "select (select count(*) from collect.rejection) + (select count(*) from collect.fingerprint)"
OLD = (
    "insert into collect.rejection (form_id, response_id, attempted_at, version, operation, source, findings)"
    " select 1, n::text, now() - interval '31 days', 1, 'create', 'api', '[]' from generate_series(1, 6000) n",
    "insert into collect.fingerprint select 1, 'content', n::text::bytea, 'r', now(), now() from generate_series(1, 6000) n",
    "insert into collect.fingerprint select 1, 'content', 'kept', 'r', now(), now() + interval '1 hour'",
)


@pytest.fixture
def filled(database: Database) -> Iterator[Database]:
    """A database with much that has expired, and one fingerprint that has not."""
    publish(database, "a")
    with database.begin() as connection:
        for statement in OLD:
            connection.exec_driver_sql(statement)
    yield database


def test_it_forgets_slice_by_slice_until_only_what_counts_is_left(filled: Database) -> None:
    threads = StoreThreads(filled.url)

    async def keep() -> None:
        house = Housekeeping(threads, period_seconds=0.05)
        house.start()
        await until(lambda: bool(scalar(filled, LEFT) == 1))
        await house.stop()

    asyncio.run(keep())
    threads.close()

    assert scalar(filled, LEFT) == 1


def test_two_processes_do_not_do_it_at_once(filled: Database) -> None:
    with filled.begin() as one:
        assert forget_expired(one) == 10_000
        with filled.begin() as other:
            assert forget_expired(other) == 0


def test_what_expires_all_the_time_is_left_until_the_next_time() -> None:
    asked: list[float] = []

    class Trickle:
        async def read(self, _: object) -> int:
            asked.append(asyncio.get_running_loop().time())
            return 2 * SLICE if len(asked) == 1 else 1

    async def keep() -> None:
        house = Housekeeping(Trickle(), period_seconds=0.1)  # type: ignore[arg-type]
        house.start()
        await until(lambda: len(asked) > 2)
        await house.stop()

    asyncio.run(keep())

    assert asked[2] - asked[1] > 0.04  # half a period at least


def test_an_error_waits_for_the_next_time() -> None:
    calls = []

    class Failing:
        async def read(self, _: object) -> int:
            calls.append(1)
            raise Unavailable if len(calls) == 1 else ValueError("a fault of ours")

    async def keep() -> None:
        house = Housekeeping(Failing(), period_seconds=0.01)  # type: ignore[arg-type]
        house.start()
        await until(lambda: len(calls) > 3)
        await house.stop()

    asyncio.run(keep())

    assert len(calls) > 3
