"""A definition as the sheets of an XLSForm workbook."""

from collections.abc import Iterable, Mapping
from typing import Any

from collect_pipelines.forms.definition import Choice, Question
from collect_pipelines.forms.xlsform.export.expressions import Expressions, is_range, range_parameters
from collect_pipelines.forms.xlsform.export.layout import Layout, Written, kept_of
from collect_pipelines.forms.xlsform.files.book import Book, Row, Sheet
from collect_pipelines.forms.xlsform.files.writing import cell_of, label_of
from collect_pipelines.forms.xlsform.sheets.choice_lists import MEDIA
from collect_pipelines.forms.xlsform.sheets.headers import CHOICE_COLUMNS, SURVEY_COLUMNS, TEXT_COLUMNS, is_other
from collect_pipelines.forms.xlsform.sheets.kinds import kind_of, written_type
from collect_pipelines.forms.xlsform.sheets.languages import language_name
from collect_pipelines.forms.xlsform.sheets.naming import slug_of
from collect_pipelines.forms.xlsform.sheets.questions import BOOLEAN_LIST, KEPT, KEPT_TEXTS

__all__ = ["book_of_definition"]

_YES_NO = {
    "true": {"en": "Yes", "hi": "हाँ", "fr": "Oui", "es": "Sí", "pt": "Sim", "sw": "Ndiyo"},
    "false": {"en": "No", "hi": "नहीं", "fr": "Non", "es": "No", "pt": "Não", "sw": "Hapana"},
}
_ORDER = (
    "type", "name", "label", "hint", "guidance_hint", "required", "required_message", "relevant", "constraint", "constraint_message",
    "choice_filter", "calculation", "default", "read_only", "appearance", "parameters", "repeat_count", "trigger",
)  # fmt: skip


def book_of_definition(layout: Layout, expressions: Expressions) -> Book:
    """The workbook, without our own sheet."""
    writer = _Writer(layout, expressions)
    survey = [cells for item in layout.items for cells in writer.rows(item)]
    survey += [writer.plain_cells(cells) for cells in _mappings(writer.kept.get("external"))]
    choices, external = writer.choices("choices"), writer.choices("external_choices")
    sheets = {
        "survey": _sheet("survey", survey, (*_ORDER, *SURVEY_COLUMNS), writer.languages_named),
        "choices": _sheet("choices", choices, CHOICE_COLUMNS, ()),
        "external_choices": _sheet("external_choices", external, CHOICE_COLUMNS, ()),
        "settings": _sheet("settings", [writer.settings()], ("form_title", "form_id", "version", "default_language"), ()),
    }
    for name in ("entities", "osm"):
        sheets[name] = _sheet(name, [dict(cells) for cells in _mappings(writer.kept.get(name))], (), ())
    return Book(layout.definition.form, {name: sheet for name, sheet in sheets.items() if sheet.rows})


