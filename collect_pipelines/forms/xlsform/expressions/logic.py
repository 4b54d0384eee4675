"""The expressions of the survey sheet: relevant, constraint, required, choice_filter and repeat_count as fields and rules of ours."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from collect_pipelines.forms.faults import MAX_ROWS
from collect_pipelines.forms.xlsform.expressions.answers import Answers
from collect_pipelines.forms.xlsform.expressions.bounds import bounds_of
from collect_pipelines.forms.xlsform.expressions.canonical import constraint_cell, count_cell, filter_cell, negated
from collect_pipelines.forms.xlsform.expressions.cascades import chosen_by
from collect_pipelines.forms.xlsform.expressions.missing import may_break_without, without_idle_guards
from collect_pipelines.forms.xlsform.expressions.operands import joined
from collect_pipelines.forms.xlsform.expressions.rules import Rules
from collect_pipelines.forms.xlsform.expressions.translation import Translator
from collect_pipelines.forms.xlsform.expressions.writing import xpath_of
from collect_pipelines.forms.xlsform.expressions.xpath import Malformed, Number, Untranslatable, parse
from collect_pipelines.forms.xlsform.findings import Findings
from collect_pipelines.forms.xlsform.sheets.languages import Texts
from collect_pipelines.forms.xlsform.sheets.survey import Item, Survey, truth
from collect_pipelines.rules.nodes import Field, Literal, Node, call, unparse
from collect_pipelines.rules.nodes import field as answer_field

__all__ = ["Logic"]

_KEPT = "it is kept in metadata.xlsform"
Document = dict[str, Any]


@dataclass(slots=True)
class Logic:
    """Reads the expressions of one workbook, question by question, into documents and rules."""

    survey: Survey
    answers: Answers
    texts: Texts
    findings: Findings
    rules: Rules
    _sure: set[str] = field(default_factory=set)
    """Questions that always have an answer, once all rows are read."""
    _later: list[Callable[[], None]] = field(default_factory=list)
    _relevance: dict[Item, Node | None] = field(default_factory=dict)
    """What was understood of `relevant`; None where it was not."""

    def read(self, item: Item, document: Document) -> None:
        """Adds what the expressions of a row say to its document, or to the rules. Groups are read before what is in them."""
        self._relevant(item, document)
        self._required(item, document)
        if item.ours not in ("group", "repeat", "note"):
            self._constraint(item, document)
        else:
            self._idle(item, document, "constraint", f"a {item.ours} has no answer of its own to check")
        if item.kind.list_name:
            self._filter(item, document)
        else:
            self._idle(item, document, "choice_filter", "only selects have choices to filter")
        if item.ours == "repeat":
            self._count(item, document)
        else:
            self._idle(item, document, "repeat_count", "only a repeat has rows to count")

    def _idle(self, item: Item, document: Document, column: str, why: str) -> None:
        """A cell that says nothing in a row of this type: clients pass over it, so it is kept and told."""
        text = self.survey.text(item, column)
        if text:
            self.findings.note(self.survey.cell(item, column), f"is not enforced: {why}; {_KEPT}", text)
            _keep(document, column, text)

    def finish(self, documents: Mapping[Item, Document]) -> None:
        """What can only be told when all rows are read."""
        for item, document in documents.items():
            if document.get("required") and not any("relevant" in documents[one] for one in (item, *item.around())):
                self._sure.add(item.key)
        for one in self._later:
            one()

    def _relevant(self, item: Item, document: Document) -> None:
        text = self.survey.text(item, "relevant")
        if not text:
            return
        try:
            root = Translator(self.answers, None, item.repeats()).condition(parse(text))
            expression = self.rules.checked(root, item.repeats())
        except Untranslatable as exc:
            told = f"{_told(exc)}; {_KEPT}. What it covers counts as asked, and is never required"
            self.findings.note(self.survey.cell(item, "relevant"), told + "; write `relevant` into the form file if it should be", text)
            self._relevance[item] = None
            _keep(document, "relevant", text)
            return
        self._relevance[item] = root
        if root != Literal(True, "boolean"):
            document["relevant"] = expression
        self._keep_unless(document, "relevant", text, lambda: xpath_of(root, self.answers, None))

    def _required(self, item: Item, document: Document) -> None:
        text = self.survey.text(item, "required")
        messages = self.texts.read(self.survey.columns, item.row, "required_message")
        wanted = truth(text)
        if item.ours in ("note", "group", "repeat"):
            if wanted is not False:
                why = "clients let a repeat go without rows" if item.ours == "repeat" else f"a {item.ours} has no answer of its own"
                self._idle(item, document, "required", why)
        elif wanted and not self._is_understood(item):
            self.findings.note(
                self.survey.cell(item, "required"),
                f"is not enforced, because it is not known here when the question is asked; {_KEPT}",
                text,
            )
            _keep(document, "required", text)
        elif wanted:
            document["required"] = True
        elif wanted is None and self._required_if(item, document, text, messages):
            return
        if messages:
            document["required_message"] = messages

    def _required_if(self, item: Item, document: Document, text: str, messages: Mapping[str, str]) -> bool:
        """
        An answer that is required under a condition is a rule: true unless the condition holds and there is none.

        True when the rule has the messages.
        """
        place = self.survey.cell(item, "required")
        try:
            condition = Translator(self.answers, self.answers.by_key[item.key], item.repeats()).condition(parse(text))
            if not self._is_understood(item):
                raise Untranslatable("a question of which it is not known when it is asked")
            relevance = [node for one in (*reversed(list(item.around())), item) if (node := self._relevance.get(one)) is not None]
            parts = [negated(part) for part in (*relevance, condition)]
            own = call("answered", self._own(item))
            said = self.rules.sayable(item, "required_message", messages)
            self.rules.add(item, "required", joined("||", [*parts, own]), said)
            self._keep_unless(document, "required", text, lambda: xpath_of(condition, self.answers, item.key))
        except Untranslatable as exc:
            told = _told(exc) if not text.isalpha() else "is neither yes nor no; write one of them"
            self.findings.note(place, f"{told}; {_KEPT}, and an answer is not required", text)
            _keep(document, "required", text)
            return False
        return said == messages

    def _constraint(self, item: Item, document: Document) -> None:
        text = self.survey.text(item, "constraint") or item.kind.constraint
        messages = self.texts.read(self.survey.columns, item.row, "constraint_message")
        if text:
            try:
                if self._constrain(item, document, text, messages):
                    return
            except Untranslatable as exc:
                told = f"{_told(exc)}; {_KEPT}, and nothing is checked"
                self.findings.note(self.survey.cell(item, "constraint"), told + "; write a rule into the form file if it should be", text)
                _keep(document, "constraint", text)
        if messages:
            document["constraint_message"] = messages

    def _constrain(self, item: Item, document: Document, text: str, messages: Mapping[str, str]) -> bool:
        """True when all of it became a rule, which has the messages then."""
        fields, left = bounds_of(parse(text), str(document["type"]))
        rest = None
        if left:
            translator = Translator(self.answers, self.answers.by_key[item.key], item.repeats())
            parts = [without_idle_guards(translator.condition(part)) for part in left]
            # `. != ''` is never false: without an answer nothing is checked.
            rest = joined("&&", [part for part in parts if unparse(part) != f"answered({item.key})"] or [Literal(True, "boolean")])
            if may_break_without(rest, item.key):
                rest = call("||", call("!", call("answered", self._own(item))), rest)
        said: Mapping[str, str] = {}
        ruled = rest is not None and rest != Literal(True, "boolean")
        if rest is not None and ruled:
            said = self.rules.sayable(item, "constraint_message", messages)
            self.rules.add(item, "constraint", rest, said)
        for name, value in fields.items():
            known = document.get(name)
            low = name.startswith("min")
            document[name] = value if known is None else max(known, value) if low else min(known, value) if name != "pattern" else value
        if self.survey.text(item, "constraint"):
            kind = str(document["type"])

            def ours() -> str:
                return constraint_cell(fields, kind, rest, self.answers, item.key, self._sure)

            self._later.append(lambda: self._keep_unless(document, "constraint", text, ours))
        return ruled and not fields and said == messages

    def _filter(self, item: Item, document: Document) -> None:
        text = self.survey.text(item, "choice_filter")
        if not text or document["type"] == "boolean":
            return
        try:
            document["choices_by"] = chosen_by(text, item, document, self.answers)
            self._keep_unless(document, "choice_filter", text, lambda: filter_cell(document["choices_by"], self.answers))
        except Untranslatable as exc:
            fault = str(exc) if isinstance(exc, Malformed) else f"speaks of {exc}"
            told = f"{fault}; understood is column = ${{question}} and the like. The filter is kept, and all choices are accepted"
            self.findings.note(self.survey.cell(item, "choice_filter"), told, text)
            _keep(document, "choice_filter", text)

    def _count(self, item: Item, document: Document) -> None:
        text = self.survey.text(item, "repeat_count")
        if not text:
            return
        try:
            node = parse(text)
            if isinstance(node, Number) and node.text.isdigit() and 0 < int(node.text) <= MAX_ROWS:
                document["min"] = document["max"] = int(node.text)
                self._keep_unless(
                    document, "repeat_count", text, lambda: count_cell(None, int(node.text), int(node.text), self.answers, item.key)
                )
                return
            wanted = Translator(self.answers, None, item.repeats()).value(node)
            wanted = wanted if wanted.type == "integer" else call("int", wanted) if wanted.type in ("text", "decimal") else wanted
            root = call("==", call("size", answer_field(item.key, "rows")), wanted)
            self.rules.add(item, "count", root, {})
            self._keep_unless(document, "repeat_count", text, lambda: count_cell(root, None, None, self.answers, item.key))
        except (Untranslatable, ValueError) as exc:
            told = f"{_told(exc)}; {_KEPT}, and any number of rows up to {MAX_ROWS:,} is accepted"
            self.findings.note(self.survey.cell(item, "repeat_count"), told, text)
            _keep(document, "repeat_count", text)

    def _keep_unless(self, document: Document, name: str, text: str, ours: Callable[[], str | None]) -> None:
        """Keeps the original beside its translation, unless the translation written back is the original, word for word."""
        try:
            same = ours() == text
        except Untranslatable:
            same = False
        if not same:
            _keep(document, name, text)

    def _own(self, item: Item) -> Field:
        own = self.answers.types(item.repeats()).get(item.key)
        if own is None:
            raise Untranslatable("a question without an answer")
        return answer_field(item.key, own)

    def _is_understood(self, item: Item) -> bool:
        return all(self._relevance.get(one, True) is not None for one in (item, *item.around()))


def _keep(document: Document, name: str, value: Any) -> None:
    document.setdefault("metadata", {}).setdefault("xlsform", {})[name] = value


def _told(exc: ValueError) -> str:
    return str(exc) if isinstance(exc, Malformed) else f"speaks of {exc}, which has no counterpart here"
