"""A form definition from a survey export: a first draft for a person to edit, in which every cell of the export has its place."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from collect_pipelines.errors import Invalid
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.forms.faults import RESERVED_KEYS
from collect_pipelines.forms.table import Table, read_table
from collect_pipelines.forms.value_rules import is_email, is_url
from collect_pipelines.rules.moments import read_date, read_datetime, read_time

__all__ = ["Inference", "infer_form"]

MAX_CHOICES = 50  # more different values are no list a person chooses from
MAX_CHOICE_LABEL = 300  # characters; longer values are free text
ANSWERS_PER_CHOICE = 2  # on average at least so many answers share a value, else it is free text
MAX_KEY = 40  # characters of a key made from a header; cut between words
EXACT_DIGITS = 15  # spreadsheets and floats keep so many

_ID_HEADER = re.compile(r"(^|[^A-Za-z])[iI][dD]$|[a-z]I[dD]$|[uU]{2}[iI][dD]$|[gG][uU][iI][dD]$")
_ID_VALUE = re.compile(r"[A-Za-z0-9:._-]{1,64}")
_INTEGER = re.compile(rf"-?[1-9][0-9]{{0,{EXACT_DIGITS - 1}}}|0")
_DECIMAL = re.compile(r"-?[0-9]+\.[0-9]+")


@dataclass(frozen=True, slots=True)
class Inference:
    """The draft and why it is as it is."""

    definition: FormDefinition
    decisions: tuple[str, ...]
    """One sentence per column, in order, and what else a person should know; also in the questions' `metadata.inferred`."""
    id_column: str | None
    """Header of the column that identifies responses."""
    rows: int
    table: Table


def _is_integer(text: str) -> bool:
    return _INTEGER.fullmatch(text) is not None


def _is_decimal(text: str) -> bool:
    """Numbers that come out of a float, and of Postgres, as the same text."""
    return _is_integer(text) or (_DECIMAL.fullmatch(text) is not None and repr(float(text)) == text and float(text) != 0) or text == "0.0"


_TYPES: dict[str, tuple[Callable[[str], bool], str]] = {
    "integer": (_is_integer, "a whole number"),
    "decimal": (_is_decimal, "a number"),
    "boolean": (lambda text: text in ("true", "false"), "true or false"),
    "date": (lambda text: read_date(text) is not None, "a date"),
    "time": (lambda text: read_time(text) is not None, "a time of day"),
    "datetime": (lambda text: read_datetime(text) is not None, "a time with its zone"),
    "email": (is_email, "an email address"),
    "url": (is_url, "a web address"),
}
"""From narrow to wide; each only takes what it gives back as the identical text."""


class _Column:
    """What is known about a column after so many rows, in memory that does not grow with them."""

    def __init__(self, name: str, label: str) -> None:
        self.name = name
        self.label = label
        self.answers = 0
        self.values: Counter[str] | None = Counter()
        self._types = dict(_TYPES)

    def see(self, cell: str) -> None:
        """Takes one cell into account."""
        if not cell:
            return
        self.answers += 1
        if self.values is not None:
            self.values[cell] += 1
            if self.values[cell] > 1:
                return  # its type is known
            if len(self.values) > MAX_CHOICES or len(cell) > MAX_CHOICE_LABEL:
                self.values = None
        for name in [name for name, (fits, _) in self._types.items() if not fits(cell)]:
            del self._types[name]

    def decide(self) -> tuple[dict[str, Any], str]:
        """The question's type and choices, and why."""
        if not self.answers:
            return {"type": "text"}, "text, because no row has an answer"
        for name, (_, words) in self._types.items():
            return {"type": name}, f"{name}, because {_every(self.answers)} {words}"
        if self._is_select():
            assert self.values is not None
            choices = _choices(self.values)
            return {
                "type": "select_one",
                "choices": choices,
            }, f"select_one, because {self.answers} answers have {len(choices)} different values"
        return {"type": "text"}, "text, because the answers differ too much for a list of choices"

    def _is_select(self) -> bool:
        return (
            self.values is not None
            and len(self.values) * ANSWERS_PER_CHOICE <= self.answers
            and all(value.strip() for value in self.values)
        )


