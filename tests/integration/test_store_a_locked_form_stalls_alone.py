"""Another transaction that holds one form stalls that form and no other."""

import asyncio

import psycopg
import pytest

from collect_pipelines.errors import OutcomeUnknown, Unavailable
from collect_pipelines.store.database import Database
from tests.integration.store_tools import publish, scalar, submission, until, writing

HERE = "(select oid from pg_database where datname = current_database())"
WAITING_FOR_A_LOCK = f"select count(*) from pg_locks where not granted and database = {HERE}"


def test_other_forms_are_served_while_one_is_locked_and_it_comes_back(database: Database) -> None:
    locked, free = publish(database, "household", "clinic")
    waited_for: list[int] = []

    async def send() -> None:
        async with writing(database.url) as writer:
            with psycopg.connect(database.url) as stranger:
                stranger.execute("select from collect.form where form_id = %s for update", [locked])
                stuck = [asyncio.create_task(writer.accept(submission(locked))) for _ in range(5)]
                # One wait for the lock per connection; afterwards the form is not waited for until it is free.
                await until(lambda: locked in writer._locked_elsewhere)
                await until(lambda: not scalar(database, WAITING_FOR_A_LOCK))
                while not all(task.done() for task in stuck):
                    stuck += [asyncio.create_task(writer.accept(submission(locked)))] if len(stuck) < 10 else []
                    assert (await writer.accept(submission(free))).outcome == "accepted"
                    waited_for.append(await asyncio.to_thread(scalar, database, WAITING_FOR_A_LOCK))
                told = await asyncio.gather(*stuck, return_exceptions=True)
            assert {type(error) for error in told} == {Unavailable}
            assert not any(isinstance(error, OutcomeUnknown) for error in told)
            assert (await writer.accept(submission(locked))).outcome == "accepted"

    asyncio.run(send())
    assert waited_for and not any(waited_for)
    assert scalar(database, "select head from collect.form where form_id = :form", form=locked) == 1


def test_a_submission_to_a_locked_form_is_stored_when_the_lock_ends_in_time(database: Database) -> None:
    [form_id] = publish(database, "household")

    async def send() -> str:
        async with writing(database.url) as writer:
            with psycopg.connect(database.url) as stranger:
                stranger.execute("select from collect.form where form_id = %s for update", [form_id])
                waiting = asyncio.create_task(writer.accept(submission(form_id)))
                await until(lambda: bool(writer._locked_elsewhere))
            return (await waiting).outcome

    assert asyncio.run(send()) == "accepted"


def test_a_table_locked_by_a_migration_is_told_as_busy(database: Database) -> None:
    [form_id] = publish(database, "household")

    async def send() -> None:
        async with writing(database.url) as writer:
            with psycopg.connect(database.url) as stranger:
                # In a thread: a connection of the writer that is being prepared holds the lock until this loop goes on.
                await asyncio.to_thread(stranger.execute, "lock table collect.response in access exclusive mode")
                with pytest.raises(Unavailable):
                    await writer.accept(submission(form_id))
            await until(lambda: writer.ready)
            for _ in range(3):
                assert (await writer.accept(submission(form_id))).outcome == "accepted"

    asyncio.run(send())
