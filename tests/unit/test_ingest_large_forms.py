"""A form of thousands of choices costs other forms no time: it is made ready beside the event loop, and not looked at for garbage."""

import asyncio
import gc
from typing import cast

from collect_pipelines.forms import answers
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.ingest.forms import FormBook, FormVersion
from collect_pipelines.ingest.threads import StoreThreads
from collect_pipelines.store.keys import ApiKey
from tests.unit.ingest_fakes import NOW, FakeThreads

CHOICES = [{"code": f"c{number}", "label": f"Choice {number}"} for number in range(20)]
QUESTIONS = [{"key": f"q{number}", "type": "select_one", "label": "Q", "choices": CHOICES} for number in range(50)]


def large() -> FormDefinition:
    return FormDefinition.model_validate({"form": "large", "title": "Large", "questions": QUESTIONS})


async def opened(definition: FormDefinition) -> FormVersion:
    book = FormBook(cast(StoreThreads, FakeThreads(definition)))
    key = ApiKey(1, 1, "default", "test", "cp_live_", frozenset({"ingest"}), NOW, None, None, NOW)
    return await book.version(key, await book.open(key, "small"), None)


def test_a_large_form_is_compiled_before_its_first_response_and_not_by_it() -> None:
    definition = large()
    answers._SHEETS.pop(definition.content_hash, None)

    asyncio.run(opened(definition))

    assert definition.content_hash in answers._SHEETS


def test_garbage_is_not_looked_for_among_the_forms_that_are_served() -> None:
    definition = large()
    before = gc.get_freeze_count()

    asyncio.run(opened(definition))
    frozen = gc.get_freeze_count()
    gc.unfreeze()

    assert frozen - before > len(QUESTIONS) * len(CHOICES)
