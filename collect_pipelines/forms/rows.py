"""From the cells of an export to answers: labels become codes, numbers are parsed, blank is unanswered."""

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from collect_pipelines.errors import Invalid
from collect_pipelines.forms.definition import FormDefinition, Question
from collect_pipelines.forms.table import Table, read_table
from collect_pipelines.rules.moments import read_date, read_datetime, read_time

__all__ = ["Table", "read_table", "submission_of_row"]

MAX_LAYOUTS = 100  # form versions whose columns are kept ready

_INTEGER = re.compile(r"[-+]?[0-9]{1,19}")
_DECIMAL = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,3})?")
_PLACE = re.compile(r"\s*([-+]?[0-9.]+)\s*[,; ]\s*([-+]?[0-9.]+)\s*")
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_SEPARATORS = (";", "|", ",")  # `; ` is how sheets of this product join choices; other tools use the others

Cell = Callable[[str], Any]


def submission_of_row(definition: FormDefinition, row: Mapping[str, str]) -> tuple[str | None, dict[str, Any]]:
    """
    Response id (None without an id column) and answers of one row.

    A column is recognised by its header (`metadata.column` of the question if given, a label in any language, or the key); a choice by
    its label or code. An empty cell is unanswered, text is kept as it is. Raises Invalid naming the column, never the cell's content.
    """
    layout = _layout(definition)
    id_column = definition.metadata.get("id_column")
    response_id: str | None = None
    answers: dict[str, Any] = {}
    for column, cell in row.items():
        if column is None or not isinstance(cell, str):
            raise Invalid("The row has more or fewer cells than the header.", fix="Put quotes around cells that hold the delimiter.")
        if column == id_column:
            response_id = cell.strip() or None
            continue
        if column not in layout:
            raise Invalid(f"The form has no question for the column {column!r}.", fix="Add the question, or remove the column.")
        if cell:
            key, parse = layout[column]
            try:
                answers[key] = parse(cell)
            except ValueError as exc:
                raise Invalid(f"Column {column!r}: {exc}", fix="Correct the cell, or the question's type in the form.") from exc
    return response_id, answers


_LAYOUTS: dict[str, dict[str, tuple[str, Cell]]] = {}


def _layout(definition: FormDefinition) -> dict[str, tuple[str, Cell]]:
    name = definition.content_hash
    layout = _LAYOUTS.get(name)
    if layout is None:
        layout = _make_layout(definition)
        if len(_LAYOUTS) >= MAX_LAYOUTS:
            _LAYOUTS.clear()
        _LAYOUTS[name] = layout
    return layout


def _make_layout(definition: FormDefinition) -> dict[str, tuple[str, Cell]]:
    """Column name to question; a label of several questions means none of them, and their columns must be named by key."""
    layout: dict[str, tuple[str, Cell]] = {}
    cells = {question.key: (question.key, _cell(question)) for question in definition.answerable}
    for question in definition.answerable:
        if isinstance(question.metadata.get("column"), str):
            layout[question.metadata["column"]] = cells[question.key]
    by_label: dict[str, set[str]] = {}
    for question in definition.answerable:
        if "column" not in question.metadata:
            for label in question.label.values():
                by_label.setdefault(label, set()).add(question.key)
    for label, keys in by_label.items():
        if len(keys) == 1:
            layout.setdefault(label, cells[next(iter(keys))])
    for key, cell in cells.items():
        layout.setdefault(key, cell)
    return layout


def _cell(question: Question) -> Cell:
    codes = {choice.code: choice.code for choice in question.choices}
    for choice in reversed(question.choices):
        codes |= dict.fromkeys(choice.label.values(), choice.code)  # a label goes before a code that looks like it
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
