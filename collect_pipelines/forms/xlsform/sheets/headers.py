"""What the columns of a sheet mean: names and aliases as pyxform reads them, the language of a text, and typing errors."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache

from collect_pipelines.forms.faults import MAX_EXTRA_KEY
from collect_pipelines.forms.xlsform.files.book import Row, Sheet
from collect_pipelines.forms.xlsform.findings import Cell, Findings

__all__ = ["CHOICE_COLUMNS", "SETTINGS", "SURVEY_COLUMNS", "TEXT_COLUMNS", "Column", "Columns", "columns_of", "is_other"]

TEXT_COLUMNS = (
    "label", "hint", "guidance_hint", "constraint_message", "required_message",
    "media::image", "media::big-image", "media::audio", "media::video",
)  # fmt: skip
"""Columns that may be there once per language."""

_SURVEY: dict[str, tuple[str, ...]] = {
    "type": ("type",), "name": ("name",), "label": ("label",), "hint": ("hint",), "guidance_hint": ("guidance_hint",),
    "required": ("bind", "required"), "required_message": ("bind", "jr:requiredMsg"), "relevant": ("bind", "relevant"),
    "constraint": ("bind", "constraint"), "constraint_message": ("bind", "jr:constraintMsg"), "calculation": ("bind", "calculate"),
    "read_only": ("bind", "readonly"), "default": ("default",), "appearance": ("control", "appearance"), "parameters": ("parameters",),
    "choice_filter": ("choice_filter",), "repeat_count": ("control", "jr:count"),
    "trigger": ("trigger",), "autoplay": ("control", "autoplay"),
    "rows": ("control", "rows"), "intent": ("intent",), "save_to": ("bind", "entities:saveto"), "disabled": ("disabled",),
    "no_app_error_string": ("bind", "jr:noAppErrorString"), "compact_tag": ("instance", "odk:tag"), "query": ("query",),
    **{f"media::{kind}": ("media", kind) for kind in ("image", "big-image", "audio", "video")},
}  # fmt: skip
_CHOICES: dict[str, tuple[str, ...]] = {
    "list_name": ("list name",), "name": ("name",), "label": ("label",),
    **{f"media::{kind}": ("media", kind) for kind in ("image", "big-image", "audio", "video")},
}  # fmt: skip
SURVEY_COLUMNS = tuple(_SURVEY)
_ALSO = {"relevance": "relevant", "calculate": "calculation", "readonly": "read_only"}
"""Other words for columns, of which there are typing errors, too."""
CHOICE_COLUMNS = tuple(_CHOICES)
SETTINGS = (
    "form_title", "form_id", "version", "default_language", "instance_name", "style", "public_key", "submission_url", "auto_send",
    "auto_delete", "allow_choice_duplicates", "clean_text_values", "name", "namespaces", "instance_xmlns", "client_editable",
    "add_none_option", "omit_instanceid", "sms_keyword", "prefix", "delimiter", "id_string", "title", "set_form_title", "set_form_id",
    "sms_separator", "sms_allow_media", "sms_date_format", "sms_datetime_format", "sms_response",
)  # fmt: skip
_PASSED_ON = ("bind", "body", "control", "instance", "media", "sms_field", "sms_option", "sms_separator", "sms_allow_media")
"""First words of columns that are handed on to clients as they are: `bind::orx:max-pixels`, `body::accept`."""
_LIKE_NEEDED = 0.7
_LIKE = 0.8  # of difflib: `constrain` is like `constraint`, `notes` is like nothing


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a sheet."""

    header: str
    name: str
    """Its name in the lists above; for other columns the header itself."""
    language: str | None = None
    """The language as written behind `::`."""
    known: bool = True


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one sheet."""

    sheet: Sheet
    all: tuple[Column, ...]

    def header(self, name: str) -> str:
        """How the column is called in this sheet; its plain name when it is not there."""
        return next((column.header for column in self.all if column.name == name and column.language is None), name)

    def cell(self, row: Row, name: str) -> Cell:
        """The place of a cell."""
        return Cell(
            self.sheet.name, row.number, next((c.header for c in self.all if c.name == name and c.header in row.cells), self.header(name))
        )

    def text(self, row: Row, name: str) -> str:
        """What stands in a column without languages; of a column with languages what stands in its first that is filled."""
        return next((row.cells[column.header] for column in self.all if column.name == name and column.header in row.cells), "")

    def texts(self, row: Row, name: str) -> Iterator[tuple[str | None, str]]:
        """Language as written (None: none) and text of a column that may have several languages."""
        for column in self.all:
            if column.name == name and column.header in row.cells:
                yield column.language, row.cells[column.header]

    def others(self) -> Iterator[Column]:
        """Columns that are not in the list of this sheet."""
        return (column for column in self.all if not column.known)

    def has(self, name: str) -> bool:
        """Whether there is such a column."""
        return any(column.name == name for column in self.all)


def columns_of(sheet: Sheet, findings: Findings) -> Columns:
    """The columns of the survey, choices or external_choices sheet; two headers for one column and typing errors are faults."""
    from pyxform import aliases

    survey = sheet.name == "survey"
    shapes = _SURVEY if survey else _CHOICES
    spelled = aliases.survey_header if survey else aliases.list_header
    found = [_column(header, sheet, shapes, spelled) for header in sheet.headers]
    seen: dict[tuple[str, str | None], str] = {}
    for column in found:
        place = Cell(sheet.name, sheet.header_row, column.header)
        other = seen.setdefault((column.name, column.language), column.header)
        if len(column.header) > MAX_EXTRA_KEY:
            findings.fault(
                Cell(sheet.name, sheet.header_row, f"{column.header[:40]}..."), f"a header has at most {MAX_EXTRA_KEY} characters"
            )
        if other != column.header:
            findings.fault(place, f"means the same as the column {other}; keep one of the two")
        if survey and not column.known:
            _strange(column, place, seen, sheet, findings)
        elif not column.known and "::" in column.header:
            findings.fault(place, "is no column of choices: only label and media have languages; rename it without `::`")
    if not survey and sheet.rows:
        _tell_missing(sheet, found, findings)
    return Columns(sheet, tuple(found))


def _tell_missing(sheet: Sheet, found: Iterable[Column], findings: Findings) -> None:
    """Columns that choices need, told with the header that was perhaps meant."""
    there = {column.name for column in found}
    unknown = [column.header for column in found if not column.known]
    for name in ("list_name", "name", "label"):
        near = get_close_matches(name, unknown, n=1, cutoff=_LIKE_NEEDED)
        if name not in there and (near or name != "label"):
            hint = f"; did you mean {name} by {near[0]}? Rename that column" if near else f"; add a column {name}"
            findings.fault(Cell(sheet.name, sheet.header_row, near[0] if near else None), f"there is no column {name}{hint}")


@lru_cache(maxsize=1024)
def is_other(header: str, *, choices: bool = False) -> bool:
    """Whether a header would be read as a column of its own: no column of XLSForm, and not like one."""
    from pyxform import aliases

    shapes = _CHOICES if choices else _SURVEY
    sheet = Sheet("choices" if choices else "survey", (header, "label::en"))
    column = _column(header, sheet, shapes, aliases.list_header if choices else aliases.survey_header)
    if column.known or header in ("__row", "order") or header != " ".join(header.split()):
        return False
    if choices or header.replace(":", " ").split(" ")[0] in _PASSED_ON:
        return True
    plain = "_".join(header.partition(":")[0].split()).lower()
    return not get_close_matches(plain, [*SURVEY_COLUMNS, *_ALSO], n=1, cutoff=_LIKE)


def _column(header: str, sheet: Sheet, shapes: Mapping[str, tuple[str, ...]], spelled: Mapping[str, object]) -> Column:
    from pyxform.parsing.sheet_headers import process_header

    double = any("::" in other for other in sheet.headers)
    singles = {shape[0] for shape in shapes.values() if len(shape) == 1}
    try:
        _, tokens = process_header(header, double, spelled, singles)
    except (IndexError, ValueError):
        tokens = (header,)
    for name, shape in shapes.items():
        if tuple(tokens[: len(shape)]) == shape:
            rest = tokens[len(shape) :]
            if not rest or name in TEXT_COLUMNS:
                return Column(header, name, "::".join(rest) or None)
    return Column(header, header, None, known=False)


def _strange(column: Column, place: Cell, seen: Iterable[tuple[str, str | None]], sheet: Sheet, findings: Findings) -> None:
    first = column.header.replace(":", " ").split(" ")[0]
    if first in _PASSED_ON:
        return
    there = {name for name, _ in seen}
    plain = "_".join(column.header.partition(":")[0].split()).lower()
    words = [*SURVEY_COLUMNS, *_ALSO]
    found = [_ALSO.get(word, word) for word in get_close_matches(plain, words, n=1, cutoff=_LIKE)]
    near = [name for name in found if name not in there and name not in sheet.headers]
    if near:
        findings.fault(place, f"is no column of XLSForm; did you mean {near[0]}? Rename it, or give it a name that is less like it")
    elif any(column.header in row.cells for row in sheet):
        findings.note(place, "is no column of XLSForm; what stands there is kept in metadata.xlsform.other")