class _Writer:
    def __init__(self, layout: Layout, expressions: Expressions) -> None:
        self.layout, self.expressions = layout, expressions
        self.definition = layout.definition
        self.kept = kept_of(self.definition.metadata)
        self.names = set(layout.answers.by_name)
        named = self.kept.get("languages")
        unusual = {tag: name for tag, name in named.items() if isinstance(name, str) and name} if isinstance(named, dict) else {}
        self.called = {tag: unusual.get(tag) or language_name(tag) for tag in self.definition.languages}
        self.alone = self.definition.languages == ("en",)
        self.languages_named = () if self.alone else tuple(f"label::{self.called[tag]}" for tag in self.definition.languages)
        self.lists: dict[str, dict[str, list[dict[str, str]]]] = {"choices": {}, "external_choices": {}}
        self.duplicates = False

    def rows(self, item: Written) -> list[dict[str, str]]:
        """The row of a question; of a group its rows from begin to end."""
        question = item.question
        cells = {"type": self.type_of(item), "name": item.name}
        for name, labels in (("label", question.label), ("hint", question.hint)):
            cells |= self.texts(name, labels)
        if len([text for text in cells.values() if text]) == 2 and _is_shown(cells["type"]):  # nothing to read yet
            cells |= self.texts("label", {self.definition.languages[0]: question.key})
        cells |= {column: cell_of(text) for column, text in self.expressions.of(item.path)}
        cells |= self.messages(item)
        cells |= self.kept_cells(item)
        if is_range(item):
            cells["parameters"] = range_parameters(question, item.kept)
            if question.type == "rating":
                cells["appearance"] = cells.get("appearance") or "rating"
        rows = [{column: text for column, text in cells.items() if text}]
        if question.type in ("group", "repeat"):
            rows += [row for child in item.children for row in self.rows(child)]
            rows.append({"type": f"end_{question.type}"})
        return rows

    def messages(self, item: Written) -> dict[str, str]:
        """Messages of constraint and required: those of the rule that is written there, else those of the question."""
        question, said = item.question, self.expressions
        constraint = said.messages.get(item.path) or question.constraint_message
        required = said.required_messages.get(item.path) or question.required_message
        return self.texts("constraint_message", constraint) | self.texts("required_message", required)

    def kept_cells(self, item: Written) -> dict[str, str]:
        """What an import kept, back in its columns."""
        cells: dict[str, str] = {}
        for name in KEPT:
            if isinstance(item.kept.get(name), str):
                cells[name] = cell_of(item.kept[name])
        for name in KEPT_TEXTS:
            if isinstance(item.kept.get(name), dict):
                cells |= self.texts(name, item.kept[name])
        other = item.kept.get("other")
        for header, text in other.items() if isinstance(other, dict) else ():
            if isinstance(text, str) and cell_of(header) == header and is_other(header):
                cells[header] = cell_of(text)
        return cells

    def texts(self, name: str, labels: Mapping[str, Any]) -> dict[str, str]:
        """A text in every language of the form it is there in."""
        known = {tag: text for tag, text in labels.items() if tag in self.called and isinstance(text, str)}
        return {self.header(name, tag): label_of(text, self.names) for tag, text in known.items()}

    def header(self, name: str, tag: str) -> str:
        return name if self.alone else f"{name}::{self.called[tag]}"

    def type_of(self, item: Written) -> str:
        question, kept = item.question, item.kept.get("type")
        if question.type in ("select_one", "select_multiple"):
            return self.select_of(item)
        if question.type in ("group", "repeat"):
            return f"begin_{question.type}"
        if is_range(item):
            return "range"
        if isinstance(kept, str):
            kind = kind_of(kept)
            if kind is not None and not kind.list_name and kind.ours == question.type:
                return kept
        if question.type == "boolean":
            self.lists["choices"][BOOLEAN_LIST] = [
                {"list_name": BOOLEAN_LIST, "name": code, **self.texts("label", _in_languages(labels, self.definition.languages))}
                for code, labels in _YES_NO.items()
            ]
            return f"select_one {BOOLEAN_LIST}"
        return "integer" if question.type == "rating" else written_type(question.type)

    def select_of(self, item: Written) -> str:
        question = item.question
        command = item.kept.get("type")
        filtered = (item.path, "choice_filter") in self.expressions.cells
        external = command == "select_one_external" and question.type == "select_one" and filtered
        if not external and not (command == "rank" and question.type == "select_multiple"):
            command = question.type
        rows = [row for choice in question.choices if not choice.retired for row in self.choice(question, choice, item.kept)]
        name = self.list_name(str(item.kept.get("list") or question.key), question.key, rows, "external_choices" if external else "choices")
        other = question.other and not question.choices_by and f"{item.name}_other" not in self.names and not external and command != "rank"
        return f"{command} {name}{' or_other' if other else ''}"

    def list_name(self, wanted: str, key: str, rows: list[dict[str, str]], sheet: str) -> str:
        """The list with these rows: one of the same name and content, else a new one."""
        lists = self.lists[sheet]
        name = wanted if cell_of(wanted) == wanted and len(wanted.split()) == 1 and "$" not in wanted and "." not in wanted else key
        number = 1
        while (name in lists and [{**row, "list_name": name} for row in rows] != lists[name]) or name == BOOLEAN_LIST:
            number += 1
            name = f"{key}_{number}"
        lists[name] = [{**row, "list_name": name} for row in rows]
        return name

    def choice(self, question: Question, choice: Choice, kept: Mapping[str, Any]) -> list[dict[str, str]]:
        """The rows of a choice: several when it belongs to several values of what it is filtered by."""
        labels = {header: text for header, text in self.texts("label", choice.label).items() if text}
        cells = {"list_name": "", "name": choice.code, **(labels or self.texts("label", {self.definition.languages[0]: choice.code}))}
        media = kept.get("choice_media")
        own_media = media.get(choice.code) if isinstance(media, dict) else None
        for name in MEDIA:
            if isinstance(own_media, dict) and isinstance(own_media.get(name), dict):
                cells |= self.texts(name, own_media[name])
        several: dict[str, tuple[str, ...]] = {}
        for name, value in choice.attributes.items():
            if not _is_column(name):
                continue
            if isinstance(value, str):
                cells[name] = cell_of(value)
            elif name in question.choices_by:
                several[name] = value
        if len(several) != 1:
            return [cells]
        (name, values), *_ = several.items()
        self.duplicates = True
        return [{**cells, name: cell_of(value)} for value in values]

    def choices(self, sheet: str) -> list[dict[str, str]]:
        used = [row for rows in self.lists[sheet].values() for row in rows]
        unused = [self.plain_cells(cells) for cells in _mappings(self.kept.get(f"unused_{sheet}"))]
        return used + [row for row in unused if row.get("list_name") and row.get("name") and row["list_name"] not in self.lists[sheet]]

    def plain_cells(self, cells: Mapping[str, Any]) -> dict[str, str]:
        """Cells kept under plain names of columns, with the names of languages as this workbook writes them."""
        found: dict[str, str] = {}
        for name, text in cells.items():
            column, _, tag = str(name).rpartition("::")
            if column in TEXT_COLUMNS and tag in self.called:
                name = self.header(column, tag)
            elif name in TEXT_COLUMNS:
                name = self.header(str(name), self.definition.languages[0])
            found[str(name)] = cell_of(str(text))
        return found

    def settings(self) -> dict[str, str]:
        first = self.definition.languages[0]
        title = self.definition.title.get(first) or next(iter(self.definition.title.values()), self.definition.form)
        cells = {"form_title": label_of(title, self.names), "form_id": self.definition.form}
        if not self.alone:
            cells["default_language"] = self.called[first]
        kept = self.kept.get("settings")
        for name, text in kept.items() if isinstance(kept, dict) else ():
            if not isinstance(text, str) or cell_of(name) != name or name in ("form_title", "default_language"):
                continue
            if name != "form_id" or slug_of(cell_of(text)) == self.definition.form:
                cells[name] = cell_of(text)
        if self.duplicates:
            cells["allow_choice_duplicates"] = "yes"
        return {name: text for name, text in cells.items() if text}


