"""The check that always runs, first and in line: types, required, choices, bounds, lengths and patterns of the form."""

from collections.abc import Sequence
from typing import ClassVar

from collect_pipelines.checks.interface import Check, Draft, References
from collect_pipelines.forms.answers import check_answers
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.model import Finding

__all__ = ["AnswersCheck"]


class AnswersCheck(Check):
    """What the form itself says about its answers."""

    kind: ClassVar[str] = "answers"
    bounded: ClassVar[bool] = True

    def prepare(self, form: FormDefinition, references: References) -> None:
        """Compiles the rules of all questions: some 100 ms for hundreds of them."""
        check_answers(form, {})

    def check(self, response: Draft, form: FormDefinition) -> Sequence[Finding]:
        """See `check_answers`."""
        return check_answers(form, response.answers, response.language)
