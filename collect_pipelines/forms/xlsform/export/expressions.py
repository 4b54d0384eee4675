"""The expressions of a definition as cells of its survey sheet, and what no cell can say."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from collect_pipelines.forms.definition import FormRule, Question
from collect_pipelines.forms.expressions import CheckedRule, check_form
from collect_pipelines.forms.faults import DEFAULT_STARS
from collect_pipelines.forms.xlsform.export.layout import Layout, Written
from collect_pipelines.forms.xlsform.expressions.bounds import BOUNDS
from collect_pipelines.forms.xlsform.expressions.canonical import constraint_cell, count_cell, filter_cell, required_condition
from collect_pipelines.forms.xlsform.expressions.missing import alternatives
from collect_pipelines.forms.xlsform.expressions.writing import xpath_of
from collect_pipelines.forms.xlsform.expressions.xpath import Untranslatable
from collect_pipelines.forms.xlsform.sheets.questions import range_of
from collect_pipelines.rules.nodes import Call, Node, keys
from collect_pipelines.rules.operations import ValueType

__all__ = ["Expressions", "expressions_of"]

LOGIC_COLUMNS = ("relevant", "constraint", "required", "choice_filter", "repeat_count")


@dataclass(slots=True)
class Expressions:
    """Cells by path of the question and column."""

    cells: dict[tuple[str, str], str] = field(default_factory=dict)
    messages: dict[str, dict[str, str]] = field(default_factory=dict)
    """Messages of the rules that became constraints, by path."""
    required_messages: dict[str, dict[str, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def of(self, path: str) -> Iterator[tuple[str, str]]:
        """Column and text of the cells of one question."""
        return ((column, self.cells[path, column]) for column in LOGIC_COLUMNS if (path, column) in self.cells)


def expressions_of(layout: Layout, originals: set[tuple[str, str]]) -> Expressions:
    """
    Every expression of the definition, as far as XPath can say it.

    originals: path and column of the cells that are written as the workbook had them, because they still say the same.
    """
    writer = _Writer(layout, originals)
    writer.relevant()
    writer.rules()
    for item in layout.every():
        writer.item(item)
    return writer.found


class _Writer:
    def __init__(self, layout: Layout, originals: set[tuple[str, str]]) -> None:
        self.layout = layout
        self.originals = originals
        self.found = Expressions()
        self.constraints: dict[str, Node] = {}
        """The rule that becomes the constraint of a question, by path."""
        self.counts: dict[str, Node] = {}
        self.sure = _always_answered(layout.items)
        self.own: dict[str, Node] = {}
        """What a question itself says in `relevant`, by path."""

    def relevant(self) -> None:
        types = check_form(self.layout.definition.questions, ()).types
        for item in self.layout.every():
            text = item.question.relevant
            if text:
                root = _root(text, types)
                self.own[item.path] = root
                try:
                    self.put(item, "relevant", xpath_of(root, self.layout.answers, None))
                except Untranslatable as exc:
                    self.found.notes.append(f"{item.question.key}: `relevant` speaks of {exc}, which XPath does not have")

    def rules(self) -> None:
        checked = check_form(self.layout.definition.questions, self.layout.definition.rules)
        for one in checked.rules:
            reason = self.placed(one)
            if reason:
                self.found.notes.append(f"rule {one.rule.name}: {reason}")

    def placed(self, one: CheckedRule) -> str:
        """Puts a rule into a cell; the reason why it has none otherwise."""
        rule = one.rule
        if one.root is None or rule.placement == "batch":
            return "is judged over many responses or in batches, which a client can't"
        if rule.severity != "reject" or rule.on_missing != "skip":
            return "does not simply send back; a client would, so it is not told"
        named = [item for item in self.layout.every() if item.question.key in one.keys]
        if not named:
            return "is about questions that are not asked any more"
        try:
            if any(self.as_count(item, one.root) for item in named) or any(self.as_required(item, one.root, rule) for item in named):
                return ""
            return self.as_constraint(named[-1], one, rule)
        except Untranslatable as exc:
            return f"speaks of {exc}, which XPath does not have"

    def as_required(self, item: Written, root: Node, rule: FormRule) -> bool:
        around = [self.own[path] for path in _around(item.path) if path in self.own]
        condition = required_condition(root, item.question.key, around)
        if condition is None or item.question.type == "repeat" or (item.path, "required") in self.found.cells or item.question.required:
            return False
        self.put(item, "required", xpath_of(condition, self.layout.answers, item.question.key))
        self.found.required_messages[item.path] = dict(rule.message)
        return True

    def as_count(self, item: Written, root: Node) -> bool:
        if item.question.type != "repeat" or item.path in self.counts or item.question.min is not None:
            return False
        text = count_cell(root, None, None, self.layout.answers, item.question.key)
        if not text:
            return False
        self.counts[item.path] = root
        self.put(item, "repeat_count", text)
        return True

    def as_constraint(self, item: Written, one: CheckedRule, rule: FormRule) -> str:
        """Puts the rule where all its answers are known: a client asks one question after the other. Otherwise the reason."""
        key, root = item.question.key, one.root
        assert root is not None
        if item.question.type == "repeat" or item.repeats != one.repeats:
            return "is not about the question that is asked last"
        if item.path in self.constraints:
            return f"comes after another rule at the question {key}, which has one constraint only"
        if any(isinstance(part, Call) and part.name == "answered" and keys(part) == (key,) for part in alternatives(root)):
            return "wants an answer under a condition that XLSForm has no column for"
        constraint_cell({}, item.question.type, root, self.layout.answers, key, self.sure)  # raises when it can't be said
        self.constraints[item.path] = root
        self.found.messages[item.path] = dict(rule.message)
        return ""

    def item(self, item: Written) -> None:
        question = item.question
        if question.type not in ("group", "repeat", "note"):
            rule = self.constraints.get(item.path)
            text = constraint_cell(bounds_to_write(item), question.type, rule, self.layout.answers, question.key, self.sure)
            self.put(item, "constraint", text)
        if question.required and question.type != "repeat" and question.on_violation == "reject":
            self.put(item, "required", "yes")
        if question.choices_by:
            self.put(item, "choice_filter", filter_cell(question.choices_by, self.layout.answers) or "")
        if question.type == "repeat" and item.path not in self.counts and question.on_violation == "reject":
            self.put(item, "repeat_count", count_cell(None, question.min, question.max, self.layout.answers, question.key))
        for column in LOGIC_COLUMNS:
            original = item.kept.get(column)
            if isinstance(original, str) and (item.path, column) in self.originals:
                self.found.cells[item.path, column] = original

    def put(self, item: Written, column: str, text: str) -> None:
        if text:
            self.found.cells[item.path, column] = text


def _always_answered(items: tuple[Written, ...]) -> frozenset[str]:
    """Keys of the questions that a client does not let go without an answer."""
    found: set[str] = set()
    for item in items:
        if item.question.relevant is None:
            if item.question.required and item.question.on_violation == "reject":
                found.add(item.question.key)
            found |= _always_answered(item.children)
    return frozenset(found)


def bounds_to_write(item: Written) -> dict[str, object]:
    """The bounds that a constraint has to say: not those that flag, and not those that a range says by its parameters."""
    question = item.question
    if question.on_violation != "reject":
        return {}
    said = {}
    if is_range(item):
        said = range_of(range_parameters(question, item.kept), str(item.kept.get("appearance", ""))) or {}
    return {name: value for name in BOUNDS if (value := getattr(question, name)) is not None and said.get(name) != value}


def is_range(item: Written) -> bool:
    """Whether the question is written as a range: those of an import, and ratings of at least two steps, as pyxform wants it."""
    question = item.question
    if question.type == "rating":
        low, high = 1 if question.min is None else question.min, DEFAULT_STARS if question.max is None else question.max
        return high > low  # type: ignore[operator]
    return question.type in ("integer", "decimal") and item.kept.get("type") == "range"


def range_parameters(question: Question, kept: dict[str, object]) -> str:
    """The parameters of a range: those of the workbook when they still say the bounds."""
    original = kept.get("parameters")
    if isinstance(original, str) or (kept.get("type") == "range" and original is None):
        read = range_of(str(original or ""), str(kept.get("appearance", "")))
        if read and (read["min"], read["max"]) == (question.min, question.max):
            return str(original or "")
    low = question.min if question.min is not None else 1
    high = question.max if question.max is not None else (DEFAULT_STARS if question.type == "rating" else max(10, int(float(low)) + 10))
    return f"start={low} end={high} step=1"


def _around(path: str) -> list[str]:
    """Paths of the groups around a question, outermost first, and its own."""
    parts = path.split("/")
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]


def _root(text: str, types: Mapping[str, ValueType]) -> Node:
    from collect_pipelines.rules.language import check

    return check(text, types).root
