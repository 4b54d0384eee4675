"""Whether the answers of one response keep the rules of its form version. On the hot path: compiled once per version."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from collect_pipelines.forms.answer_schema import answer_schema
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.forms.sheet import MAX_FINDINGS, Around, Sheet
from collect_pipelines.model import Finding

__all__ = ["answer_schema", "check_answers", "check_rows"]

MAX_SHEETS = 2_000  # form versions kept compiled


def check_answers(
    definition: FormDefinition, answers: Mapping[str, Any], language: str | None = None, now: datetime | None = None
) -> list[Finding]:
    """
    Every rule the answers break, in the order of the form, then unknown questions; at most 100 findings.

    answers: by question key as JSON gave them; None is unanswered. Nothing is coerced: an integer question takes JSON integers only.
    language: for messages and labels. now: the moment of acceptance, for `relevant` that names today() or now().
    Codes: required, unknown, type, format, choice.unknown, choice.repeated, choice.filtered, min, max, min_length, max_length, pattern;
    and as flags irrelevant, retired, choice.retired. `on_violation: flag` of a question turns all but unknown and type into flags.
    """
    found = _sheet(definition).findings(answers, Around(language, now or datetime.now(UTC)))
    if len(found) > MAX_FINDINGS:
        found = sorted(found, key=lambda finding: finding.severity != "reject")[:MAX_FINDINGS]  # a rejection is never crowded out
    return found


def check_rows(definition: FormDefinition, key: str, rows: Sequence[Any], answers: Mapping[str, Any], now: datetime) -> list[Finding]:
    """
    What `check_answers` says about the rows of one repeat, told with places such as `members[2].age`; of the repeat itself nothing.

    key: of a repeat that is in no other. answers: those beside the repeat that its questions look at.
    """
    return _sheet(definition).row_findings(key, rows, answers, Around(None, now))


_SHEETS: dict[str, Sheet] = {}


def _sheet(definition: FormDefinition) -> Sheet:
    """The compiled rules of the version. Two threads may compile the same one; both results are equal."""
    name = definition.content_hash
    sheet = _SHEETS.get(name)
    if sheet is None:
        sheet = Sheet(definition.answerable, definition, {key: question.label for key, question in definition.every.items()})
        while len(_SHEETS) >= MAX_SHEETS:
            _SHEETS.pop(next(iter(_SHEETS), ""), None)
        _SHEETS[name] = sheet
    return sheet
