"""From the cells of an export to answers: labels become codes, numbers are parsed, blank is unanswered."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from collect_pipelines.errors import Invalid
from collect_pipelines.forms.definition import FormDefinition, Question
from collect_pipelines.forms.exports.cell_format import BooleanFormat, ListFormat, format_of
from collect_pipelines.forms.exports.moment_format import MomentFormat
from collect_pipelines.forms.exports.number_format import NumberFormat
from collect_pipelines.forms.exports.question_parts import parts_of
from collect_pipelines.forms.exports.table import Table, read_table
from collect_pipelines.rules.moments import read_date, read_datetime, read_time

__all__ = ["Table", "read_table", "submission_of_row", "submissions_of", "table_for"]

MAX_LAYOUTS = 100  # form versions whose columns are kept ready
ID_COLUMNS = ("_id", "id")
"""Headers of the response id in files of a form that names no other: in sheets of this product, and in everyone else's files."""
SHEET_ID, SHEET_REVISION, SHEET_SUBMITTED = "_id", "_revision", "Submitted (UTC)"
"""What sheets of this product have beside the questions."""
DELETED = "(deleted)"  # ends the revision of a deleted response in a sheet
ADD = "Add the question, or remove the column."

_INTEGER = re.compile(r"[-+]?[0-9]{1,19}")
_DECIMAL = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,3})?")
_PLACE = re.compile(r"\s*([-+]?[0-9.]+)\s*[,; ]\s*([-+]?[0-9.]+)\s*")
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_SEPARATORS = (";", "|", ",")  # `; ` is how sheets of this product join choices; other tools use the others

Cell = Callable[[str], Any]
Put = Callable[[dict[str, Any], str], None]
"""Adds what a cell says to the answers."""


def table_for(definition: FormDefinition, path: Path) -> Table:
    """The export as the form reads it: with as many header rows as the one it was inferred from had. Raises Invalid."""
    rows = definition.metadata.get("header_rows", 1 if "inferred_from" in definition.metadata else None)
    return read_table(path, rows if rows in (1, 2) else None)


def submissions_of(definition: FormDefinition, path: Path) -> Iterator[tuple[int, str | None, dict[str, Any]]]:
    """
    Line, response id (None without an id column) and answers of every row of the file.

    Raises Invalid naming file, line and column: of the header for a column that is no question, else of the row.
    """
    table = table_for(definition, path)
    known = _known_columns(definition, table.columns)
    for column in table.columns:
        if column not in known:
            raise Invalid(f"{path}:{table.header_line}: {_unknown(column)}", fix=ADD)
    for line, record in table.records():
        try:
            yield line, *submission_of_row(definition, record)
        except Invalid as exc:
            raise Invalid(f"{path}:{line}: {exc.message}", fix=exc.fix) from exc


def submission_of_row(definition: FormDefinition, row: Mapping[str, str]) -> tuple[str | None, dict[str, Any]]:
    """
    Response id (None without an id column) and answers of one row.

    A column is recognised by its header (`metadata.column` of the question if given, a label in any language, the key, or one it was
    renamed from); a choice by its label or code. Questions that `infer` put together from several columns are recognised by the names
    in their metadata, and cells are read in the format that is recorded there, else as plain ones. An empty cell is unanswered, text
    is kept as it is.

    The response id stands in the column `metadata.id_column` of the form, else in one of ID_COLUMNS that is no question. Beside the id
    column of a sheet of this product, its revision and time of submission are left out.

    Raises Invalid naming the column, never the cell's content.
    """
    layout = _layout(definition)
    id_column, passed = _system_columns(definition, row)
    blank = definition.metadata.get("blank_columns")
    response_id: str | None = None
    answers: dict[str, Any] = {}
    last: list[tuple[str, Put, str]] = []
    for column, cell in row.items():
        if column is None or not isinstance(cell, str):
            raise Invalid("The row has more or fewer cells than the header.", fix="Put quotes around cells that hold the delimiter.")
        if column == id_column:
            response_id = cell.strip() or None
            continue
        if column in passed:
            if column == SHEET_REVISION and cell.endswith(DELETED):
                raise Invalid("The response of this row was deleted.", fix="Remove the row from the file.")
            continue
        if column not in layout:
            if isinstance(blank, Mapping) and column in blank and not cell:
                continue
            raise Invalid(_unknown(column), fix=ADD)
        if cell:
            put, own_words = layout[column]
            if own_words:
                last.append((column, put, cell))  # they change what the question's other columns said
            else:
                _put(put, answers, column, cell)
    for column, put, cell in last:
        _put(put, answers, column, cell)
    return response_id, answers


