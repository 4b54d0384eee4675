"""Our own sheet `collect`: what a definition has and XLSForm has no place for, written on export and put back on import."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from collect_pipelines.forms.xlsform.book import Row, Sheet
from collect_pipelines.forms.xlsform.findings import Cell, Findings

__all__ = ["HEADERS", "Additions", "additions_of", "read_own_sheet"]

HEADERS = ("part", "name", "field", "value")
MAX_CELL = 32_000  # characters; a cell of an XLSX file holds 32,767
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
