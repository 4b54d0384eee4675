"""Our own sheet `collect`: what a definition has and XLSForm has no place for, written on export and put back on import."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from collect_pipelines.forms.faults import Place
from collect_pipelines.forms.xlsform.files.book import Row, Sheet
from collect_pipelines.forms.xlsform.files.writing import MAX_CELL
from collect_pipelines.forms.xlsform.findings import Cell, Findings
from collect_pipelines.forms.xlsform.sheets.survey import Item

__all__ = ["HEADERS", "Additions", "additions_of", "patched_choices", "patched_form", "patched_questions", "read_own_sheet"]

HEADERS = ("part", "name", "field", "value")
CONTINUED = "..."
PARTS = frozenset({"form", "question", "retired question", "choice", "rule", CONTINUED})

Document = dict[str, Any]


@dataclass(slots=True)
class Additions:
    """Values to put over what the other sheets say; None takes a field away."""

    form: dict[str, Any] = field(default_factory=dict)
    questions: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By path of names: `people/children/child_age`."""
    choices: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By path of the question: changes by code; a choice that is not offered has `at`, its place."""
    hidden: list[Document] = field(default_factory=list)
    """Retired questions: `inside` (path of names, blank at the top), `at` and `question`."""
    rules: list[Document] | None = None
    """Every rule in order: a whole one, or `like` with the name of the one that the survey sheet gives, and `set`."""

    def __bool__(self) -> bool:
        return bool(self.form or self.questions or self.choices or self.hidden or self.rules is not None)


def additions_of(additions: Additions) -> Sheet:
    """The sheet; a value longer than a cell goes on in the rows below."""
    rows: list[Row] = []
    for part, name, label, value in _lines(additions):
        text = json.dumps(value, ensure_ascii=True, sort_keys=False)
        for at in range(0, len(text), MAX_CELL):
            head = (part, name, label) if at == 0 else (CONTINUED, "", "")
            cells = dict(zip(HEADERS, (*head, text[at : at + MAX_CELL]), strict=True))
            rows.append(Row(len(rows) + 2, {header: cell for header, cell in cells.items() if cell}))
    return Sheet("collect", HEADERS, tuple(rows))


def _lines(additions: Additions) -> Iterator[tuple[str, str, str, Any]]:
    for name, value in additions.form.items():
        yield "form", "", name, value
    for path, fields in additions.questions.items():
        for name, value in fields.items():
            yield "question", path, name, value
    for path, codes in additions.choices.items():
        for code, value in codes.items():
            yield "choice", path, code, value
    for hidden in additions.hidden:
        yield "retired question", hidden["inside"], str(hidden["at"]), hidden["question"]
    if additions.rules is not None:
        for number, rule in enumerate(additions.rules, start=1):
            yield "rule", str(rule.get("name") or rule.get("like", "")), str(number), rule


def read_own_sheet(sheet: Sheet, findings: Findings) -> Additions:
    """What the sheet says; rows that can't be read are faults."""
    additions = Additions()
    for row, cells, text in _joined(sheet.rows):
        part, name, label = (cells.get(header, "") for header in HEADERS[:3])
        place = Cell("collect", row, "value")
        if part not in PARTS:
            findings.fault(Cell("collect", row, "part"), f"`{part[:40]}` is not known; this sheet is written by export, leave it as it was")
            continue
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            findings.fault(place, "is not as export wrote it; export the form again, or remove the row")
            continue
        if not _put(additions, part, name, label, value):
            findings.fault(place, "does not fit its row; export the form again, or remove the row")
    return additions


def _joined(rows: Iterable[Row]) -> Iterator[tuple[int, Mapping[str, str], str]]:
    waiting: tuple[int, Mapping[str, str], str] | None = None
    for row in rows:
        text = row.cells.get("value", "")
        if row.cells.get("part") == CONTINUED and waiting:
            waiting = (waiting[0], waiting[1], waiting[2] + text)
            continue
        if waiting:
            yield waiting
        waiting = (row.number, row.cells, text)
    if waiting:
        yield waiting


def _put(additions: Additions, part: str, name: str, label: str, value: Any) -> bool:
    """False when the value has not the shape that its part needs."""
    if part == "form":
        additions.form[label] = value
    elif part == "question":
        additions.questions.setdefault(name, {})[label] = value
    elif part == "choice" and isinstance(value, dict):
        additions.choices.setdefault(name, {})[label] = value
    elif part == "retired question" and isinstance(value, dict) and label.isdigit():
        additions.hidden.append({"inside": name, "at": int(label), "question": value})
    elif part == "rule" and isinstance(value, dict):
        additions.rules = [*(additions.rules or []), value]
    else:
        return False
    return True


