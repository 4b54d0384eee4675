"""A reader that has seen position p has seen everything up to p, whoever writes at the same time (promise 3)."""

import asyncio
import subprocess
import sys
from pathlib import Path

import psycopg

from collect_pipelines.store.database import Database
from tests.integration.store_tools import publish, scalar, submission, writing
from tests.integration.store_writing_process import write

ROOT = Path(__file__).resolve().parents[2]
EACH = 800
FORMS = ("household", "clinic", "school", "market")

# Each line is one snapshot: what a reader sees at one moment.
SNAPSHOT = """
select f.form_id, f.head, count(r.position), coalesce(max(r.position), 0), coalesce(min(r.position), 1)
from collect.form f left join collect.response r on r.form_id = f.form_id group by f.form_id
"""


def test_every_reader_sees_a_log_without_gaps_while_two_processes_write(database: Database) -> None:
    forms = publish(database, *FORMS)
    command = [sys.executable, "-m", "tests.integration.store_writing_process", database.url, "theirs", str(EACH), *map(str, forms)]
    seen: dict[int, list[int]] = {form_id: [] for form_id in forms}
    wrong: list[tuple[int, ...]] = []
    highest = dict.fromkeys(forms, 0)

    def look(connection: "psycopg.Connection[tuple[int, ...]]") -> None:
        for form_id, head, count, last, first in connection.execute(SNAPSHOT):
            if not head == count == last or first != 1 or head < highest[form_id]:
                wrong.append((form_id, head, count, last, first))
            highest[form_id] = head
        # As the pipeline does it: whatever lies after the cursor, in order of positions.
        for form_id, positions in seen.items():
            query = "select position from collect.response where form_id = %s and position > %s order by position limit 200"
            positions += [position for (position,) in connection.execute(query, [form_id, len(positions)])]

    async def run() -> int:
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            ours = asyncio.create_task(write(database.url, "ours", EACH, forms))
            with psycopg.connect(database.url, autocommit=True) as connection:
                while not ours.done() or process.poll() is None:
                    await asyncio.to_thread(look, connection)
            assert process.stdout is not None
            return (await ours)["accepted"] + int(process.stdout.read())

    accepted = asyncio.run(run())
    with psycopg.connect(database.url, autocommit=True) as connection:
        while any(len(positions) < highest[form_id] for form_id, positions in seen.items()):
            look(connection)

    assert wrong == []
    assert accepted == sum(highest.values()) > EACH
    assert seen == {form_id: list(range(1, head + 1)) for form_id, head in highest.items()}


def test_a_group_that_is_rolled_back_leaves_no_gap(database: Database) -> None:
    [form_id] = publish(database, "household")

    async def send() -> None:
        async with writing(database.url) as writer:
            for _ in range(3):
                await writer.accept(submission(form_id, name="\x00"))
                await writer.accept(submission(form_id))

    asyncio.run(send())
    assert scalar(database, "select array_agg(position order by position) from collect.response") == [1, 2, 3]
    assert scalar(database, "select head from collect.form") == 3


def test_the_doorbell_rings_after_the_commit_and_not_before(database: Database) -> None:
    from collect_pipelines.store.database import Doorbell

    [form_id] = publish(database, "household")
    doorbell = Doorbell(database.url)

    async def send() -> bool:
        async with writing(database.url) as writer:
            assert not await asyncio.to_thread(doorbell.wait, 0.0)
            await writer.accept(submission(form_id))
            return await asyncio.to_thread(doorbell.wait, 5.0)

    assert asyncio.run(send())
    assert not doorbell.wait(0.0)
    doorbell.close()
