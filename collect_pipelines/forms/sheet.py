"""The compiled rules of one list of questions, of the form or of a row of a repeat: what answers break, and in which words."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import Any, NamedTuple

from collect_pipelines.forms.conditions import Broken, Conditions, is_unanswered
from collect_pipelines.forms.constraints import severity_of
from collect_pipelines.forms.definition import FormDefinition, Question, answerable_of, label_in, said_by_author
from collect_pipelines.forms.messages import say
from collect_pipelines.forms.value_rules import Violation, quick_of, rule_of
from collect_pipelines.model import Finding

__all__ = ["MAX_FINDINGS", "Around", "Sheet"]

MAX_FINDINGS = 100  # nobody reads more; a hostile response could break 100,000 rules
MAX_SHOWN_KEY = 64  # characters of an unknown key in a message
MAX_SUGGESTIONS = 3  # looking for a similar key costs milliseconds in a large form

_NOTHING: Mapping[str, Any] = {}


class Around(NamedTuple):
    """What is known besides the answers of a sheet."""

    language: str | None
    now: datetime
    place: str = ""
    """Before the keys: `members[2].` for the answers of a row."""
    values: Mapping[str, Any] = _NOTHING
    """Answers outside the row, as values of rules."""
    asked: bool = True
    """Whether the repeat around a row is relevant; when not, that is told at the repeat, once for all answers in it."""


class Sheet:
    """Made once per form version, then used for every response."""

    __slots__ = ("_conditions", "_fits", "_former", "_labels", "_order", "_questions", "_required", "_retired", "_rows", "_rules")

    def __init__(self, questions: Sequence[Question], form: FormDefinition, labels: Mapping[str, dict[str, str]]) -> None:
        """questions: of the sheet, groups opened. labels: of all questions of the form, by key."""
        self._labels = labels
        self._questions = {question.key: question for question in questions}
        self._former = {former: question.key for question in questions for former in question.was}
        self._order = {key: place for place, key in enumerate(self._questions)}
        self._rules = {key: rule_of(question) for key, question in self._questions.items()}
        self._fits = {key: quick_of(question) for key, question in self._questions.items()}
        always = [question for question in questions if question.key not in form.checked.relevance]
        self._required = tuple(question.key for question in always if question.required and question.retired is None)
        self._retired = frozenset(key for key, question in self._questions.items() if question.retired is not None)
        self._rows = {
            key: Sheet(tuple(answerable_of(one.questions)), form, labels) for key, one in self._questions.items() if one.type == "repeat"
        }
        self._conditions: Conditions = Conditions(questions, form, [sheet._conditions for sheet in self._rows.values()])

    def findings(self, answers: Mapping[str, Any], around: Around) -> list[Finding]:
        """What the answers break, in the order of the form, then unknown questions."""
        broken: list[Broken] = []
        unknown: list[str] = []
        if self._doubts(answers):
            broken, unknown = self._judged(answers)
        for key in self._required:
            if is_unanswered(answers.get(key)):
                broken.append((key, (Violation("required"),)))
        if self._retired:
            broken += [(key, (Violation("retired"),)) for key in self._retired if not is_unanswered(answers.get(key))]
        values = around.values
        if self._conditions:
            values = self._conditions.values(answers, values)
            broken += self._conditions.broken(answers, values, around.now) if around.asked else []
        if not (broken or unknown or self._rows):
            return []
        return self._told(answers, broken, unknown, around._replace(values=values))

    def row_findings(self, key: str, rows: Sequence[Any], answers: Mapping[str, Any], around: Around) -> list[Finding]:
        """What the rows of a repeat break among these answers beside it; of the repeat itself nothing."""
        whole = {**answers, key: rows}
        values = self._conditions.values(whole, around.values)
        broken = self._conditions.broken(whole, values, around.now)
        return list(self._of_rows(key, rows, around._replace(values=values, asked=around.asked and not _is_irrelevant(key, broken))))

    def _doubts(self, answers: Mapping[str, Any]) -> bool:
        """Whether some answer may not be fine by itself; the quick way through for nearly every response."""
        all_fits = self._fits
        for key, value in answers.items():
            fits = all_fits.get(key)
            if fits is None or (value is not None and not fits(value)):
                return True
        return False

    def _judged(self, answers: Mapping[str, Any]) -> tuple[list[Broken], list[str]]:
        """What each answer breaks by itself, and the keys that no question has."""
        broken: list[Broken] = []
        unknown: list[str] = []
        for key, value in answers.items():
            rule = self._rules.get(key)
            if rule is None:
                unknown.append(key)
            elif value is not None:
                violations = rule(value)
                if violations:
                    broken.append((key, violations))
        return broken, unknown

    def _told(self, answers: Mapping[str, Any], broken: Sequence[Broken], unknown: Sequence[str], around: Around) -> list[Finding]:
        placed = [(self._order[key], self._finding(key, violation, around)) for key, violations in broken for violation in violations]
        for key in self._rows:
            rows = answers.get(key)
            if rows and type(rows) is list:
                inside = around._replace(asked=around.asked and not _is_irrelevant(key, broken))
                placed += [(self._order[key], finding) for finding in self._of_rows(key, rows, inside)]
        placed.sort(key=lambda pair: pair[0])
        return [finding for _, finding in placed] + list(self._unknown(unknown, around))

    def _of_rows(self, key: str, rows: Sequence[Any], around: Around) -> Iterator[Finding]:
        rejected = 0
        for index, row in enumerate(rows):
            place = f"{around.place}{key}[{index}]"
            if type(row) is dict:
                found = self._rows[key].findings(row, around._replace(place=f"{place}."))
            else:
                label = label_in(self._questions[key].label, around.language, key)
                found = [Finding("type", say("type.row", around.language, {"label": label}), "reject", place, label)]
            yield from found
            rejected += sum(finding.severity == "reject" for finding in found)
            if rejected > MAX_FINDINGS:
                return

    def _finding(self, key: str, violation: Violation, around: Around) -> Finding:
        question = self._questions[key]
        label = label_in(question.label, around.language, key)
        name = f"{violation.code}.{violation.variant}" if violation.variant else violation.code
        words = {"label": label, **violation.data}
        if "by" in words:
            words["by"] = label_in(self._labels[words["by"]], around.language, words["by"])
        message = said_by_author(question, violation.code, around.language) or say(name, around.language, words)
        return Finding(violation.code, message, severity_of(question, violation.code), around.place + key, label, violation.data)

    def _unknown(self, keys: Sequence[str], around: Around) -> Iterator[Finding]:
        for index, key in enumerate(keys[: MAX_FINDINGS + 1]):
            shown = key[:MAX_SHOWN_KEY]
            renamed = self._former.get(key)
            near = get_close_matches(shown, self._questions, n=1) if renamed is None and index < MAX_SUGGESTIONS else []
            name = "unknown.renamed" if renamed else "unknown.near" if near else "unknown"
            values = {"label": shown, "near": renamed or (near[0] if near else "")}
            yield Finding("unknown", say(name, around.language, values), "reject", around.place + shown)


def _is_irrelevant(key: str, broken: Sequence[Broken]) -> bool:
    return any(one == key and any(violation.code == "irrelevant" for violation in violations) for one, violations in broken)
