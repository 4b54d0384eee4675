"""What was acknowledged is there whatever happens to Postgres, and callers are answered in time (promise 1)."""

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from collect_pipelines.errors import DurabilityOff, OutcomeUnknown, Unavailable
from collect_pipelines.local.ports import free_port
from collect_pipelines.local.postgres import EmbeddedPostgres
from collect_pipelines.store.database import Database, Doorbell, durability_problems
from collect_pipelines.store.migrations import upgrade
from collect_pipelines.store.writer import Writer
from tests.integration.store_tools import publish, scalar, submission, until, writing

ANSWER_SECONDS = 2.0
SLACK_SECONDS = 1.0  # what a busy machine may add
CLIENTS = 40


@pytest.fixture(scope="module")
def mortal() -> Iterator[EmbeddedPostgres]:
    """A server these tests may kill; it comes back on the same port."""
    place = Path(tempfile.mkdtemp(prefix="collect-mortal-"))
    place.chmod(0o711)
    with EmbeddedPostgres(place / "postgres", port=free_port()) as server:
        upgrade(server.url())
        yield server
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def survivor(mortal: EmbeddedPostgres) -> Iterator[Database]:
    database = Database(mortal.start())
    yield database
    database.dispose()


@pytest.fixture
def form_id(survivor: Database) -> int:
    return publish(survivor, f"form-{time.monotonic_ns()}")[0]


class Clients:
    """Many clients that send as fast as they are answered, and remember what they were told."""

    def __init__(self, writer: Writer, form_id: int) -> None:
        self.writer, self.form_id = writer, form_id
        self.acknowledged: dict[str, int] = {}
        self.unknown: set[str] = set()
        self.refused: set[str] = set()
        self.slowest = 0.0
        self.stop = asyncio.Event()

    async def run(self) -> None:
        await asyncio.gather(*(self._one(number) for number in range(CLIENTS)))

    async def _one(self, client: int) -> None:
        number = 0
        while not self.stop.is_set():
            number += 1
            one = submission(self.form_id, f"{client}-{number}")
            started = time.monotonic()
            try:
                answer = await self.writer.accept(one)
                assert answer.position is not None
                self.acknowledged[one.response_id] = answer.position
            except OutcomeUnknown:
                self.unknown.add(one.response_id)
            except Unavailable:
                self.refused.add(one.response_id)
            self.slowest = max(self.slowest, time.monotonic() - started)


def test_nothing_acknowledged_is_lost_when_postgres_is_killed_under_load(
    mortal: EmbeddedPostgres, survivor: Database, form_id: int
) -> None:
    async def storm() -> Clients:
        async with writing(survivor.url) as writer:
            clients = Clients(writer, form_id)
            load = asyncio.create_task(clients.run())
            for _ in range(2):
                before = len(clients.acknowledged)
                await until(lambda: len(clients.acknowledged) > before + 100)  # noqa: B023 - awaited in this round
                assert mortal.pid is not None
                os.kill(mortal.pid, signal.SIGKILL)
                failed = len(clients.refused)
                await until(lambda: len(clients.refused) > failed)  # noqa: B023 - awaited in this round
                await asyncio.to_thread(mortal.start)
                down = len(clients.acknowledged)
                await until(lambda: len(clients.acknowledged) > down)  # noqa: B023 - awaited in this round
            clients.stop.set()
            await load
            assert writer.ready
            return clients

    clients = asyncio.run(storm())
    with survivor.begin() as connection:
        rows = connection.exec_driver_sql("select response_id, position from collect.response where form_id = %s", (form_id,))
        stored = {row.response_id: row.position for row in rows}

    assert clients.acknowledged.items() <= stored.items()
    assert stored.keys() <= clients.acknowledged.keys() | clients.unknown
    assert sorted(stored.values()) == list(range(1, len(stored) + 1))
    assert clients.slowest < ANSWER_SECONDS + SLACK_SECONDS


def test_callers_are_told_within_two_seconds_that_postgres_is_away() -> None:
    async def send() -> float:
        writer = Writer(f"postgresql://nobody@127.0.0.1:{free_port()}/nowhere")
        await writer.start()
        started = time.monotonic()
        with pytest.raises(Unavailable) as away:
            await writer.accept(submission(1))
        assert not isinstance(away.value, OutcomeUnknown)
        assert not away.value.overloaded
        assert not writer.ready
        await writer.stop()
        return time.monotonic() - started

    assert asyncio.run(send()) < ANSWER_SECONDS + SLACK_SECONDS


