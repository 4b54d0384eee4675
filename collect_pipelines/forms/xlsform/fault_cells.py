"""Faults of a definition, with the cells of the workbook they come from."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from collect_pipelines.forms.faults import Faults, Place
from collect_pipelines.forms.xlsform.findings import Cell
from collect_pipelines.forms.xlsform.logic import rule_name
from collect_pipelines.forms.xlsform.survey import Item, Survey

__all__ = ["cell_of_fault", "faults_of"]

Document = dict[str, Any]

_RULED = {"constraint": "constraint", "required": "required", "count": "repeat_count"}
_COLUMNS = {
    "label": "label", "hint": "hint", "type": "type", "relevant": "relevant", "choices": "type", "choices_by": "choice_filter",
    "min": "constraint", "max": "constraint", "min_length": "constraint", "max_length": "constraint", "pattern": "constraint",
    "required": "required",
}  # fmt: skip


def faults_of(error: ValidationError) -> Iterator[tuple[Place, str]]:
    for item in error.errors(include_url=False, include_input=False):
        place: Place = tuple(item["loc"])
        cause = item.get("ctx", {}).get("error")
        if isinstance(cause, Faults):
            for fault in cause.faults:
                yield (*place, *fault.place), fault.message
        else:
            yield place, str(cause or item["msg"])


def cell_of_fault(place: Place, document: Document, places: Mapping[Place, Item], survey: Survey) -> Cell | None:
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
