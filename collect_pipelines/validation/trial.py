"""What the rules of a form would have said about responses that exist already: counted, with the first of them, and nothing is stored."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import polars as pl

from collect_pipelines.errors import NotFound
from collect_pipelines.forms.columns import column_name
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.model import Severity
from collect_pipelines.validation.batch_rules import measured
from collect_pipelines.validation.compile import compile_rules
from collect_pipelines.validation.profiles import Profile, joined
from collect_pipelines.validation.uniques import Register, uniques_of
from collect_pipelines.validation.whole import UNJUDGED, Whole, log_entries, over_many

__all__ = ["Example", "Trial", "Tried"]

MOST_EXAMPLES = 10
ONLY_VERSION = 0  # every response is judged by the definition on trial, whatever version it answered
ERROR = ".error"


@dataclass(frozen=True, slots=True)
class Example:
    """A response that breaks a rule."""

    response_id: str
    values: Mapping[str, str | None]
    """Its answers to the questions concerned, as the log stores them."""


@dataclass(slots=True)
class Tried:
    """How one rule fared."""

    name: str
    severity: Severity
    questions: tuple[str, ...]
    broken: int = 0
    examples: list[Example] = field(default_factory=list)
    """The first ten."""
    note: str | None = None
    """Why it was not tried, or within what limits."""


class Trial:
    """Give it frames in the order of the log, then ask for the result. Memory grows with the values of rules `unique` only."""

    def __init__(self, definition: FormDefinition, rule: str | None = None) -> None:
        """rule: only this one, as `age.max`, `rule.<name>` or just its name. Raises NotFound when the form has no such rule."""
        self.responses = 0
        self.rejected = 0
        """Responses that at least one of the rules would have sent or held back."""
        self._definition = definition
        self._rules = compile_rules(definition)
        self._uniques = uniques_of(definition)
        self._register = Register(self._uniques, {}, {})
        self._profile = Profile()
        wanted = {rule, f"rule.{rule}", f"rule.{rule}{ERROR}"}
        self._tried = {tried.name: tried for tried in self._all() if rule is None or tried.name in wanted}
        if not self._tried:
            raise NotFound(f"The form {definition.form} has no rule {rule}.", fix=f"`collect rules list {definition.form}` names them.")

    def add(self, frame: pl.DataFrame) -> None:
        """More entries of the log, answers as texts under column names. A deletion frees what the response held of unique values."""
        frame = frame.with_columns(_version=pl.lit(ONLY_VERSION, pl.Int64))
        judged = frame.filter(~pl.col("_operation").is_in(UNJUDGED))
        positions = judged["_position"].to_list()
        violations = self._rules.violations(judged)
        held = {positions[row] for rule in self._rules.rules if rule.severity == "reject" for row in violations[rule.name]}
        rejected = {position for name, rows in violations.items() for position in self._note(name, judged, rows)}
        for name, rows in self._weighed(frame, held).items():
            rejected |= set(self._note(name, frame, rows))
        self.responses += judged.height
        self.rejected += len(rejected)

    def result(self) -> list[Tried]:
        """Every rule that was to be tried, in the order of the form; where a rule can't be judged only when that happened."""
        for rule in over_many(self._definition):
            if rule.kind == "complete" and f"rule.{rule.name}" in self._tried:
                self._tried[f"rule.{rule.name}"].note = measured(rule, self._definition, [self._profile]).sentence
        return [tried for tried in self._tried.values() if tried.broken or not tried.name.endswith(ERROR)]

    def _all(self) -> Iterator[Tried]:
        for rule in self._rules.rules:
            questions = tuple(one["question"] for one in rule.data.get("questions", ())) or (rule.question,)
            yield Tried(rule.name, rule.severity, questions)
        for rule_ in self._uniques.values():
            yield Tried(f"rule.{rule_.name}", rule_.severity, rule_.unique, note="compared among these responses only")
        for rule_ in over_many(self._definition):
            questions = tuple(key for key in (rule_.complete, rule_.distribution) if key)
            yield Tried(f"rule.{rule_.name}", rule_.severity, questions, note="not tried: it compares batches as they arrive")

    def _weighed(self, frame: pl.DataFrame, held: set[int]) -> dict[str, list[int]]:
        """Rows that share answers with an earlier one, by name of the rule; what is let through is added to the profile."""
        versions = {ONLY_VERSION: self._definition}
        whole = Whole(versions, frame, log_entries(self._uniques, versions, frame, held), self._register)
        names = {unique.key: f"rule.{unique.name}" for unique in self._uniques}
        found = {names[key]: rows for key, rows in whole.failing().items()}
        self._profile = joined([whole.profile, self._profile])
        return found

    def _note(self, name: str, frame: pl.DataFrame, rows: list[int]) -> list[int]:
        """Counts the rows; returns the positions of those that would have been rejected."""
        tried = self._tried.get(name)
        if tried is None or not rows:
            return []
        tried.broken += len(rows)
        tried.examples += [self._example(tried, frame, row) for row in rows[: MOST_EXAMPLES - len(tried.examples)]]
        return frame["_position"].gather(rows).to_list() if tried.severity == "reject" else []

    def _example(self, tried: Tried, frame: pl.DataFrame, row: int) -> Example:
        named = ((key, self._definition.by_key.get(key)) for key in tried.questions)
        columns = {key: column_name(question) for key, question in named if question is not None}
        return Example(frame["_response_id"][row], {key: frame[name][row] for key, name in columns.items() if name in frame.columns})
