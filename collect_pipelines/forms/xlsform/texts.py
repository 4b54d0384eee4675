"""Texts in several languages: which languages a workbook has, and what its cells say in each."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from collect_pipelines.forms.faults import clean_text
from collect_pipelines.forms.fields import DEFAULT_LANGUAGE, MAX_TEXT
from collect_pipelines.forms.xlsform.book import Row
from collect_pipelines.forms.xlsform.findings import Cell, Findings
from collect_pipelines.forms.xlsform.headers import TEXT_COLUMNS, Columns
from collect_pipelines.forms.xlsform.languages import language_name, language_tag, tags_of

__all__ = ["Texts", "texts_of"]

MAX_NAME = 100  # characters of a language's name


@dataclass(frozen=True, slots=True)
class Texts:
    """How languages are written in this workbook."""

    tags: Mapping[str, str]
    """BCP-47 tag by name as written behind `::`."""
    plain: str
    """Tag of texts in columns without a language."""
    languages: tuple[str, ...]
    """All tags, the default language first."""
    findings: Findings

    def read(self, columns: Columns, row: Row, name: str) -> dict[str, str]:
        """Text by language of one column; in two columns of one language the one that names it counts."""
        found: dict[str, str] = {}
        for language, text in sorted(columns.texts(row, name), key=lambda pair: pair[0] is None):
            place = columns.cell(row, name)
            try:
                clean_text(text, MAX_TEXT)
            except ValueError as exc:
                self.findings.fault(place, str(exc))
                continue
            tag = self.plain if language is None else self.tags[language]
            if found.setdefault(tag, text) != text:
                self.findings.note(place, f"is left out: there is a text in {language_name(tag)}, too", text)
        return {tag: found[tag] for tag in self.languages if tag in found}

    @property
    def unusual_names(self) -> dict[str, str]:
        """Names by tag that would not be written this way again."""
        return {tag: name for name, tag in self.tags.items() if name != language_name(tag)}


def texts_of(sheets: Iterable[Columns], default_language: str, findings: Findings) -> Texts:
    """The languages of the sheets. default_language: as the settings sheet names it; blank when it does not."""
    used = list(_languages(sheets))
    names = list(dict.fromkeys(language for language, _ in used if language is not None))
    if default_language and default_language not in names and language_tag(default_language) not in map(language_tag, names):
        names.insert(0, default_language)
    tags = tags_of(names)
    for name, tag in tags.items():
        if len(name) > MAX_NAME:
            cell = next((cell for language, cell in used if language == name), Cell("settings", None, "default_language"))
            findings.fault(Cell(cell.sheet, cell.row), f"names a language with {len(name)} characters, at most {MAX_NAME} are possible")
        elif tag.startswith("und-x-"):
            cell = next((cell for language, cell in used if language == name), Cell("settings", None, "default_language"))
            findings.note(
                cell, f"the language is not known here and is called {tag}; write its tag behind it, e.g. label::Hindi (hi)", name
            )
    first = _tag_of(default_language, tags) if default_language else None
    plain = first or DEFAULT_LANGUAGE
    there = [plain] if not names or first or any(language is None for language, _ in used) else []
    return Texts(tags, plain, tuple(dict.fromkeys([*there, *tags.values()])), findings)


def _languages(sheets: Iterable[Columns]) -> Iterator[tuple[str | None, Cell]]:
    for columns in sheets:
        for column in columns.all:
            filled = next((row.number for row in columns.sheet if column.header in row.cells), None)
            if column.name in TEXT_COLUMNS and (filled is not None or column.language is not None):
                yield column.language, Cell(columns.sheet.name, columns.sheet.header_row, column.header)


def _tag_of(name: str, tags: Mapping[str, str]) -> str | None:
    return tags.get(name) or next((tag for tag in tags.values() if tag == language_tag(name)), None)
