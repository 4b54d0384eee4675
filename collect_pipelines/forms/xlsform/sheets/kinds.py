"""Every question type of XLSForm and what it becomes here; the types not listed by name follow from what pyxform says of them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

__all__ = ["KINDS", "Kind", "kind_of", "written_type"]


@dataclass(frozen=True, slots=True)
class Kind:
    """What an XLSForm type becomes."""

    ours: str
    """Our question type; `begin` and `end` of groups, `external` for data files, `refused`."""
    note: str = ""
    """What is told when it is used; for `refused` the reason."""
    list_name: str = ""
    """For selects."""
    other: bool = False
    """For selects: `or_other`."""
    constraint: str = ""
    """A constraint that the type brings along."""


_LINE = "is text here: points separated by `;`, each latitude, longitude, altitude and accuracy separated by blanks"
_FILE = "has its choices in a file, which is not read; write them into the choices sheet and use {instead}"

KINDS: dict[str, Kind] = {
    "text": Kind("text"),
    "integer": Kind("integer"),
    "decimal": Kind("decimal"),
    "range": Kind("integer"),
    "date": Kind("date"),
    "time": Kind("time"),
    "dateTime": Kind("datetime"),
    "geopoint": Kind("geopoint"),
    "geotrace": Kind("text", note=_LINE),
    "geoshape": Kind("text", note=_LINE),
    "start-geopoint": Kind("geopoint"),
    "background-geopoint": Kind("geopoint"),
    "image": Kind("file"),
    "audio": Kind("file"),
    "video": Kind("file"),
    "file": Kind("file"),
    "background-audio": Kind("file"),
    "audit": Kind("file"),
    "osm": Kind("file", note="is a file here; its tags are kept, not asked"),
    "barcode": Kind("text"),
    "acknowledge": Kind("boolean"),
    "trigger": Kind("boolean"),
    "note": Kind("note"),
    "hidden": Kind("hidden"),
    "calculate": Kind("hidden"),
    "start": Kind("datetime"),
    "end": Kind("datetime"),
    "today": Kind("date"),
    **dict.fromkeys(("deviceid", "username", "phonenumber", "email", "subscriberid", "simserial"), Kind("hidden")),
    "csv-external": Kind("external"),
    "xml-external": Kind("external"),
    "begin_group": Kind("group"),
    "begin_repeat": Kind("repeat"),
    "end_group": Kind("end group"),
    "end_repeat": Kind("end repeat"),
}
"""The types without a list of choices, by the name XLSForm's reference gives them."""

SELECTS = {
    "select one": "select_one",
    "select all that apply": "select_multiple",
    "select one external": "select_one",
    "rank": "select_multiple",
}
_SPELLED = {
    "photo": "image",
    "string": "text",
    "int": "integer",
    "datetime": "dateTime",
    "date time": "dateTime",
    "gps": "geopoint",
    "location": "geopoint",
}
_LISTED = ("select_one", "select_multiple", "rank", "select_one_external")
_MEANT = {
    **dict.fromkeys(("number", "numeric"), "integer or decimal"),
    **dict.fromkeys(("float", "double"), "decimal"),
    **dict.fromkeys(("boolean", "bool", "dropdown", "radio", "choice"), "select_one LIST"),
    **dict.fromkeys(("checkbox", "checkboxes", "multiselect"), "select_multiple LIST"),
    **dict.fromkeys(("textarea", "paragraph", "str"), "text"),
}
"""What other programs call it."""
_BEGIN = re.compile(r"(begin|end)[ _](group|repeat|lgroup|looped group|loop)(?: (?:over )?(\S+))?")
_LOOP = "repeats questions over a list of choices, which XLSForm itself has given up; write a group per choice, or a repeat"
_FROM_ANSWERS = "takes its choices from earlier answers; write them into the choices sheet, or ask for text"
_BOUND_TYPES = {
    "string": "text", "int": "integer", "decimal": "decimal", "date": "date", "time": "time", "dateTime": "datetime",
    "geopoint": "geopoint", "geotrace": "text", "geoshape": "text", "binary": "file", "barcode": "text",
}  # fmt: skip


def kind_of(written: str) -> Kind | None:
    """What the type is here; None when XLSForm has no such type."""
    text = " ".join(written.split())
    known = KINDS.get(text) or KINDS.get(_SPELLED.get(text, ""))
    if known:
        return known
    bracket = _BEGIN.fullmatch(text)
    if bracket:
        return _bracket(bracket)
    return _select(text) or _osm(text) or _by_pyxform(text)


def written_type(kind: str) -> str:
    """How one of our types is written when the workbook it came from did not say."""
    return {"datetime": "dateTime", "email": "text", "url": "text", "phone": "text", "rating": "range"}.get(kind, kind)


def suggestion(written: str) -> str:
    """The type that was perhaps meant, to end a message with."""
    command, _, rest = " ".join(written.split()).partition(" ")
    if command in _LISTED and not rest:
        return f"; name the list of choices behind it, e.g. {command} yes_no"
    if command in _LISTED and " " in rest:
        return f"; a list's name has no spaces: write {command} {'_'.join(rest.split())[:60]}, and the same in the choices sheet"
    word = "_".join(written.split()).lower()[:60]
    if command.lower() in _MEANT:
        return f"; did you mean {_MEANT[command.lower()]}?"
    names = [*KINDS, "select_one", "select_multiple", "rank", "select_one_from_file"]
    lower = {name.lower(): name for name in names}
    near = get_close_matches(word, lower, n=1) or get_close_matches(word.partition("_from")[0].rpartition("_")[0] or word, lower, n=1)
    return f"; did you mean {lower[near[0]]}?" if near else "; see the table in docs/xlsform.md"


def _bracket(found: re.Match[str]) -> Kind:
    what = {"group": "group", "loop": "loop"}.get(found[2], "repeat")
    if found[1] == "end":
        return Kind("end group" if what == "group" else "end repeat")
    return Kind("refused", note=_LOOP) if what == "loop" else Kind(what)


def _select(text: str) -> Kind | None:
    from pyxform import aliases
    from pyxform.xls2json import RE_SELECT

    found = RE_SELECT.search(text)
    if not found:
        return None
    command, list_name = found["select_command"], found["list_name"]
    ours = SELECTS[aliases.select[command]]
    if command in aliases.select_from_file:
        return Kind("refused", note=_FILE.format(instead=f"{ours} LIST"))
    if "${" in list_name:
        return Kind("refused", note=_FROM_ANSWERS)
    return Kind(ours, list_name=list_name, other=found["specify_other"] is not None)


def _osm(text: str) -> Kind | None:
    return KINDS["osm"] if text.startswith("osm ") else None


def _by_pyxform(text: str) -> Kind | None:
    from pyxform.question_type_dictionary import QUESTION_TYPE_DICT

    entry: Mapping[str, Any] | None = QUESTION_TYPE_DICT.get(text)
    if entry is None or text.startswith(("select", "q select", "add select", "rank")):
        return None
    bind = entry.get("bind", {})
    tag = entry.get("control", {}).get("tag")
    if tag == "trigger":
        return Kind("boolean")
    if bind.get("readonly") == "true()":
        return Kind("note")
    ours = _BOUND_TYPES.get(bind.get("type", ""))
    if ours is None:
        return None
    # Without anything to fill in, a text is what the client computes or knows.
    return Kind("hidden" if ours == "text" and tag is None else ours, constraint=bind.get("constraint", ""))