def _system_columns(definition: FormDefinition, columns: Iterable[str]) -> tuple[str | None, frozenset[str]]:
    """The id column, if there is one, and the columns of a sheet of this product that hold no answers."""
    layout, given = _layout(definition), definition.metadata.get("id_column")
    there = set(columns)
    if isinstance(given, str) and given in there:
        return given, frozenset()
    found = next((name for name in ID_COLUMNS if name in there and name not in layout), None)
    passed = {SHEET_REVISION, SHEET_SUBMITTED} - layout.keys() if found == SHEET_ID else ()
    return found, frozenset(passed)


def _known_columns(definition: FormDefinition, columns: Iterable[str]) -> set[str | None]:
    id_column, passed = _system_columns(definition, columns)
    blank = definition.metadata.get("blank_columns")
    return {id_column, *passed, *_layout(definition), *(blank if isinstance(blank, Mapping) else ())}


def _unknown(column: str) -> str:
    return f"The form has no question for the column {column!r}."


def _put(put: Put, answers: dict[str, Any], column: str, cell: str) -> None:
    try:
        put(answers, cell)
    except ValueError as exc:
        raise Invalid(f"Column {column!r}: {exc}", fix="Correct the cell, or the question's type in the form.") from exc


Layout = dict[str, tuple[Put, bool]]
"""By column name; True for columns of own words, which come after all others."""

_LAYOUTS: dict[str, Layout] = {}


def _layout(definition: FormDefinition) -> Layout:
    name = definition.content_hash
    layout = _LAYOUTS.get(name)
    if layout is None:
        layout = _make_layout(definition)
        if len(_LAYOUTS) >= MAX_LAYOUTS:
            _LAYOUTS.clear()
        _LAYOUTS[name] = layout
    return layout


def _make_layout(definition: FormDefinition) -> Layout:
    """Column name to question; a label of several questions means none of them, and their columns must be named by key."""
    layout: Layout = {}
    whole = {question.key: (partial(_whole, question.key, _cell(question)), False) for question in definition.answerable}
    for question in definition.answerable:
        if isinstance(question.metadata.get("column"), str):
            layout[question.metadata["column"]] = whole[question.key]
        layout |= parts_of(question)
    by_label: dict[str, set[str]] = {}
    for question in definition.answerable:
        if "column" not in question.metadata:
            for label in question.label.values():
                by_label.setdefault(label, set()).add(question.key)
    for label, keys in by_label.items():
        if len(keys) == 1:
            layout.setdefault(label, whole[next(iter(keys))])
    for key, put in whole.items():
        layout.setdefault(key, put)
    for question in definition.answerable:
        for former in question.was:
            layout.setdefault(former, whole[question.key])  # a file that was made before the question was renamed
    return layout


def _whole(key: str, parse: Cell, answers: dict[str, Any], cell: str) -> None:
    answers[key] = parse(cell)


def _cell(question: Question) -> Cell:
    plain = _plain_cell(question)
    try:
        written = format_of(question)
    except ValueError as exc:
        raise Invalid(f"`metadata.format` of `{question.key}` can't be used: {exc}.", fix="Correct it in the form, or remove it.") from exc
    if isinstance(written, ListFormat):
        return partial(_listed, written, _codes(question), plain)
    return plain if written is None else partial(_formatted, written, plain, whole=question.type in ("integer", "rating"))


def _codes(question: Question) -> dict[str, str]:
    codes = {choice.code: choice.code for choice in question.choices}
    for choice in reversed(question.choices):
        codes |= dict.fromkeys(choice.label.values(), choice.code)  # a label goes before a code that looks like it
    return codes