Plain = Callable[[str], str]
"""An expression without the freedom of writing it, so that blanks and parentheses that say nothing are no difference."""


def patched_choices(choices: Sequence[Document], changes: Mapping[str, Mapping[str, Any]]) -> list[Document]:
    """The choices with what is added to them, those that are not offered at their places."""
    found = [_patched(choice, changes.get(choice["code"], {})) for choice in choices]
    there = {choice["code"] for choice in choices}
    for code, change in changes.items():
        at = change.get("at")
        if code not in there and isinstance(at, int):
            found.insert(at, {"code": code, **{name: value for name, value in change.items() if name != "at"}})
    return found


def patched_questions(
    questions: Sequence[Document], items: Sequence[Item], added: Additions, findings: Findings
) -> tuple[list[Document], dict[Place, Item]]:
    """The questions with what is added to them, and where each comes from."""
    places: dict[Place, Item] = {}
    paths: set[str] = {""}
    found = _level(questions, items, added, ("questions",), places, paths)
    for path in added.questions:
        if path not in paths:
            findings.note(Cell("collect"), f"speaks of the question {path}, which is not in the survey sheet; the row is not used")
    return found, places


def _level(
    questions: Sequence[Document], items: Sequence[Item], added: Additions, place: Place, places: dict[Place, Item], paths: set[str]
) -> list[Document]:
    inside = items[0].parent.path if items and items[0].parent else ""
    hidden = [one for one in added.hidden if one["inside"] == inside]
    where: list[tuple[Document, Item | None]] = list(zip(questions, items, strict=True))
    for one in hidden:
        where.insert(one["at"], (one["question"], None))
    found: list[Document] = []
    for index, (document, item) in enumerate(where):
        if item is None:
            found.append(document)
            continue
        here = (*place, index)
        places[here] = item
        paths.add(item.path)
        patch = {name: value for name, value in added.questions.get(item.path, {}).items() if name not in ("key", "type")}
        whole = _patched(document, patch)
        if item.children:
            whole["questions"] = _level(document["questions"], item.children, added, (*here, "questions"), places, paths)
        found.append(whole)
    return found


def patched_form(document: Document, added: Additions, plain: Plain, findings: Findings) -> Document:
    """The form with what is added to it and its rules in their order."""
    whole = _patched(document, {name: value for name, value in added.form.items() if name != "rules"})
    if added.rules is not None:
        whole["rules"] = _rules(document.get("rules", []), added.rules, plain, findings)
    if not whole.get("rules"):
        whole.pop("rules", None)
    return whole


def _rules(given: Sequence[Document], wanted: Sequence[Document], plain: Plain, findings: Findings) -> list[Document]:
    by_name = {rule["name"]: rule for rule in given}
    found: list[Document] = []
    for rule in wanted:
        like = rule.get("like")
        if like is None and "drop" in rule:
            by_name.pop(str(rule["drop"]), None)
        elif like is None:
            found.append(rule)
        elif like in by_name:
            found.append(_refined(by_name.pop(like), rule.get("set", {}), plain))
        else:
            findings.note(Cell("collect"), f"refines the rule {like}, which the survey sheet does not give any more; the rule is left out")
    return [*found, *by_name.values()]


def _refined(rule: Document, changes: Mapping[str, Any], plain: Plain) -> Document:
    """The rule of the survey sheet under the author's own name and words; its expression only as long as it still says the same."""
    text = changes.get("expression")
    same = isinstance(text, str) and plain(text) == plain(rule["expression"])
    return _patched(rule, {name: value for name, value in changes.items() if name != "expression" or same})


def _patched(document: Mapping[str, Any], changes: Mapping[str, Any]) -> Document:
    whole = dict(document)
    for name, value in changes.items():
        if name == "metadata" and isinstance(value, dict):
            # What the workbook itself says stays, unless the author took it out: then it is null here.
            metadata = {**{part: whole.get(name, {})[part] for part in ("xlsform",) if part in whole.get(name, {})}, **value}
            whole[name] = {part: item for part, item in metadata.items() if part != "xlsform" or item is not None}
            if not whole[name]:
                del whole[name]
        elif value is None:
            whole.pop(name, None)
        else:
            whole[name] = value
    return whole