def _is_shown(written: str) -> bool:
    """Whether people see it, and so need something to read."""
    from pyxform.question_type_dictionary import QUESTION_TYPE_DICT

    entry = QUESTION_TYPE_DICT.get(written)
    if entry is None:
        return not written.startswith("begin_")
    return entry.get("control", {}).get("tag", "action") != "action" and written != "background-geopoint"


def _in_languages(labels: Mapping[str, str], languages: Iterable[str]) -> dict[str, str]:
    return {tag: labels.get(tag.partition("-")[0], labels["en"]) for tag in languages}


def _is_column(name: str) -> bool:
    """Whether an attribute can be a column: a name of XML that no column of XLSForm has."""
    from pyxform.parsing.expression import is_xml_tag

    return bool(is_xml_tag(name)) and ":" not in name and is_other(name, choices=True)


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _sheet(name: str, rows: list[dict[str, str]], order: Iterable[str], always: Iterable[str]) -> Sheet:
    """The rows with a header in reading order; `always` are headers that are there even when their column is blank."""
    used = dict.fromkeys(header for cells in rows for header in cells)
    used.update(dict.fromkeys(always))
    rank = {header: index for index, header in enumerate(dict.fromkeys(order))}
    place = {header: index for index, header in enumerate(used)}

    def position(header: str) -> tuple[int, int]:
        plain = header if header in rank else header.rpartition("::")[0]
        return rank.get(plain, len(rank)), place[header]

    headers = tuple(sorted(used, key=position))
    return Sheet(
        name, headers, tuple(Row(number, {h: text for h, text in cells.items() if text}) for number, cells in enumerate(rows, start=2))
    )
