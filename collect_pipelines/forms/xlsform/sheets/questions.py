"""One row of the survey sheet as a question: everything but its expressions."""

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from collect_pipelines.forms.faults import MAX_STARS
from collect_pipelines.forms.xlsform.findings import Findings
from collect_pipelines.forms.xlsform.sheets.choice_lists import ChoiceList, labelled
from collect_pipelines.forms.xlsform.sheets.kinds import written_type
from collect_pipelines.forms.xlsform.sheets.languages import Texts
from collect_pipelines.forms.xlsform.sheets.survey import Item, Survey

__all__ = ["BOOLEAN_LIST", "KEPT", "Lists", "command_of", "is_boolean_list", "question_of", "range_of", "sheet_of_choices"]

BOOLEAN_LIST = "collect_boolean"
"""The list by which an exported boolean is told from other selects."""
KEPT = (
    "default", "appearance", "parameters", "calculation", "trigger", "read_only", "autoplay", "rows", "intent", "save_to",
    "no_app_error_string", "compact_tag", "query",
)  # fmt: skip
"""Columns that clients act on and we do not: kept as they are."""
KEPT_TEXTS = ("guidance_hint", "media::image", "media::big-image", "media::audio", "media::video")

Document = dict[str, Any]
Lists = dict[tuple[str, str], ChoiceList]
"""Choice lists by sheet and name."""


def is_boolean_list(item: Item) -> bool:
    """Whether the row is a boolean as export writes it."""
    return item.kind.list_name == BOOLEAN_LIST and item.ours == "select_one"


def sheet_of_choices(item: Item) -> str:
    """The sheet that a select takes its choices from."""
    return "external_choices" if command_of(item.written) == "select_one_external" else "choices"


def question_of(item: Item, survey: Survey, texts: Texts, lists: Lists, findings: Findings) -> Document:
    """The question as a form file has it, without what its expressions say."""
    found: Document = {"key": item.key, "type": item.ours}
    for name in ("label", "hint"):
        if text := texts.read(survey.columns, item.row, name):
            found[name] = text
    kept = _kept(item, survey, texts)
    if item.kind.list_name:
        _choose(found, kept, item, texts, lists)
    if item.written == "range":
        _range(found, kept, item, survey, findings)
    command = command_of(item.written)
    if (command != written_type(str(found["type"])) and found["type"] != "boolean") or item.ours == "boolean":
        kept["type"] = command
    if kept:
        found["metadata"] = {"xlsform": kept}
    return found


def command_of(written: str) -> str:
    """The type without list and `or_other`, the way XLSForm's reference spells it."""
    from pyxform import aliases
    from pyxform.xls2json import RE_SELECT

    text = " ".join(written.split())
    found = RE_SELECT.search(text)
    if not found:
        return {"begin group": "group", "begin_group": "group", "begin repeat": "repeat", "begin_repeat": "repeat"}.get(text, text)
    name = str(aliases.select[found["select_command"]])
    return {"select one": "select_one", "select all that apply": "select_multiple", "select one external": "select_one_external"}.get(
        name, name
    )


def _kept(item: Item, survey: Survey, texts: Texts) -> Document:
    kept: Document = {}
    if item.name != item.key:
        kept["name"] = item.name
    for name in KEPT:
        if text := survey.text(item, name):
            kept[name] = text
    for name in KEPT_TEXTS:
        if found := texts.read(survey.columns, item.row, name):
            kept[name] = found
    other = {column.header: item.row.cells[column.header] for column in survey.columns.others() if column.header in item.row.cells}
    if other:
        kept["other"] = other
    return kept


def _choose(found: Document, kept: Document, item: Item, texts: Texts, lists: Lists) -> None:
    name = item.kind.list_name
    if is_boolean_list(item):
        found["type"] = "boolean"
        return
    chosen = lists[sheet_of_choices(item), name]
    found["choices"] = labelled(chosen.choices, texts.languages[0])
    if item.kind.other:
        found["other"] = True
        found["choices"] = [choice for choice in found["choices"] if choice["code"] != "other"] or found["choices"]
    if name != item.key:
        kept["list"] = name
    if chosen.media:
        kept["choice_media"] = chosen.media


def range_of(parameters: str, appearance: str) -> Document | None:
    """Type and bounds of a range; None when its parameters are no numbers."""
    words = re.split(r"[\s,;]+", parameters.lower().replace(" =", "=").replace("= ", "="))
    given = dict(part.split("=", 1) for part in words if "=" in part)
    texts = [given.get(name, default) for name, default in (("start", "1"), ("end", "10"), ("step", "1"))]
    try:
        start, end, step = (Decimal(text) for text in texts)
    except InvalidOperation:
        return None
    if not (start.is_finite() and end.is_finite() and step.is_finite()):
        return None
    whole = all(number == number.to_integral_value() for number in (start, end, step)) and max(abs(start), abs(end)) < 2**53
    low, high = sorted((start, end))
    rating = whole and step == 1 and "rating" in appearance.split() and 0 <= low <= high <= MAX_STARS
    kind = "rating" if rating else "integer" if whole else "decimal"
    bounds = [int(number) if number == number.to_integral_value() else float(number) for number in (low, high)]
    return {"type": kind, "min": bounds[0], "max": bounds[1]}


def _range(found: Document, kept: Document, item: Item, survey: Survey, findings: Findings) -> None:
    parameters = survey.text(item, "parameters")
    read = range_of(parameters, survey.text(item, "appearance"))
    place = survey.cell(item, "parameters")
    if read is None:
        findings.fault(place, f"`{parameters[:60]}` has no numbers for start, end and step; write e.g. start=0 end=10 step=1")
        return
    found.update(read)
    if read["type"] == "rating":
        # What we write for a rating by ourselves needs no keeping.
        for name, ours in (("parameters", f"start={read['min']} end={read['max']} step=1"), ("appearance", "rating")):
            if kept.get(name) == ours:
                del kept[name]
    if "step" in parameters and "step=1" not in parameters.replace(" ", ""):
        findings.note(place, "start and end are bounds here; the step is kept, not enforced", parameters)
