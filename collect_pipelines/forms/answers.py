"""Whether the answers of one response keep the rules of its form version. On the hot path: compiled once per version."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from collect_pipelines.forms.answer_schema import answer_schema
from collect_pipelines.forms.definition import FormDefinition, Question, label_in
from collect_pipelines.forms.messages import say
from collect_pipelines.forms.value_rules import Rule, Violation, rule_of
from collect_pipelines.model import Finding, Severity

__all__ = ["answer_schema", "check_answers"]

MAX_FINDINGS = 100  # nobody reads more; a hostile response could break 100,000 rules
MAX_SHOWN_KEY = 64  # characters of an unknown key in a message
MAX_SUGGESTIONS = 3  # looking for a similar key costs milliseconds in a large form
MAX_SHEETS = 2_000  # form versions kept compiled

_ALWAYS_REJECT = frozenset({"type", "unknown"})
_ALWAYS_FLAG = frozenset({"retired", "choice.retired"})  # old devices still send them; nothing is wrong with the answer


def check_answers(definition: FormDefinition, answers: Mapping[str, Any], language: str | None = None) -> list[Finding]:
    """
    Every rule the answers break, in the order of the form, then unknown questions; at most 100 findings.

    answers: by question key as JSON gave them; None is unanswered. Nothing is coerced: an integer question takes JSON integers only.
    language: for messages and labels. Codes: required, unknown, type, format, choice.unknown, choice.repeated, min, max, min_length,
    max_length, pattern; and as flags retired, choice.retired. `on_violation: flag` of a question turns all but unknown and type into flags.
    """
    found = _sheet(definition).findings(answers, language, "")
    if len(found) > MAX_FINDINGS:
        found = sorted(found, key=lambda finding: finding.severity != "reject")[:MAX_FINDINGS]  # a rejection is never crowded out
    return found


class _Sheet:
    """The compiled rules of one list of answerable questions: of the form, or of a row of a repeat."""

    __slots__ = ("_former", "_order", "_questions", "_required", "_retired", "_rows", "_rules")

    def __init__(self, questions: Sequence[Question]) -> None:
        self._questions = {question.key: question for question in questions}
        self._former = {former: question.key for question in questions for former in question.was}
        self._order = {key: place for place, key in enumerate(self._questions)}
        self._rules: dict[str, Rule] = {key: rule_of(question) for key, question in self._questions.items()}
        self._required = tuple(key for key, question in self._questions.items() if question.required and question.retired is None)
        self._retired = frozenset(key for key, question in self._questions.items() if question.retired is not None)
        self._rows = {key: _Sheet(_opened(question.questions)) for key, question in self._questions.items() if question.type == "repeat"}

    def findings(self, answers: Mapping[str, Any], language: str | None, prefix: str) -> list[Finding]:
        rules = self._rules
        broken: list[tuple[str, tuple[Violation, ...]]] = []
        unknown: list[str] = []
        for key, value in answers.items():
            rule = rules.get(key)
            if rule is None:
                unknown.append(key)
            elif value is not None:
                violations = rule(value)
                if violations:
                    broken.append((key, violations))
        for key in self._required:
            if _unanswered(answers.get(key)):
                broken.append((key, (Violation("required"),)))
        if self._retired:
            broken += [(key, (Violation("retired"),)) for key in self._retired if not _unanswered(answers.get(key))]
        if not (broken or unknown or self._rows):
            return []
        return self._told(answers, broken, unknown, language, prefix)

    def _told(
        self,
        answers: Mapping[str, Any],
        broken: list[tuple[str, tuple[Violation, ...]]],
        unknown: list[str],
        language: str | None,
        prefix: str,
    ) -> list[Finding]:
        placed = [
            (self._order[key], self._finding(key, violation, language, prefix)) for key, violations in broken for violation in violations
        ]
        for key, sheet in self._rows.items():
            rows = answers.get(key)
            if rows and type(rows) is list:
                placed += [(self._order[key], finding) for finding in self._row_findings(key, sheet, rows, language, prefix)]
        placed.sort(key=lambda pair: pair[0])
        return [finding for _, finding in placed] + list(self._unknown(unknown, language, prefix))

    def _row_findings(self, key: str, sheet: "_Sheet", rows: Sequence[Any], language: str | None, prefix: str) -> Iterator[Finding]:
        rejected = 0
        for index, row in enumerate(rows):
            place = f"{prefix}{key}[{index}]"
            if type(row) is dict:
                found = sheet.findings(row, language, f"{place}.")
            else:
                label = label_in(self._questions[key].label, language, key)
                found = [Finding("type", say("type.row", language, {"label": label}), "reject", place, label)]
            yield from found
            rejected += sum(finding.severity == "reject" for finding in found)
            if rejected > MAX_FINDINGS:
                return

    def _finding(self, key: str, violation: Violation, language: str | None, prefix: str) -> Finding:
        question = self._questions[key]
        label = label_in(question.label, language, key)
        name = f"{violation.code}.{violation.variant}" if violation.variant else violation.code
        severity: Severity = question.on_violation
        if violation.code in _ALWAYS_REJECT:
            severity = "reject"
        elif violation.code in _ALWAYS_FLAG:
            severity = "flag"
        return Finding(
            violation.code, say(name, language, {"label": label, **violation.data}), severity, prefix + key, label, violation.data
        )

    def _unknown(self, keys: Sequence[str], language: str | None, prefix: str) -> Iterator[Finding]:
        for index, key in enumerate(keys[: MAX_FINDINGS + 1]):
            shown = key[:MAX_SHOWN_KEY]
            renamed = self._former.get(key)
            near = get_close_matches(shown, self._questions, n=1) if renamed is None and index < MAX_SUGGESTIONS else []
            name = "unknown.renamed" if renamed else "unknown.near" if near else "unknown"
            values = {"label": shown, "near": renamed or (near[0] if near else "")}
            yield Finding("unknown", say(name, language, values), "reject", prefix + shown)


def _unanswered(value: Any) -> bool:
    return value is None or value == [] or (type(value) is str and (not value or value.isspace()))


def _opened(questions: Sequence[Question]) -> list[Question]:
    opened: list[Question] = []
    for question in questions:
        if question.type == "group":
            opened += _opened(question.questions)
        elif question.type != "note":
            opened.append(question)
    return opened


_SHEETS: dict[str, _Sheet] = {}


def _sheet(definition: FormDefinition) -> _Sheet:
    """The compiled rules of the version. Two threads may compile the same one; both results are equal."""
    name = definition.content_hash
    sheet = _SHEETS.get(name)
    if sheet is None:
        sheet = _Sheet(definition.answerable)
        while len(_SHEETS) >= MAX_SHEETS:
            _SHEETS.pop(next(iter(_SHEETS), ""), None)
        _SHEETS[name] = sheet
    return sheet
