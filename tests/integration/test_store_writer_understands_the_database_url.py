"""One database URL serves every library that connects, whatever parameters a hosting company puts into it."""

import asyncio

from sqlalchemy import text

from collect_pipelines.store.accepting import open_link
from collect_pipelines.store.database import Database

PARAMETERS = "sslmode=prefer&channel_binding=prefer&keepalives=1&connect_timeout=5&options=-c%20work_mem%3D8MB"


def test_parameters_of_libpq_do_not_keep_the_writer_from_connecting(database_url: str) -> None:
    url = f"{database_url}?{PARAMETERS}"

    async def problems() -> tuple[str, ...]:
        link = await open_link(url, notify=True)
        try:
            await link.check()
            return link.durability_problems
        finally:
            await link.close()

    assert asyncio.run(problems()) == ()
    database = Database(url)
    with database.begin() as connection:
        assert connection.execute(text("select 1")).scalar() == 1
    database.dispose()
