"""The same submission is one response, however often and however concurrently it is sent (promise 2)."""

import asyncio
from collections import Counter

import pytest
from sqlalchemy import text

from collect_pipelines.errors import Unavailable
from collect_pipelines.store.database import Database
from collect_pipelines.store.forms import set_form_state
from collect_pipelines.store.log import find_responses, newest_response
from collect_pipelines.store.writer import Writer
from tests.integration.store_tools import publish, scalar, submission, writing


def test_fifty_sends_of_one_id_through_two_writers_are_one_response(database: Database) -> None:
    [form_id] = publish(database, "household")
    same = submission(form_id, "r-1")

    async def send() -> list[str]:
        async with writing(database.url) as one, writing(database.url) as two:
            answers = await asyncio.gather(*(writer.accept(same) for _ in range(25) for writer in (one, two)))
        assert len({(answer.position, answer.revision, answer.received_at) for answer in answers}) == 1
        return [answer.outcome for answer in answers]

    outcomes = Counter(asyncio.run(send()))

    assert outcomes == {"accepted": 1, "replayed": 49}
    assert scalar(database, "select count(*) from collect.response") == 1


def test_fifty_contents_under_one_id_are_one_response_and_conflicts(database: Database) -> None:
    [form_id] = publish(database, "household")

    async def send() -> Counter[str]:
        async with writing(database.url) as one, writing(database.url) as two:
            sends = (writer.accept(submission(form_id, "r-1", f"name {n}")) for n in range(25) for writer in (one, two))
            return Counter(answer.outcome for answer in await asyncio.gather(*sends))

    # Both writers send each content, so the one that wins is sent twice.
    assert asyncio.run(send()) == {"accepted": 1, "replayed": 1, "conflict": 48}


def test_edits_of_one_revision_at_once_are_one_edit(database: Database) -> None:
    [form_id] = publish(database, "household")

    async def send() -> Counter[str]:
        async with writing(database.url) as one, writing(database.url) as two:
            await one.accept(submission(form_id, "r-1"))
            edits = (writer.accept(submission(form_id, "r-1", f"{n}", "edit", 1)) for n, writer in enumerate((one, two) * 10))
            return Counter(answer.outcome for answer in await asyncio.gather(*edits))

    assert asyncio.run(send()) == {"accepted": 1, "revision_conflict": 19}


def test_the_answer_to_a_conflict_tells_the_stored_revision(database: Database) -> None:
    [form_id] = publish(database, "household")

    async def send() -> None:
        async with writing(database.url) as writer:
            await writer.accept(submission(form_id, "r-1", "a"))
            await writer.accept(submission(form_id, "r-1", "b", "edit", 1))
            conflict = await writer.accept(submission(form_id, "r-1", "c"))
            stale = await writer.accept(submission(form_id, "r-1", "c", "edit", 1))

        assert (conflict.outcome, conflict.revision, conflict.position) == ("conflict", 2, 2)
        assert (stale.outcome, stale.revision) == ("revision_conflict", 2)

    asyncio.run(send())


def test_a_deletion_is_an_entry_without_answers_and_earlier_revisions_stay(database: Database) -> None:
    [form_id] = publish(database, "household")

    async def send() -> None:
        async with writing(database.url) as writer:
            await writer.accept(submission(form_id, "r-1"))
            assert (await writer.accept(submission(form_id, "r-1", operation="delete", replaces=1))).outcome == "accepted"
            assert (await writer.accept(submission(form_id, "r-1", "other"))).outcome == "erased"

    asyncio.run(send())
    with database.begin() as connection:
        revisions = find_responses(connection, "r-1")
        newest = newest_response(connection, form_id, "r-1")

    assert [(entry.operation, entry.answers) for entry in revisions] == [("create", {"name": "Asha"}), ("delete", {})]
    assert newest == revisions[-1]


def test_one_respondent_gets_one_response_however_many_try_at_once(database: Database) -> None:
    [form_id] = publish(database, "household")

    async def send() -> Counter[str]:
        async with writing(database.url) as one, writing(database.url) as two:
            tries = (writer.accept(submission(form_id, unique_key="anna")) for _ in range(10) for writer in (one, two))
            return Counter(answer.outcome for answer in await asyncio.gather(*tries))

    assert asyncio.run(send()) == {"accepted": 1, "not_unique": 19}


def test_a_unique_key_is_free_again_after_its_response_was_edited_or_deleted(database: Database) -> None:
    [form_id] = publish(database, "household")

    async def send() -> list[str]:
        async with writing(database.url) as writer:
            steps = (
                submission(form_id, "a", unique_key="anna"),
                submission(form_id, "a", "b", "edit", 1, unique_key="beth"),
                submission(form_id, "b", unique_key="anna"),
                submission(form_id, "b", operation="delete", replaces=1),
                submission(form_id, "c", unique_key="anna"),
                submission(form_id, "d", unique_key="beth"),
            )
            return [(await writer.accept(step)).outcome for step in steps]

    assert asyncio.run(send()) == ["accepted"] * 5 + ["not_unique"]


