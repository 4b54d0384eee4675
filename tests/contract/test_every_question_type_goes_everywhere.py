"""docs/question-types.md tells what happens to every question type at every station, and it is what happens."""

from pathlib import Path
from typing import get_args

from collect_pipelines.forms.definition import QuestionType
from collect_pipelines.store.database import Database
from tests.contract.question_types import QUESTIONS, page

DOCUMENT = Path(__file__).parents[2] / "docs" / "question-types.md"


def test_every_question_type_has_its_lines() -> None:
    assert set(QUESTIONS) == set(get_args(QuestionType))


def test_the_page_tells_what_happens(database: Database, tmp_path: Path) -> None:
    assert DOCUMENT.read_text("utf-8") == page(database, tmp_path), "run `make docs` and read what changed"
