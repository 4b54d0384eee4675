"""Dagster instances for the graph's tests."""

import asyncio
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

if TYPE_CHECKING:
    from collect_pipelines.store.database import Database
    from resources.installation import Installation

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """A Dagster instance in memory."""
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


@pytest.fixture
def stored_instance(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """An instance from the repository's dagster.yaml, on the test's Postgres."""
    from collect_pipelines.local.dagster_storage import DAGSTER_URL_VARIABLE, create_dagster_schema, dagster_url

    create_dagster_schema(database_url)
    monkeypatch.setenv(DAGSTER_URL_VARIABLE, dagster_url(database_url))
    (tmp_path / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text("utf-8"), "utf-8")
    with dg.DagsterInstance.from_config(str(tmp_path)) as opened:
        yield opened


@pytest.fixture
def installation(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> "Installation":
    """The handle on an installation whose database is the test's."""
    from resources.installation import Installation

    monkeypatch.setenv("COLLECT_DATABASE_URL", database_url)
    monkeypatch.setenv("COLLECT_DATA_DIR", str(tmp_path / "data"))
    return Installation()


FORM = """
form: household
title: Household survey
questions:
  - {key: name, type: text, label: Name, required: true}
  - {key: people, type: integer, label: People, min: 1, max: 30, on_violation: flag}
"""


class Household:
    """A published form with a warehouse integration, and a way to accept responses into it."""

    def __init__(self, database: "Database") -> None:
        from collect_pipelines.forms.reading import read_form
        from collect_pipelines.store.forms import find_form, publish_form
        from collect_pipelines.store.integrations import add_integration

        self.database = database
        self.accepted = 0
        with database.begin() as connection:
            publish_form(connection, "default", read_form(FORM))
            self.form_id = find_form(connection, "household").form_id
            self.integration = add_integration(connection, self.form_id, "household-warehouse", "warehouse", {})

    def accept(self, count: int, **answers: Any) -> None:
        """Stores so many new responses, through the writer that ingest uses."""
        from collect_pipelines.model import Submission

        batch = []
        for _ in range(count):
            self.accepted += 1
            content = {"name": f"Respondent {self.accepted}", "people": 4} | answers
            text = json.dumps(content)
            batch.append(
                Submission(
                    form_id=self.form_id,
                    response_id=f"r{self.accepted:05d}",
                    operation="create",
                    version=1,
                    answers=content,
                    content_hash=hashlib.sha256(f"{self.accepted}{text}".encode()).digest(),
                    answers_json=text,
                )
            )
        outcomes = asyncio.run(self._store(batch))
        assert {outcome.outcome for outcome in outcomes} == {"accepted"}

    async def _store(self, batch: list[Any]) -> list[Any]:
        from collect_pipelines.store.writer import Writer

        writer = Writer(self.database.url)
        await writer.start()
        try:
            return await writer.accept_many(batch)
        finally:
            await writer.stop()


@pytest.fixture
def household(database: "Database") -> Household:
    """The form `household` with nothing in it yet."""
    return Household(database)