def infer_form(path: Path, slug: str) -> Inference:
    """
    A form named `slug` whose questions are the columns of the export, in order; raises Invalid when the file is no table.

    The first column is the id of the response if its header says so and its values are unique. Every other column is one question with
    the header as label, verbatim. A type other than text is chosen only if each non-blank cell has it and gives back the identical text.
    """
    table = read_table(path)
    columns = [_Column(name, label) for name, label in zip(table.columns, table.labels, strict=True)]
    ids: set[str] | None = set() if _ID_HEADER.search(table.labels[0].strip()) else None
    rows = 0
    for _, record in table.records():
        rows += 1
        for column in columns:
            column.see(record[column.name])
        ids = _still_ids(ids, record[columns[0].name])
    decisions: list[str] = []
    id_column = columns[0].name if ids else None
    if id_column is not None:
        decisions.append(f"{id_column!r}: the id of the response, because its {rows} values are all different")
    asked = columns[1:] if id_column is not None else columns
    questions = [_question(column, key, decisions) for column, key in zip(asked, _keys(asked), strict=True)]
    definition = _definition(slug, path, questions, id_column)
    return Inference(definition, tuple(decisions), id_column, rows, table)


def _still_ids(ids: set[str] | None, cell: str) -> set[str] | None:
    if ids is None or cell in ids or not _ID_VALUE.fullmatch(cell):
        return None
    ids.add(cell)
    return ids


def _question(column: _Column, key: str, decisions: list[str]) -> dict[str, Any]:
    decided, why = column.decide()
    decisions.append(f"{column.name!r} ({key}): {why}")
    metadata = {"inferred": why}
    if column.name != column.label:
        metadata["column"] = column.name
    label = {"label": column.label} if column.label else {}
    return {"key": key, **label, **decided, "metadata": metadata}


def _definition(slug: str, path: Path, questions: list[dict[str, Any]], id_column: str | None) -> FormDefinition:
    title = re.sub(r"[_-]+", " ", slug).strip().capitalize()
    metadata = {"inferred_from": path.name, **({"id_column": id_column} if id_column is not None else {})}
    try:
        return FormDefinition.model_validate({"form": slug, "title": title or slug, "questions": questions, "metadata": metadata})
    except ValidationError as exc:
        faults = "; ".join(str(item["msg"]) for item in exc.errors(include_url=False, include_input=False))
        raise Invalid(
            f"{path.name} can't become a form: {faults}", fix="Shorten the header, split the file, or choose another name."
        ) from exc


def _keys(columns: Sequence[_Column]) -> list[str]:
    return _distinct((_slug(column.label, MAX_KEY, f"question_{index}") for index, column in enumerate(columns, 1)), RESERVED_KEYS, "q_")


def _choices(values: Iterable[str]) -> list[dict[str, str]]:
    labels = list(values)
    codes = _distinct((_slug(label, MAX_KEY, f"choice_{index}") for index, label in enumerate(labels, 1)), frozenset(), "")
    return [{"code": code, "label": label} for code, label in zip(codes, labels, strict=True)]


def _slug(text: str, most: int, fallback: str) -> str:
    """ASCII words joined by `_`, cut between words; the fallback when most of the text can't be said in ASCII."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", plain)
    slug = "_".join(words)
    letters = sum(character.isalnum() for character in text)
    if not slug or len(slug.replace("_", "")) * 2 < letters:
        return fallback
    return slug if len(slug) <= most else slug[: most + 1].rpartition("_")[0] or slug[:most]


def _distinct(slugs: Iterable[str], reserved: frozenset[str], prefix: str) -> list[str]:
    """The slugs made different: of several equal ones the second ends in `_2`. prefix: for those that start with a digit."""
    found: list[str] = []
    taken = set(reserved)
    for slug in slugs:
        base = f"{prefix}{slug}" if slug[0].isdigit() else slug
        name, count = base, 1
        while name in taken:
            count += 1
            name = f"{base}_{count}"
        taken.add(name)
        found.append(name)
    return found


def _every(count: int) -> str:
    return "the only answer is" if count == 1 else f"every one of {count} answers is"
