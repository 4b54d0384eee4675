"""A workbook as the document of a definition, as a form file has it, with everything that has to be told about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from collect_pipelines.forms.faults import Place, key_fault
from collect_pipelines.forms.xlsform.expressions.answers import Answer, Answers
from collect_pipelines.forms.xlsform.expressions.logic import Logic
from collect_pipelines.forms.xlsform.expressions.rules import Rules
from collect_pipelines.forms.xlsform.files.book import Book, Row
from collect_pipelines.forms.xlsform.findings import Cell, Findings
from collect_pipelines.forms.xlsform.pyxform_verdict import judge
from collect_pipelines.forms.xlsform.sheets.checks import (
    survey_sheet,
    tell_about_lists,
    tell_about_sheets,
    tell_about_size,
    tell_circles,
    tell_names,
)
from collect_pipelines.forms.xlsform.sheets.choice_lists import read_lists
from collect_pipelines.forms.xlsform.sheets.headers import Columns, columns_of
from collect_pipelines.forms.xlsform.sheets.languages import Texts, texts_of
from collect_pipelines.forms.xlsform.sheets.naming import Keys, plain_key, slug_of
from collect_pipelines.forms.xlsform.sheets.own_sheet import Additions, patched_choices, patched_form, patched_questions, read_own_sheet
from collect_pipelines.forms.xlsform.sheets.questions import Lists, question_of, sheet_of_choices
from collect_pipelines.forms.xlsform.sheets.settings import YES_SETTINGS, Settings, read_settings
from collect_pipelines.forms.xlsform.sheets.survey import Item, Survey, read_survey

__all__ = ["Document", "Reading", "reading_of"]

MAX_KEPT_ROWS = 2_000  # rows of sheets that have no place of ours, kept for the way back
Document = dict[str, Any]


def reading_of(book: Book, findings: Findings, *, checked: bool, additions: Additions | None = None) -> "Reading":
    """
    The workbook read as far as its structure; raises FormInvalid.

    checked: pyxform is asked, too. additions: instead of those in the workbook's own sheet.
    """
    columns = columns_of(survey_sheet(book, findings), findings)
    if not columns.has("type"):
        below = next((row.number for row in columns.sheet if "type" in map(str.lower, row.cells.values())), None)
        hint = f"; row {below} looks like it, so remove the rows above" if below else ""
        findings.fault(Cell("survey", columns.sheet.header_row), f"has no column `type`; the first row names the columns{hint}")
    choice_columns = [columns_of(book.sheet(name), findings) for name in ("choices", "external_choices")]
    settings = read_settings(book.sheet("settings"), findings)
    findings.stop_if_faulty()
    texts = texts_of([columns, *choice_columns], settings.get("default_language"), findings)
    duplicates = settings.get("allow_choice_duplicates").lower() in YES_SETTINGS
    lists: Lists = {}
    for one in choice_columns:
        found = read_lists(one, texts, duplicates, findings)
        lists |= {(one.sheet.name, name): chosen for name, chosen in found.items()}
    survey = read_survey(columns, findings)
    tell_about_sheets(book, findings)
    added = read_own_sheet(book.sheet("collect"), findings) if additions is None else additions
    tell_about_size(survey, findings)
    tell_about_lists(survey, lists, findings)
    tell_names(survey, findings)
    tell_circles(survey, findings)
    if checked and not findings.faults:
        judge(book, findings, names={item.name: item.row.number for item in survey.every()})
    findings.stop_if_faulty()
    return Reading(book, survey, choice_columns, texts, lists, settings, added, findings)


@dataclass(slots=True)
class Reading:
    """One workbook on its way to a definition."""

    book: Book
    survey: Survey
    choice_columns: Sequence[Columns]
    texts: Texts
    lists: Lists
    settings: Settings
    added: Additions
    findings: Findings

    def document(self, form: str | None, fallback: str) -> tuple[Document, dict[Place, Item]]:
        """The definition as a form file has it, and where its questions come from. Raises FormInvalid."""
        self.name_keys()
        documents = {item: self._question(item) for item in self.survey.every()}
        self.findings.stop_if_faulty()
        answers = Answers.of(answer for item, document in documents.items() if (answer := _answer(item, document)))
        rules = Rules(self.survey, answers, self.findings)
        logic = Logic(self.survey, answers, self.texts, self.findings, rules)
        for item, document in documents.items():
            logic.read(item, document)
        logic.finish(documents)
        self._tell_in_sum(rules.found)
        questions = _nested(self.survey.items, documents)
        questions, places = patched_questions(questions, self.survey.items, self.added, self.findings)
        whole = self._form(form or slug_of(self.settings.get("form_id") or fallback), questions, rules.found)
        whole = patched_form(whole, self.added, answers.plain, self.findings)
        return ({**whole, "form": form} if form else whole), places

    def name_keys(self) -> None:
        keys = Keys()
        for item in self.survey.every():
            given = self.added.questions.get(item.path, {}).get("key")
            if isinstance(given, str) and key_fault(given) is None:
                item.key = given
                keys.take(given)
        # A name that can be a key keeps it, whatever stands above: `Age` in row 2 must not turn `age` in row 3 into age_2.
        for item in self.survey.every():
            if not item.key and plain_key(item.name) == item.name and keys.is_free(item.name):
                item.key = keys.give(item.name, None)
        for item in self.survey.every():
            if not item.key:
                item.key = keys.give(item.name, item.parent.key if item.parent else None)
                if item.key != item.name and item.key != item.name.lower():
                    self.findings.note(
                        self.survey.cell(item, "name"),
                        f"is called {item.key} here: keys are made of a-z, 0-9 and _, unique and not reserved",
                        item.name,
                    )

    def _question(self, item: Item) -> Document:
        document = question_of(item, self.survey, self.texts, self.lists, self.findings)
        patch = self.added.questions.get(item.path, {})
        if isinstance(patch.get("type"), str):
            document["type"] = patch["type"]
        if "choices" in document:
            document["choices"] = patched_choices(document["choices"], self.added.choices.get(item.path, {}))
        return document

    def _form(self, slug: str, questions: Sequence[Document], rules: Sequence[Document]) -> Document:
        title = self.settings.get("form_title") or self.settings.get("form_id") or slug
        document: Document = {"form": slug, "title": {self.texts.languages[0]: title}, "languages": list(self.texts.languages)}
        if rules:
            document["rules"] = list(rules)
        document["questions"] = list(questions)
        if kept := self._kept(slug):
            document["metadata"] = {"xlsform": kept}
        return document

    def _kept(self, slug: str) -> Document:
        """What the workbook says about the form and no question has."""
        kept: Document = {}
        if settings := self.settings.kept(slug):
            kept["settings"] = settings
        if names := self.texts.unusual_names:
            kept["languages"] = names
        if self.survey.external:
            kept["external"] = [self._plain_cells(self.survey.columns, item.row) for item in self.survey.external]
        for name in ("entities", "osm"):
            if rows := self.book.sheet(name).rows:
                kept[name] = [dict(row.cells) for row in rows[:MAX_KEPT_ROWS]]
        used = {(sheet_of_choices(item), item.kind.list_name) for item in self.survey.every()}
        for columns in self.choice_columns:
            unused = [row for row in columns.sheet if (columns.sheet.name, columns.text(row, "list_name")) not in used]
            if unused:
                kept[f"unused_{columns.sheet.name}"] = [self._plain_cells(columns, row) for row in unused[:MAX_KEPT_ROWS]]
                if len(unused) > MAX_KEPT_ROWS:
                    place = columns.cell(unused[MAX_KEPT_ROWS], "list_name")
                    self.findings.note(place, f"no question uses this list; of such rows the first {MAX_KEPT_ROWS:,} are kept")
        return kept

    def _plain_cells(self, columns: Columns, row: Row) -> dict[str, str]:
        """The cells of a row by the plain names of their columns, languages as tags."""
        found = {}
        for column in columns.all:
            if column.header in row.cells:
                tag = self.texts.tags.get(column.language or "")
                found[f"{column.name}::{tag}" if tag else column.name] = row.cells[column.header]
        return found

    def _tell_in_sum(self, rules: Sequence[Document]) -> None:
        """What concerns many rows alike is told once."""
        calculated = sum(bool(self.survey.text(item, "calculation")) for item in self.survey.every())
        if calculated:
            self.findings.note(
                None, f"{_counted(calculated, 'calculation')} kept, not computed here: the client that collects sends the value"
            )
        on_days = sum("today()" in rule["expression"] for rule in rules)
        if on_days:
            self.findings.note(
                None,
                f"{_counted(on_days, 'rule')} made with today(): a day begins at midnight UTC here, and where the client is for it; "
                "write the `timezone` of the people who answer into the form file",
            )
        for row in self.survey.external:
            self.findings.note(
                self.survey.cell(row, "name"),
                "names a file of data, which is not read; expressions that use it are kept, not checked",
                row.name,
            )


def _answer(item: Item, document: Document) -> Answer | None:
    kind = str(document["type"])
    if kind in ("note", "group"):
        return None
    codes = tuple(choice["code"] for choice in document.get("choices", ()))
    acknowledged = document.get("metadata", {}).get("xlsform", {}).get("type") in ("acknowledge", "trigger")
    return Answer(item.name, item.key, kind, item.repeats(), codes, bool(document.get("other")), "OK" if acknowledged else "true")


def _nested(items: Sequence[Item], documents: Mapping[Item, Document]) -> list[Document]:
    return [{**documents[item], "questions": _nested(item.children, documents)} if item.children else documents[item] for item in items]


def _counted(count: int, what: str) -> str:
    return f"one {what} is" if count == 1 else f"{count:,} {what}s are"