def test_the_same_id_and_key_in_two_forms_are_two_responses(database: Database) -> None:
    first, second = publish(database, "household", "clinic")

    async def send() -> list[str]:
        async with writing(database.url) as writer:
            both = [submission(form_id, "r-1", unique_key="anna") for form_id in (first, second)]
            return [answer.outcome for answer in await writer.accept_many(both)]

    assert asyncio.run(send()) == ["accepted", "accepted"]


def test_a_closed_form_takes_no_response_but_replays_what_it_has(database: Database) -> None:
    [form_id] = publish(database, "household")

    async def send() -> list[str]:
        async with writing(database.url) as writer:
            await writer.accept(submission(form_id, "r-1"))
            with database.begin() as connection:
                set_form_state(connection, form_id, "closed")
            return [(await writer.accept(submission(form_id, name))).outcome for name in ("r-1", "r-2")]

    assert asyncio.run(send()) == ["replayed", "form_closed"]


@pytest.mark.parametrize("poison", ["a\x00b", "\ud800"], ids=["nul", "surrogate"])
def test_a_row_that_postgres_refuses_fails_alone(database: Database, poison: str) -> None:
    [form_id] = publish(database, "household")
    group = [submission(form_id, f"r-{n}", poison if n in (3, 11, 12) else "good") for n in range(20)]
    if poison == "\ud800":
        # json.dumps leaves half a pair as it is: neither asyncpg nor Postgres can take it.
        assert poison in group[3].answers_json

    async def send() -> list[str]:
        async with writing(database.url) as writer:
            return [answer.outcome for answer in await writer.accept_many(group)]

    outcomes = asyncio.run(send())

    assert [n for n, outcome in enumerate(outcomes) if outcome != "accepted"] == [3, 11, 12]
    assert outcomes[3] == "not_stored"
    assert scalar(database, "select array_agg(position order by position) from collect.response") == list(range(1, 18))


def test_why_a_row_was_refused_is_told_without_its_content(database: Database) -> None:
    [form_id] = publish(database, "household")

    async def send() -> str:
        async with writing(database.url) as writer:
            return str((await writer.accept(submission(form_id, name="secret\x00answer"))).detail)

    detail = asyncio.run(send())

    assert "22P05" in detail
    assert "secret" not in detail


def test_many_at_once_are_one_transaction(database: Database) -> None:
    [form_id] = publish(database, "household")

    async def send() -> None:
        async with writing(database.url) as writer:
            answers = await writer.accept_many([submission(form_id) for _ in range(1000)])
        assert [answer.position for answer in answers] == list(range(1, 1001))
        assert await Writer(database.url).accept_many([]) == []

    asyncio.run(send())
    assert scalar(database, "select count(distinct xmin::text) from collect.response") == 1


def test_numbers_and_texts_are_stored_exactly_as_they_were_sent(database: Database) -> None:
    from dataclasses import replace

    [form_id] = publish(database, "household")
    sent = '{"big": 123456789012345678901234567890.125, "text": "6\'3\\"  \\u00e9", "small": 0.10}'

    async def send() -> None:
        async with writing(database.url) as writer:
            await writer.accept(replace(submission(form_id), answers_json=sent, source="import", respondent="x", flags=[{"code": "f"}]))

    asyncio.run(send())
    with database.begin() as connection:
        row = connection.execute(
            text("select answers ->> 'big', answers ->> 'small', answers ->> 'text', flags from collect.response")
        ).one()

    assert tuple(row) == ("123456789012345678901234567890.125", "0.10", "6'3\"  é", [{"code": "f"}])


def test_a_writer_that_was_not_started_or_is_stopped_stores_nothing(database: Database) -> None:
    [form_id] = publish(database, "household")

    async def send() -> None:
        writer = Writer(database.url)
        with pytest.raises(Unavailable):
            await writer.accept(submission(form_id))
        async with writing(database.url) as writer:
            pass
        assert not writer.ready
        with pytest.raises(Unavailable):
            await writer.accept(submission(form_id))

    asyncio.run(send())


def test_stopping_finishes_what_was_taken(database: Database) -> None:
    [form_id] = publish(database, "household")

    async def send() -> list[str]:
        async with writing(database.url) as writer:
            tasks = [asyncio.create_task(writer.accept(submission(form_id))) for _ in range(300)]
            await asyncio.sleep(0)
        return [(await task).outcome for task in tasks]

    assert asyncio.run(send()) == ["accepted"] * 300


def test_a_caller_that_went_away_before_its_turn_stores_nothing(database: Database) -> None:
    [form_id] = publish(database, "household")

    async def send() -> None:
        async with writing(database.url) as writer:
            task = asyncio.create_task(writer.accept(submission(form_id)))
            await asyncio.sleep(0)
            task.cancel()
            await writer.accept(submission(form_id))

    asyncio.run(send())
    assert scalar(database, "select count(*) from collect.response") == 1
