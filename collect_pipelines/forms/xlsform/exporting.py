"""A definition as an XLSForm workbook, as an XForm, or as the JSON Schema of its answers."""

import json
from dataclasses import dataclass, replace
from typing import Any, Literal

from collect_pipelines.errors import Invalid
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.forms.xlsform.document import Reading, reading_of
from collect_pipelines.forms.xlsform.export.differences import add_differences
from collect_pipelines.forms.xlsform.export.expressions import LOGIC_COLUMNS, Expressions, expressions_of, range_parameters
from collect_pipelines.forms.xlsform.export.layout import Layout, Written, layout_of
from collect_pipelines.forms.xlsform.export.sheets import book_of_definition
from collect_pipelines.forms.xlsform.expressions.bounds import BOUNDS
from collect_pipelines.forms.xlsform.expressions.rules import rule_name
from collect_pipelines.forms.xlsform.files.book import Book
from collect_pipelines.forms.xlsform.files.writing import xlsx_of
from collect_pipelines.forms.xlsform.findings import Findings
from collect_pipelines.forms.xlsform.reading import need_pyxform
from collect_pipelines.forms.xlsform.sheets.kinds import kind_of
from collect_pipelines.forms.xlsform.sheets.own_sheet import Additions, additions_of
from collect_pipelines.forms.xlsform.sheets.questions import BOOLEAN_LIST, range_of

__all__ = ["Exported", "export_form"]

Format = Literal["xlsform", "xform", "jsonschema"]
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Exported:
    """A form as another format has it."""

    form: str
    content: bytes
    notes: tuple[str, ...] = ()
    """What only our own sheet says, or what the format can't say at all."""


def export_form(definition: FormDefinition, kind: Format) -> Exported:
    """
    The definition in another format.

    `xlsform`: reading the workbook again gives the same definition; what XLSForm has no place for stands in the sheet `collect`.
    `xform`: what clients read, made by pyxform. `jsonschema`: of the answers. Raises Invalid when the format can't hold the form;
    PluginError when the extra `xlsform` is not installed.
    """
    if kind == "jsonschema":
        from collect_pipelines.forms.answer_schema import answer_schema

        return Exported(definition.form, (json.dumps(answer_schema(definition), ensure_ascii=False, indent=2) + "\n").encode())
    need_pyxform()
    layout = layout_of(definition)
    if not layout.items:
        raise Invalid(f"Nothing of the form {definition.form} is asked any more.", fix="An XLSForm needs a question that is not retired.")
    book, expressions = _book(layout)
    if kind == "xform":
        return Exported(definition.form, _xform(book, definition), _notes(layout, expressions, None))
    additions = _additions(layout, book)
    sheets = [*book.sheets.values(), *([additions_of(additions)] if additions else [])]
    return Exported(definition.form, xlsx_of(sheets), _notes(layout, expressions, additions))


def _book(layout: Layout) -> tuple[Book, Expressions]:
    """The workbook; expressions that an import kept are written as they were, as long as they still say what the definition says."""
    kept = {(item.path, column) for item in layout.every() for column in LOGIC_COLUMNS if isinstance(item.kept.get(column), str)}
    expressions = expressions_of(layout, kept)
    book = book_of_definition(layout, expressions)
    stale = _stale(layout, book, kept) if kept else set()
    if stale:
        expressions = expressions_of(layout, kept - stale)
        book = book_of_definition(layout, expressions)
    return book, expressions


