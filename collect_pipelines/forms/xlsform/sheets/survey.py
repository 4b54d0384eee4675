"""The rows of the survey sheet as a tree: groups and repeats closed, types known, every row with its name."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from collect_pipelines.forms.faults import MAX_DEPTH
from collect_pipelines.forms.xlsform.files.book import Row
from collect_pipelines.forms.xlsform.findings import Cell, Findings
from collect_pipelines.forms.xlsform.sheets.headers import Columns
from collect_pipelines.forms.xlsform.sheets.kinds import Kind, kind_of, suggestion

__all__ = ["YES", "Item", "Survey", "read_survey", "walk"]

YES = frozenset({"yes", "true", "true()", "1"})
NO = frozenset({"no", "false", "false()", "0", ""})


@dataclass(eq=False, slots=True)
class Item:
    """One row that becomes a question, group or repeat."""

    row: Row
    name: str
    written: str
    """The type as it stands in the sheet."""
    kind: Kind
    path: str
    """Names of the groups around it and its own, joined by `/`."""
    parent: "Item | None" = None
    children: list["Item"] = field(default_factory=list)
    key: str = ""

    def __post_init__(self) -> None:
        if self.parent is not None:
            self.parent.children.append(self)

    @property
    def ours(self) -> str:
        """Our question type."""
        return self.kind.ours

    def around(self) -> Iterator["Item"]:
        """The groups and repeats it is in, innermost first."""
        if self.parent is not None:
            yield self.parent
            yield from self.parent.around()

    def repeats(self) -> tuple[str, ...]:
        """Keys of the repeats around it, outermost first."""
        return tuple(item.key for item in reversed(list(self.around())) if item.ours == "repeat")


@dataclass(slots=True)
class Survey:
    """The survey sheet."""

    columns: Columns
    items: list[Item] = field(default_factory=list)
    """The outermost ones."""
    external: list[Item] = field(default_factory=list)
    """Rows that only name a file of data."""

    def every(self) -> list[Item]:
        """All items, groups before what is inside."""
        return list(walk(self.items))

    def cell(self, item: Item, column: str) -> Cell:
        """The place of a cell in the item's row."""
        return self.columns.cell(item.row, column)

    def text(self, item: Item, column: str) -> str:
        """The text of a cell in the item's row; blank when there is none."""
        return self.columns.text(item.row, column)


def walk(items: list[Item]) -> Iterator[Item]:
    """The items and all inside them, in order of their rows."""
    for item in items:
        yield item
        yield from walk(item.children)


def read_survey(columns: Columns, findings: Findings) -> Survey:
    """The tree of the survey sheet; rows that can't be used are faults, rows that are only remarks are notes."""
    survey = Survey(columns)
    open_items: list[Item] = []
    for row in columns.sheet:
        written = columns.text(row, "type")
        if columns.text(row, "disabled").lower() in YES:
            findings.note(columns.cell(row, "disabled"), "the row is disabled and left out")
        elif not written:
            _without_type(row, columns, findings)
        elif (kind := _kind(written, row, columns, findings)) is not None:
            _place(row, written, kind, survey, open_items, findings)
    for item in reversed(open_items):
        findings.fault(survey.cell(item, "type"), f"{item.written} `{item.name}` is not closed; add a row of type end_{item.ours}")
    return survey


def _without_type(row: Row, columns: Columns, findings: Findings) -> None:
    place = Cell(columns.sheet.name, row.number, columns.header("type"))
    if columns.text(row, "name") or any(columns.texts(row, "label")):
        findings.fault(place, f"is blank; write a type, e.g. text{'' if columns.has('type') else ', into a column named type'}")
    else:
        findings.note(place, "the row has no type, name or label and is left out", next(iter(row.cells.values())))


def _kind(written: str, row: Row, columns: Columns, findings: Findings) -> Kind | None:
    kind = kind_of(written)
    place = columns.cell(row, "type")
    if kind is None:
        findings.fault(place, f"`{written[:60]}` is no type of XLSForm{suggestion(written)}")
    elif kind.ours == "refused":
        findings.fault(place, f"`{written[:60]}` {kind.note}")
        return None
    elif kind.note:
        findings.note(place, f"`{columns.text(row, 'name')[:60]}` {kind.note}", written)
    return kind


def _place(row: Row, written: str, kind: Kind, survey: Survey, open_items: list[Item], findings: Findings) -> None:
    if kind.ours.startswith("end "):
        _close(row, kind, survey, open_items, findings)
        return
    name = _name(row, written, survey.columns)
    if not name:
        findings.fault(Cell("survey", row.number, survey.columns.header("name")), f"is blank; give the {written[:60]} a name")
        return
    parent = open_items[-1] if open_items else None
    if kind.ours == "external":
        survey.external.append(Item(row, name, written, kind, name))
        return
    path = f"{parent.path}/{name}" if parent else name
    item = Item(row, name, written, kind, path, parent)
    if parent is None:
        survey.items.append(item)
    if kind.ours in ("group", "repeat"):
        open_items.append(item)
    if (len(open_items) > MAX_DEPTH - 1 and kind.ours not in ("group", "repeat")) or len(open_items) > MAX_DEPTH:
        findings.fault(survey.cell(item, "type"), f"`{name}` is nested deeper than {MAX_DEPTH} levels; flatten the groups")


def _name(row: Row, written: str, columns: Columns) -> str:
    """The name of the row; pyxform gives notes without one a name of their row, and an audit is always called audit."""
    name = columns.text(row, "name")
    if not name and written == "note":
        return f"generated_note_name_{row.number}"
    return name or ("audit" if written == "audit" else "")


def _close(row: Row, kind: Kind, survey: Survey, open_items: list[Item], findings: Findings) -> None:
    ours = kind.ours.removeprefix("end ")
    if open_items and open_items[-1].ours == ours:
        item = open_items.pop()
        if not item.children:
            findings.fault(survey.cell(item, "name"), f"the {ours} `{item.name}` has nothing in it; remove it, or put questions into it")
        return
    place = survey.columns.cell(row, "type")
    if open_items:
        last = open_items[-1]
        findings.fault(place, f"closes a {ours}, but the last one open is the {last.ours} `{last.name}` of row {last.row.number}")
        if any(item.ours == ours for item in open_items):
            while open_items.pop().ours != ours:
                pass
    else:
        findings.fault(place, f"closes a {ours}, but none is open; remove the row, or add its begin_{ours}")


def truth(text: str) -> bool | None:
    """What a cell of the columns required and read_only says when it is no expression."""
    word = text.strip().lower()
    return True if word in YES else False if word in NO else None
