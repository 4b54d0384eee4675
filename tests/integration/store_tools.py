"""What the tests of the store share: a form, submissions, and a writer that is connected."""

import asyncio
import hashlib
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.model import Operation, Submission
from collect_pipelines.store.database import Database
from collect_pipelines.store.forms import publish_form
from collect_pipelines.store.writer import Writer

SETTLE_SECONDS = 20.0  # far beyond what anything here needs, so that a loaded machine fails nothing


def definition(slug: str = "household", *keys: str, **fields: Any) -> FormDefinition:
    """A form of text questions."""
    questions = [{"key": key, "type": "text", "label": key.capitalize()} for key in keys or ("name",)]
    return FormDefinition.model_validate({"form": slug, "title": slug.capitalize(), "questions": questions, **fields})


def publish(database: Database, *slugs: str) -> list[int]:
    """The numbers of new forms."""
    with database.begin() as connection:
        return [publish_form(connection, "default", definition(slug)).form_id for slug in slugs]


def submission(
    form_id: int,
    response_id: str | None = None,
    name: str | None = "Asha",
    operation: Operation = "create",
    replaces: int | None = None,
    unique_key: str | None = None,
) -> Submission:
    """One response with one answer; its hash covers operation, revision and answer, as the front door's does."""
    answers = {} if operation == "delete" else {"name": name}
    text = json.dumps(answers, ensure_ascii=False)
    content = f"{operation}|{replaces}|{text}".encode("utf-8", "surrogatepass")
    return Submission(
        form_id=form_id,
        response_id=response_id or secrets.token_hex(8),
        operation=operation,
        version=1,
        answers=answers,
        content_hash=hashlib.sha256(content).digest(),
        answers_json=text,
        replaces=replaces,
        unique_key=unique_key,
    )


@asynccontextmanager
async def writing(url: str, **options: Any) -> AsyncIterator[Writer]:
    """A connected writer."""
    writer = Writer(url, **options)
    await writer.start()
    try:
        await until(lambda: writer.ready)
        yield writer
    finally:
        await writer.stop()


async def until(condition: Callable[[], bool], seconds: float = SETTLE_SECONDS) -> None:
    """Returns as soon as the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to hold"
        await asyncio.sleep(0.02)


def scalar(database: Database, statement: str, **values: Any) -> Any:
    """One value of one row."""
    from sqlalchemy import text

    with database.begin() as connection:
        return connection.execute(text(statement), values).scalar_one()
