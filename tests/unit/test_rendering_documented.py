"""docs/rendering.md is the table people build on: every question type, with the types the code has."""

from pathlib import Path
from typing import get_args

from collect_pipelines.forms.definition import QuestionType
from collect_pipelines.validation.values import VALUE_TYPES

DOCUMENT = Path(__file__).parents[2] / "docs" / "rendering.md"


def test_every_question_type_has_a_line_with_its_type() -> None:
    lines = [line.split("|") for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    typed = {cells[1].strip(" `"): cells[2].strip() for cells in lines}

    assert typed.keys() == set(get_args(QuestionType)) - {"note", "group"}
    for kind, shown in typed.items():
        wanted = VALUE_TYPES.get(kind)
        assert shown.startswith("String" if wanted is None else type(wanted).__name__), kind
