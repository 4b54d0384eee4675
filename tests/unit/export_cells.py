"""The cells of an export, written again from the answers and from what the form's definition says: nothing else is looked at."""

from collections.abc import Iterator
from typing import Any

from collect_pipelines.forms.definition import FormDefinition, Question
from collect_pipelines.forms.exports.cell_format import ListFormat, format_of


def cells_of(form: FormDefinition, response_id: str | None, answers: dict[str, Any]) -> dict[str, str]:
    """One row: cells by name of the column, in the order of the export."""
    cells: dict[str, str] = {}
    if "id_column" in form.metadata:
        cells[form.metadata["id_column"]] = response_id or ""
    for question in form.questions:
        cells |= dict(_cells(question, answers))
    return _with_blanks(form, cells, "")


def header_of(form: FormDefinition) -> list[list[str]]:
    """The header rows, verbatim."""
    two = form.metadata.get("header_rows") == 2
    cells: dict[str, Any] = {}
    if "id_column" in form.metadata:
        column = form.metadata["id_column"]
        cells[column] = form.metadata["id_header"] if two else [column]
    for question in form.questions:
        cells |= dict(_headers(question, two))
    cells = _with_blanks(form, cells, ["", ""])
    return [[header[row] for header in cells.values()] for row in range(2 if two else 1)]


def _with_blanks(form: FormDefinition, cells: dict[str, Any], blank: Any) -> dict[str, Any]:
    names = list(cells)
    for name, place in sorted(form.metadata.get("blank_columns", {}).items(), key=lambda pair: pair[1]):
        names.insert(place - 1, name)
    return {name: cells.get(name, blank) for name in names}


def _column(question: Question) -> str:
    return str(question.metadata.get("column", question.label.get("en")))


def _headers(question: Question, two: bool) -> Iterator[tuple[str, list[str]]]:
    facts = question.metadata
    label = question.label.get("en", "")
    tops = facts["header"] if "columns" in facts and "header" in facts else [label, *[""] * len(question.choices)]
    if question.type == "group":
        for inner in question.questions:
            yield from _headers(inner, two)
    elif "columns" in facts:
        for place, choice in enumerate(question.choices):
            yield facts["columns"][choice.code], [tops[place], choice.label["en"]]
    else:
        yield _column(question), facts["header"] if two else [label]
    if "other_column" in facts:
        yield facts["other_column"], [tops[-1] if "columns" in facts else facts["other_header"], facts["other_label"]]


def _cells(question: Question, answers: dict[str, Any]) -> Iterator[tuple[str, str]]:
    facts, answer = question.metadata, answers.get(question.key)
    if question.type == "group":
        for inner in question.questions:
            yield from _cells(inner, answers)
    elif "columns" in facts:
        unchosen = "" if answer is None else facts.get("unchosen", "")
        for choice in question.choices:
            mark = facts.get("marks", {}).get(choice.code, choice.label["en"])
            yield facts["columns"][choice.code], mark if choice.code in (answer or ()) else unchosen
    else:
        yield _column(question), _cell(question, answer)
    if "other_column" in facts:
        items = answer if isinstance(answer, list) else [answer]
        yield facts["other_column"], next((item["other"] for item in items if isinstance(item, dict)), "")


def _cell(question: Question, answer: Any) -> str:
    if answer is None:
        return ""
    labels = {choice.code: choice.label["en"] for choice in question.choices}
    if isinstance(answer, dict):
        return str(question.metadata.get("other_with", ""))
    if question.type == "select_one":
        return labels[answer]
    written = format_of(question)
    if isinstance(written, ListFormat):
        return written.joined([labels[code] for code in answer])
    if written is not None:
        return written.write(answer)
    return answer if isinstance(answer, str) else str(answer).lower() if isinstance(answer, bool) else repr(answer)
