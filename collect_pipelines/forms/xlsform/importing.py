"""From a workbook to a form definition; what the definition refuses is told with the cell it comes from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.forms.faults import Faults, Place, spell
from collect_pipelines.forms.xlsform.document import Document, Reading, reading_of
from collect_pipelines.forms.xlsform.expressions.rules import rule_name
from collect_pipelines.forms.xlsform.findings import Cell, Findings, Note
from collect_pipelines.forms.xlsform.reading import need_pyxform, read_book
from collect_pipelines.forms.xlsform.sheets.survey import Item, Survey

__all__ = ["Imported", "import_form"]

_RULED = {"constraint": "constraint", "required": "required", "count": "repeat_count"}
_COLUMNS = {
    "label": "label", "hint": "hint", "type": "type", "relevant": "relevant", "choices": "type", "choices_by": "choice_filter",
    "min": "constraint", "max": "constraint", "min_length": "constraint", "max_length": "constraint", "pattern": "constraint",
    "required": "required", "constraint_message": "constraint_message", "required_message": "required_message",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Imported:
    """A form from a workbook."""

    definition: FormDefinition
    notes: tuple[Note, ...] = ()
    """What is kept but not enforced, or was renamed, each with its cell and what to do."""


def import_form(path: Path, form: str | None = None) -> Imported:
    """
    The definition in an XLSForm workbook (.xlsx, .xls or .csv).

    form: the form's name; by default the workbook's form_id, else the name of the file. Raises FormInvalid with every fault found, each
    with sheet, row and column, whatever the file holds; PluginError when the extra `xlsform` is not installed.
    """
    need_pyxform()
    findings = Findings(path.name)
    book = read_book(path, findings)
    findings.stop_if_faulty()
    definition = _definition(reading_of(book, findings, checked=True), form, path.stem)
    return Imported(definition, tuple(findings.notes))


def _definition(reading: Reading, form: str | None, fallback: str) -> FormDefinition:
    document, places = reading.document(form, fallback)
    try:
        return FormDefinition.model_validate(document)
    except ValidationError as exc:
        for place, message in _faults_of(exc):
            cell = _cell_of_fault(place, document, places, reading.survey)
            reading.findings.fault(cell, f"{spell(place)}: {message}" if place else message)
        raise reading.findings.refused() from exc
    except RecursionError as exc:
        raise reading.findings.refusal("is nested too deep; flatten the groups") from exc


def _faults_of(error: ValidationError) -> Iterator[tuple[Place, str]]:
    for item in error.errors(include_url=False, include_input=False):
        place: Place = tuple(item["loc"])
        cause = item.get("ctx", {}).get("error")
        if isinstance(cause, Faults):
            for fault in cause.faults:
                yield (*place, *fault.place), fault.message
        else:
            yield place, str(cause or item["msg"])


def _cell_of_fault(place: Place, document: Document, places: Mapping[Place, Item], survey: Survey) -> Cell | None:
    """The cell a fault of the definition comes from; None when it is about the form as a whole."""
    if place[:1] == ("rules",) and len(place) > 1:
        name = document["rules"][int(place[1])].get("name")
        for item in survey.every():
            for what, column in _RULED.items():
                if name == rule_name(item.key, what):
                    return survey.cell(item, column)
    at = place
    while at and at not in places:
        at = at[:-1]
    if not at:
        return Cell("settings") if place[:1] in (("title",), ("form",), ("languages",)) else None
    return survey.cell(places[at], _COLUMNS.get(str(place[len(at)]) if len(place) > len(at) else "", "name"))