def test_a_full_queue_turns_callers_away_at_once() -> None:
    async def send() -> None:
        writer = Writer(f"postgresql://nobody@127.0.0.1:{free_port()}/nowhere", max_waiting=10)
        await writer.start()
        waiting = [asyncio.create_task(writer.accept(submission(1))) for _ in range(10)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable) as full:
            await writer.accept(submission(1))
        assert full.value.overloaded
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert Counter(type(answer) for answer in answers) == {Unavailable: 10}
        await writer.stop()

    asyncio.run(send())


def test_callers_are_told_in_time_that_nobody_knows_when_postgres_hangs(mortal: EmbeddedPostgres, survivor: Database, form_id: int) -> None:
    async def send() -> float:
        async with writing(survivor.url) as writer:
            await writer.accept(submission(form_id))
            pids = _writer_backends(survivor.url)
            assert mortal.pid is not None
            with _stopped(mortal.pid, *pids):
                started = time.monotonic()
                with pytest.raises(OutcomeUnknown):
                    await writer.accept(submission(form_id, "hanging"))
                waited = time.monotonic() - started
            await until(lambda: not pids & _writer_backends(survivor.url) or writer.ready)
            # The same request again finds out, and stores it if it was not stored.
            assert (await _insist(writer, form_id, "hanging")) in ("accepted", "replayed")
            return waited

    assert asyncio.run(send()) < ANSWER_SECONDS + SLACK_SECONDS
    assert scalar(survivor, "select count(*) from collect.response where response_id = 'hanging'") == 1


async def _insist(writer: Writer, form_id: int, response_id: str) -> str:
    while True:
        with contextlib.suppress(Unavailable):
            return (await writer.accept(submission(form_id, response_id))).outcome


def test_nothing_is_accepted_while_commits_are_not_flushed(survivor: Database, form_id: int) -> None:
    async def send() -> None:
        async with writing(survivor.url) as writer:
            await writer.accept(submission(form_id))
            with _unsafe(survivor.url):
                with pytest.raises(DurabilityOff) as off:
                    while True:  # a reload reaches each backend a moment later
                        await writer.accept(submission(form_id))
                assert "synchronous_commit" in str(off.value.fix)
                assert writer.durability_problems == ("synchronous_commit is off",)
                assert not writer.ready
                stored = scalar(survivor, "select head from collect.form where form_id = :form", form=form_id)
                with pytest.raises(DurabilityOff):
                    await writer.accept(submission(form_id))
                assert scalar(survivor, "select head from collect.form where form_id = :form", form=form_id) == stored
                with survivor.begin() as connection:
                    assert durability_problems(connection) == ["synchronous_commit is off"]
            # Nobody has to restart anything.
            for _ in range(1000):
                with contextlib.suppress(DurabilityOff):
                    await writer.accept(submission(form_id))
                    break
            assert writer.ready
            assert writer.durability_problems == ()

    asyncio.run(send())


def test_a_writer_notices_unsafe_settings_before_anyone_sends(survivor: Database) -> None:
    async def look() -> tuple[str, ...]:
        writer = Writer(survivor.url)
        await writer.start()
        await until(lambda: bool(writer.durability_problems))
        assert not writer.ready
        await writer.stop()
        return writer.durability_problems

    with _unsafe(survivor.url):
        assert asyncio.run(look()) == ("synchronous_commit is off",)
    with survivor.begin() as connection:
        assert durability_problems(connection) == []


def test_readers_and_the_doorbell_say_so_while_postgres_is_away_and_come_back(
    mortal: EmbeddedPostgres, survivor: Database, form_id: int
) -> None:
    doorbell = Doorbell(survivor.url)
    assert scalar(survivor, "select 1") == 1
    assert mortal.pid is not None
    os.kill(mortal.pid, signal.SIGKILL)
    with pytest.raises(Unavailable):
        while True:  # the backend outlives its postmaster by a moment
            scalar(survivor, "select 1")
    assert not doorbell.wait(0.2)
    mortal.start()
    assert scalar(survivor, "select 1") == 1
    assert doorbell.wait(5.0), "something may have been committed while nobody listened"
    doorbell.close()


def _writer_backends(url: str) -> set[int]:
    with psycopg.connect(url) as connection:
        query = "select pid from pg_stat_activity where application_name = 'collect-ingest' and datname = current_database()"
        return {pid for (pid,) in connection.execute(query)}


@contextlib.contextmanager
def _stopped(*pids: int) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def _unsafe(url: str) -> Iterator[None]:
    """While inside, the server answers commits before they are on disk."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("alter system set synchronous_commit = off")
        connection.execute("select pg_reload_conf()")
        try:
            yield
        finally:
            connection.execute("alter system reset synchronous_commit")
            connection.execute("select pg_reload_conf()")