def _stale(layout: Layout, book: Book, kept: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Originals that say something else than the definition does now."""
    read = _read(layout, book, _given(layout, book))
    rules = {rule["name"]: rule for rule in read.get("rules", ())}
    wanted = {rule.name: rule for rule in layout.definition.rules}
    questions = {question["key"]: question for question in _flat(read["questions"])}
    stale: set[tuple[str, str]] = set()
    for item in layout.every():
        target = _own(item)
        found = questions[item.question.key]
        for column, fields, what in (
            ("relevant", ("relevant",), ""),
            ("constraint", BOUNDS, "constraint"),
            ("required", ("required",), "required"),
            ("choice_filter", ("choices_by",), ""),
            ("repeat_count", ("min", "max"), "count"),
        ):
            if (item.path, column) not in kept:
                continue
            name = rule_name(item.question.key, what)
            moved = what and name in rules and (name not in wanted or wanted[name].expression != rules[name]["expression"])
            if moved or any(found.get(field) != target.get(field) for field in fields):
                stale.add((item.path, column))
    return stale


def _additions(layout: Layout, book: Book) -> Additions:
    """What the workbook does not say, found by reading it."""
    additions = _given(layout, book)
    reading = _reading(layout, book, replace_copy(additions))
    read, _ = reading.document(None, "-")
    wanted = layout.definition.model_dump(mode="json", exclude_defaults=True)
    questions = {item.path: _own(item) for item in layout.every()}
    add_differences(additions, _without_defaults(read), wanted, questions, layout.plain())
    additions.hidden = list(layout.hidden)
    return additions


def _given(layout: Layout, book: Book) -> Additions:
    """Keys and types that the names and types of the workbook do not give by themselves."""
    additions = Additions()
    natural = _reading(layout, book, Additions())
    natural.name_keys()
    keys = {item.path: item.key for item in natural.survey.every()}
    types = {item.path: item.written for item in natural.survey.every()}
    for item in layout.every():
        given = {}
        if keys[item.path] != item.question.key:
            given["key"] = item.question.key
        if _type_of(types[item.path], item) != item.question.type:
            given["type"] = item.question.type
        if given:
            additions.questions[item.path] = dict(given)
    return additions


def _type_of(written: str, item: Written) -> str:
    """The type that a row will be read as."""
    kind = kind_of(written)
    if kind is None:
        return ""
    if kind.list_name == BOOLEAN_LIST:
        return "boolean"
    if written == "range":
        appearance = str(item.kept.get("appearance") or ("rating" if item.question.type == "rating" else ""))
        return str((range_of(range_parameters(item.question, item.kept), appearance) or {}).get("type", ""))
    return kind.ours


def _reading(layout: Layout, book: Book, additions: Additions) -> Reading:
    return reading_of(book, Findings(layout.definition.form), checked=False, additions=additions)


def _read(layout: Layout, book: Book, additions: Additions) -> Document:
    return _reading(layout, book, additions).document(layout.definition.form, layout.definition.form)[0]


def replace_copy(additions: Additions) -> Additions:
    """A copy whose mappings can be added to without touching the original."""
    return replace(additions, questions={path: dict(fields) for path, fields in additions.questions.items()})


def _own(item: Written) -> Document:
    """The question without what is inside, as a form file has it."""
    return item.question.model_dump(mode="json", exclude_defaults=True, exclude={"questions"})


def _flat(questions: list[Document]) -> list[Document]:
    return [found for question in questions for found in (question, *_flat(question.get("questions", [])))]


def _without_defaults(document: Document) -> Document:
    return {name: value for name, value in document.items() if not (name == "languages" and value == ["en"])}


def _xform(book: Book, definition: FormDefinition) -> bytes:
    from pyxform.errors import PyXFormError

    from collect_pipelines.forms.xlsform.pyxform_verdict import convert

    try:
        return convert(book).encode()
    except PyXFormError as exc:
        raise Invalid(
            f"pyxform can't make an XForm of the form {definition.form}: {' '.join(str(exc).split())[:500]}",
            fix="Export it with --format xlsform, and correct the row in the workbook or the form.",
        ) from exc


def _notes(layout: Layout, expressions: Expressions, additions: Additions | None) -> tuple[str, ...]:
    """What clients of the format do not know."""
    where = "kept in the sheet collect" if additions is not None else "not in the XForm"
    notes = [f"{note}; {where}, clients do not check it" for note in expressions.notes]
    if layout.hidden:
        retired = "one question is" if len(layout.hidden) == 1 else f"{len(layout.hidden)} questions are"
        notes.append(f"{retired} not asked any more; {where}")
    fields: dict[str, int] = {}
    for question in (item.question for item in layout.every()):
        for name, there in (
            ("pii", question.pii != "none"),
            ("region", question.region is not None),
            ("was", bool(question.was)),
            ("required of a repeat", question.type == "repeat" and question.required),
            ("on_violation: flag, and with it bounds and required", question.on_violation == "flag"),
            ("the type email, url or phone", question.type in ("email", "url", "phone")),
        ):
            fields[name] = fields.get(name, 0) + there
    told = ", ".join(f"{name} ({count})" for name, count in fields.items() if count)
    if told:
        notes.append(f"unknown to other programs and {where}: {told}")
    return tuple(notes)