def _formatted(written: NumberFormat | MomentFormat | BooleanFormat, plain: Cell, cell: str, *, whole: bool) -> Any:
    answer = written.read(cell)
    if answer is not None and not (whole and type(answer) is float):
        return answer
    try:
        return plain(cell)
    except ValueError as exc:
        shown = ", ".join(f"{name} {value!r}" for name, value in written.as_metadata().items())
        raise ValueError(f"{str(exc).removesuffix('.')}, or one in the question's format ({shown}).") from exc


def _listed(written: ListFormat, codes: Mapping[str, str], plain: Cell, cell: str) -> Any:
    parts = written.parts(cell)
    return [codes[part] for part in parts] if all(part in codes for part in parts) else plain(cell)


def _plain_cell(question: Question) -> Cell:
    codes = _codes(question)
    parsers: dict[str, Cell] = {
        "integer": _integer,
        "rating": _integer,
        "decimal": _decimal,
        "boolean": _boolean,
        "date": partial(_moment, read_date, "a date such as 2026-01-31"),
        "time": partial(_moment, read_time, "a time such as 09:30"),
        "datetime": partial(_moment, read_datetime, "a time with its zone such as 2026-01-31T09:30:00Z"),
        "select_one": partial(_choice, codes, question.other),
        "select_multiple": partial(_choices, codes, question.other),
        "geopoint": _geopoint,
        "file": _file,
        "repeat": partial(_json, list),
    }
    return parsers.get(question.type, str)


def _integer(cell: str) -> int:
    text = cell.strip()
    if not _INTEGER.fullmatch(text):
        raise ValueError("a whole number is expected.")
    return int(text)


def _decimal(cell: str) -> int | float:
    text = cell.strip()
    if _INTEGER.fullmatch(text):
        return int(text)
    if not _DECIMAL.fullmatch(text):
        raise ValueError("a number with a decimal point is expected.")
    return float(text)


def _boolean(cell: str) -> bool:
    value = _BOOLEANS.get(cell.strip().lower())
    if value is None:
        raise ValueError("true or false is expected.")
    return value


def _moment(read: Callable[[str], Any], wanted: str, cell: str) -> str:
    text = cell.strip()
    if read(text) is None:
        raise ValueError(f"{wanted} is expected.")
    return text


def _choice(codes: Mapping[str, str], other: bool, cell: str) -> Any:
    code = codes.get(cell, codes.get(cell.strip()))
    if code is not None:
        return code
    if other and cell.strip():
        return {"other": cell}
    raise ValueError("one of the choices is expected, by label or code.")


def _choices(codes: Mapping[str, str], other: bool, cell: str) -> list[Any]:
    if cell in codes:
        return [codes[cell]]
    for separator in _SEPARATORS:
        parts = [part.strip() for part in cell.split(separator) if part.strip()]
        if all(part in codes for part in parts):
            return [codes[part] for part in parts]
    if other:
        parts = [part.strip() for part in cell.split(_SEPARATORS[0]) if part.strip()]
        own = [part for part in parts if part not in codes]
        if len(own) == 1:
            return [codes.get(part, {"other": part}) for part in parts]
    raise ValueError("choices by label or code, with `; ` between them, are expected.")


def _geopoint(cell: str) -> Any:
    place = _PLACE.fullmatch(cell)
    if place is None:
        return _json(dict, cell)
    return {"latitude": _decimal(place.group(1)), "longitude": _decimal(place.group(2))}


def _file(cell: str) -> Any:
    if cell.lstrip().startswith("{"):
        return _json(dict, cell)
    url = cell.strip()
    name = PurePosixPath(unquote(urlsplit(url).path)).name or urlsplit(url).netloc
    return {"name": name, "url": url}


def _json(wanted: type, cell: str) -> Any:
    try:
        value = json.loads(cell)
    except (ValueError, RecursionError) as exc:
        raise ValueError("JSON is expected.") from exc
    if not isinstance(value, wanted):
        raise ValueError(f"a JSON {'object' if wanted is dict else 'array'} is expected.")
    return value
