"""The lists of the choices sheet: choices with labels, attributes from the other columns, and media kept for the way back."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from collect_pipelines.forms.faults import CODE, MAX_CHOICES
from collect_pipelines.forms.fields import MAX_ATTRIBUTE
from collect_pipelines.forms.xlsform.files.book import Row
from collect_pipelines.forms.xlsform.findings import Cell, Findings
from collect_pipelines.forms.xlsform.sheets.headers import Columns
from collect_pipelines.forms.xlsform.sheets.languages import Texts

__all__ = ["ChoiceList", "read_lists"]

MEDIA = ("media::image", "media::big-image", "media::audio", "media::video")


@dataclass(slots=True)
class _Choice:
    row: Row
    code: str
    label: dict[str, str]
    attributes: dict[str, dict[str, None]]
    """Values by column, in order."""
    media: dict[str, dict[str, str]]


@dataclass(slots=True)
class ChoiceList:
    """One list."""

    name: str
    choices: list[dict[str, Any]] = field(default_factory=list)
    """As a question has them."""
    media: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)
    """Pictures and sounds by code, column and language."""


def read_lists(columns: Columns, texts: Texts, duplicates: bool, findings: Findings) -> dict[str, ChoiceList]:
    """The lists by name. duplicates: a code may be there several times, with different values in one of the other columns."""
    rows: dict[str, list[Row]] = {}
    for row in columns.sheet:
        name = columns.text(row, "list_name")
        if name:
            rows.setdefault(name, []).append(row)
        elif columns.text(row, "name"):
            findings.fault(Cell(columns.sheet.name, row.number, columns.header("list_name")), "is blank; write the name of the list")
    return {name: _list(name, found, columns, texts, duplicates, findings) for name, found in rows.items()}


def _list(name: str, rows: Sequence[Row], columns: Columns, texts: Texts, duplicates: bool, findings: Findings) -> ChoiceList:
    place = columns.cell(rows[0], "list_name")
    if len(rows) > MAX_CHOICES and not duplicates:
        findings.fault(
            place, f"the list `{name[:60]}` has {len(rows):,} choices, at most {MAX_CHOICES:,} are possible; ask for text instead"
        )
        return ChoiceList(name)
    read = [choice for row in rows if (choice := _choice(row, columns, texts, findings))]
    kept: dict[str, _Choice] = {}
    for choice in read:
        known = kept.setdefault(choice.code, choice)
        if known is not choice:
            _merge(known, choice, columns, duplicates, findings)
    blank = [choice for choice in kept.values() if not choice.label]
    if blank:
        told = f"{len(blank)} of {len(kept)} choices of the list `{name[:60]}` have no label; their names stand for it"
        findings.note(Cell(columns.sheet.name, blank[0].row.number, columns.header("label")), told)
    return ChoiceList(
        name,
        [_document(choice) for choice in kept.values()],
        {choice.code: choice.media for choice in kept.values() if choice.media},
    )


def _choice(row: Row, columns: Columns, texts: Texts, findings: Findings) -> _Choice | None:
    code = columns.text(row, "name")
    place = Cell(columns.sheet.name, row.number, columns.header("name"))
    if not CODE.fullmatch(code):
        findings.fault(place, _bad_code(code))
        return None
    media = {name: found for name in MEDIA if (found := texts.read(columns, row, name))}
    attributes: dict[str, dict[str, None]] = {}
    for column in columns.others():
        text = row.cells.get(column.header, "")
        if len(text) > MAX_ATTRIBUTE or len(column.header) > MAX_ATTRIBUTE:
            findings.fault(
                Cell(columns.sheet.name, row.number, column.header[:80]), f"has more than {MAX_ATTRIBUTE} characters; shorten it"
            )
        elif text:
            attributes[column.header] = {text: None}
    return _Choice(row, code, texts.read(columns, row, "label"), attributes, media)


def _bad_code(code: str) -> str:
    if not code:
        return "is blank; every choice needs a name, which is what is stored"
    better = "_".join("".join(letter if letter not in ",;|" else " " for letter in code).split())[:64]
    return f"`{code[:80]}` has more than 64 characters, or a space, `,`, `;` or `|`" + (
        f"; write {better}" if CODE.fullmatch(better) else ""
    )


def _merge(known: _Choice, choice: _Choice, columns: Columns, duplicates: bool, findings: Findings) -> None:
    """The same code once more: one choice that belongs to several others, when only one of the further columns differs."""
    place = columns.cell(choice.row, "name")
    taken = f"`{choice.code}` is already in row {known.row.number}"
    if not duplicates:
        findings.fault(place, f"{taken}; names are unique in a list, or set allow_choice_duplicates to yes in the settings sheet")
        return
    differing = [name for name in {**known.attributes, **choice.attributes} if known.attributes.get(name) != choice.attributes.get(name)]
    if known.label != choice.label or known.media != choice.media:
        findings.fault(place, f"{taken} with another label; one code means one thing, so give one of the two another name")
    elif len(differing) > 1 or not all(name in known.attributes and name in choice.attributes for name in differing):
        findings.fault(place, f"{taken} and differs in {' and '.join(differing)}; it can belong to several values of one column only")
    for name in differing:
        if name in known.attributes and name in choice.attributes:
            known.attributes[name] |= choice.attributes[name]


def _document(choice: _Choice) -> dict[str, Any]:
    found: dict[str, Any] = {"code": choice.code, "label": choice.label or {"": choice.code}}
    if choice.attributes:
        values = {name: list(several) for name, several in choice.attributes.items()}
        found["attributes"] = {name: several[0] if len(several) == 1 else several for name, several in values.items()}
    return found


def labelled(choices: Iterable[Mapping[str, Any]], language: str) -> list[dict[str, Any]]:
    """The choices with the code as label in this language where there is none."""
    return [{**choice, "label": {language if tag == "" else tag: text for tag, text in choice["label"].items()}} for choice in choices]
