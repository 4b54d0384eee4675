"""docs/backlog.md: every command on the page is run, and what it says about numbers is what the code does."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from collect_pipelines.store.backfills import LIVE_FIRST_ENTRIES
from collect_pipelines.store.database import Database
from collect_pipelines.sync.delivery.choice import LIVE_TURNS
from collect_pipelines.sync.retry import ATTEMPTS
from tests.integration.backlog_tools import Commands, Old
from tests.integration.sync_tools import one_database

if TYPE_CHECKING:
    from collect_pipelines.local.postgres import EmbeddedPostgres

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "backlog.md").read_text("utf-8")
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.S) for line in block.splitlines()]
ASKS = ("backfill start", "replay", "failures retry")
HELD = """
insert into collect.quarantine (form_id, position, response_id, revision, reasons)
select form_id, position, response_id, 1, '[{"rule": "test", "question": "name", "message": "Held."}]'
from collect.response where form_id = :form and position in (8, 9)
"""


@pytest.fixture(scope="module")
def database(postgres: "EmbeddedPostgres", template_database: str) -> Iterator[Database]:
    with one_database(postgres, template_database) as opened:
        yield opened


def test_the_commands_of_the_page_do_what_it_says(database: Database, tmp_path: Path) -> None:
    run = Commands(database.url, tmp_path)
    ran = []
    for command in COMMANDS:
        it = Old(database, 12, "now" if "backfill" in command else "all", "warehouse")
        if "backfill" not in command:
            it.deliver_except(opened={2: "The receiver answered 422.", 5: "No."}, waiting={4: "Later."})
            with database.begin() as connection:
                connection.execute(text(HELD), {"form": it.form_id})
        else:
            _prepare(run, it.name, command)
        words = shlex.split(command.replace("household", it.form))[1:]
        run(*words, *(["--yes"] if any(ask in command for ask in ASKS) else []))
        ran.append(words[0])

    assert set(ran) == {"status", "backfill", "replay", "failures", "trace"}
    assert len(ran) == len(COMMANDS) > 20


def _prepare(run: Commands, name: str, command: str) -> None:
    if "start" not in command:
        run("backfill", "start", name, "--yes")
    if "resume" in command:
        run("backfill", "pause", name)


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    spelled = {4: "four", 10: "ten"}

    assert f"more than {LIVE_FIRST_ENTRIES} entries" in PAGE
    assert f"After {spelled[LIVE_TURNS]} live batches in a row" in PAGE
    assert f"tried up to {spelled[ATTEMPTS]} times" in PAGE
