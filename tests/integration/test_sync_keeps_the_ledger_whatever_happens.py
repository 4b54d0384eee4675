"""Whatever happens in which order, the ledger adds up after every step, and in the end nothing is lost (promises 3 to 7)."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from collect_pipelines.store.database import Database
from tests.integration.sync_story import Story
from tests.integration.sync_tools import one_database

if TYPE_CHECKING:
    from collect_pipelines.local.postgres import EmbeddedPostgres

UNBOUNDED = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@pytest.fixture(scope="module")
def database(postgres: "EmbeddedPostgres", template_database: str) -> Iterator[Database]:
    with one_database(postgres, template_database) as opened:
        yield opened


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stories")


def tell(database: Database, folder: Path, data: st.DataObject, steps: int) -> None:
    story = Story(database, folder, data.draw)
    for _ in range(steps):
        story.step()
        story.check()
    story.end()


@given(st.data())
@settings(max_examples=4, phases=[Phase.explicit, Phase.reuse, Phase.generate], **UNBOUNDED)
def test_the_ledger_adds_up_after_every_step_and_nothing_is_lost_in_the_end(database: Database, folder: Path, data: st.DataObject) -> None:
    tell(database, folder, data, steps=20)


@pytest.mark.slow
@given(st.data())
@settings(max_examples=80, **UNBOUNDED)
def test_the_same_over_many_more_stories(database: Database, folder: Path, data: st.DataObject) -> None:
    tell(database, folder, data, steps=40)
