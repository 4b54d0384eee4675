"""Entries of a slang lexicon, and the CSV they are written in: every fault is named with its line and column."""

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, get_args

from collect_pipelines.checks.slang.folding import tokens_of
from collect_pipelines.checks.slang.scripts import script_of
from collect_pipelines.errors import ReferenceInvalid
from collect_pipelines.model import Severity

__all__ = ["COLUMNS", "Defaults", "Term", "clean_language", "decoded", "read_lexicon", "term_fault"]

COLUMNS = ("term", "script", "language", "region", "severity", "meaning", "variants", "source", "licence")
NEEDED = ("term", "language")

# Bounds of one file: larger than any known list, small enough for memory.
MAX_BYTES = 20 * 1024 * 1024
MAX_ROWS = 200_000
MAX_FAULTS = 50  # nobody reads more in one go
MAX_TERM = 100  # characters of a term or variant
MAX_VARIANTS = 50
MAX_TEXT = 500  # characters of a meaning, source or licence

_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{1,8}){0,4}", re.IGNORECASE)
_SCRIPT = re.compile(r"[A-Z][a-z]{3}")
_REGION = re.compile(r"([A-Z]{2}|[0-9]{3})(-[A-Z0-9]{1,3})?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Term:
    """One slang word or phrase of one language, with the spellings it is also written in."""

    term: str
    language: str
    """BCP-47, e.g. `hi`, `hi-Latn`, `en-IN`; `und` belongs to every language."""
    script: str
    """ISO 15924, of the term; variants may be in other scripts."""
    region: str = ""
    severity: Severity = "note"
    meaning: str = ""
    variants: tuple[str, ...] = ()
    source: str = ""
    licence: str = ""

    def as_row(self) -> dict[str, Any]:
        """What is stored per entry; source and licence belong to the list."""
        row = {name: value for name, value in asdict(self).items() if value and name not in ("source", "licence")}
        return {**row, "variants": list(self.variants)} if self.variants else row

    @staticmethod
    def of_row(row: Mapping[str, Any]) -> "Term":
        """The entry of a stored row."""
        known = {name: row[name] for name in Term.__slots__ if name in row}
        return Term(**{"script": script_of(row["term"]), **known, "variants": tuple(row.get("variants", ()))})


@dataclass(frozen=True, slots=True)
class Defaults:
    """What an importer says for all entries of a file that do not say it themselves."""

    language: str = ""
    script: str = ""
    region: str = ""
    severity: str = ""
    source: str = ""
    licence: str = ""


def read_lexicon(content: bytes, name: str, defaults: Defaults = Defaults()) -> list[Term]:
    """
    The entries of a lexicon in CSV: UTF-8, commas, a heading line with the names of `COLUMNS` in any order.

    `term` and `language` are needed, source and licence too, here or in `defaults`. Raises ReferenceInvalid listing every fault
    (50 at most) as `name:line: column: what to do`.
    """
    text = decoded(content, name)
    faults: list[str] = []
    terms: list[Term] = []
    seen: dict[tuple[str, str, str], int] = {}
    licences: dict[str, tuple[str, int]] = {}
    for line, row in _rows(text, name, faults):
        term = _term(row, defaults, f"{name}:{line}", faults)
        if term is not None:
            first = seen.setdefault((term.source, term.language, tokens_of(term.term).text), line)
            if first != line:
                faults.append(f"{name}:{line}: term: is in line {first} already for {term.language}; put both in one line")
            licence, at = licences.setdefault(term.source, (term.licence, line))
            if licence != term.licence:
                faults.append(f"{name}:{line}: licence: line {at} names another for the same source; a source has one licence")
            terms.append(term)
        if len(faults) >= MAX_FAULTS:
            break
    if not terms and not faults:
        faults.append(f"{name}:2: term: the file has no entries")
    if faults:
        raise ReferenceInvalid(
            "The lexicon can't be used.", problems=faults[:MAX_FAULTS], fix="Correct the places named and import it again."
        )
    return terms


def decoded(content: bytes, name: str) -> str:
    """The text of a file, of bounded size. Raises ReferenceInvalid when it is not UTF-8."""
    if len(content) > MAX_BYTES:
        raise ReferenceInvalid(f"{name} is larger than {MAX_BYTES // 1024 // 1024} MiB.", fix="Import it in parts, with a source each.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = content.count(b"\n", 0, exc.start) + 1
        raise ReferenceInvalid(f"{name}:{line}: not UTF-8.", fix="Save the file as UTF-8 and import it again.") from None


def clean_language(tag: str) -> str | None:
    """The BCP-47 tag in its usual case (`hi-Latn`, `en-IN`); None when it is none."""
    if not _LANGUAGE.fullmatch(tag):
        return None
    first, *rest = tag.split("-")
    return "-".join([first.lower(), *(_subtag(part) for part in rest)])


def term_fault(term: str) -> str | None:
    """What keeps the term or variant from being searched; None when nothing does."""
    if len(term) > MAX_TERM:
        return f"longer than {MAX_TERM} characters"
    if _CONTROL.search(term):
        return "has control characters; remove them"
    if not any(unicodedata.category(letter)[0] in "LNS" for letter in tokens_of(term).text):
        return "has no letter, digit or picture that could be searched"
    return None


def _subtag(part: str) -> str:
    if len(part) == 4 and part.isalpha():
        return part.title()
    return part.upper() if len(part) == 2 and part.isalpha() else part.lower()


def _rows(text: str, name: str, faults: list[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Line and cells by column of each entry; faults of the table itself end it."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    headings: list[str] | None = None
    line = 1
    try:
        for number, cells in enumerate(reader):
            if number > MAX_ROWS:
                faults.append(f"{name}:{line}: more than {MAX_ROWS} entries; import the file in parts, with a source each")
                return
            if headings is None:
                headings = [cell.strip().lower() for cell in cells]
                heading_faults = list(_heading_faults(headings, f"{name}:{line}"))
                if heading_faults:
                    faults += heading_faults
                    return
            elif len(cells) != len(headings) and any(cells):
                faults.append(
                    f"{name}:{line}: has {len(cells)} cells, the heading has {len(headings)}; put quotes around cells with commas"
                )
            elif any(cells):
                yield line, dict(zip(headings, (cell.strip() for cell in cells), strict=True))
            line = reader.line_num + 1
    except csv.Error as exc:
        faults.append(f"{name}:{line}: not CSV ({exc}); write it with a spreadsheet or a CSV library")
    if headings is None and not faults:
        faults.append(f"{name}:1: the file is empty; its first line names the columns: {','.join(COLUMNS)}")


def _heading_faults(headings: Sequence[str], place: str) -> Iterator[str]:
    unknown = [heading for heading in headings if heading not in COLUMNS]
    if unknown:
        yield f"{place}: {_shown(unknown[0])}: no such column; the columns are {', '.join(COLUMNS)}, separated by commas"
    for heading in NEEDED:
        if heading not in headings and not unknown:
            yield f"{place}: {heading}: the column is missing"
    for heading in COLUMNS:
        if headings.count(heading) > 1:
            yield f"{place}: {heading}: the column is there twice"


def _term(row: Mapping[str, str], defaults: Defaults, place: str, faults: list[str]) -> Term | None:
    """The entry of a row; None, and its faults noted, when it has any."""
    values = {column: row.get(column) or getattr(defaults, column, "") for column in COLUMNS}
    variants = tuple(dict.fromkeys(part.strip() for part in values["variants"].split("|") if part.strip()))
    values["script"] = values["script"] or script_of(values["term"])
    found = [f"{place}: {column}: {fault}" for column, fault in _cell_faults(values, variants)]
    faults += found
    if found:
        return None
    severity: Any = values["severity"] or "note"
    language = clean_language(values["language"])
    assert language is not None, "a tag that is none is a fault"
    fixed = {name: values[name] for name in ("term", "script", "region", "meaning", "source", "licence")}
    return Term(**fixed, language=language, severity=severity, variants=variants)


def _cell_faults(values: Mapping[str, str], variants: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Column and what is wrong there."""
    if not values["term"]:
        yield "term", "is empty"
    elif fault := term_fault(values["term"]):
        yield "term", fault
    if not clean_language(values["language"]):
        yield "language", "must be a BCP-47 tag such as hi, hi-Latn or en-IN; give --language for a file that names none"
    if not _SCRIPT.fullmatch(values["script"]):
        yield "script", "must be an ISO 15924 code such as Deva or Latn, or empty"
    elif values["script"] != (written := script_of(values["term"])) and values["term"]:
        yield "script", f"says {values['script']}, but the term is written in {written}; leave it empty"
    if values["region"] and not _REGION.fullmatch(values["region"]):
        yield "region", "must be a country or part of one, such as IN or IN-MH, or empty"
    if values["severity"] and values["severity"] not in get_args(Severity):
        yield "severity", f"must be {', '.join(get_args(Severity))} or empty"
    for variant in variants[:MAX_VARIANTS]:
        if fault := term_fault(variant):
            yield "variants", fault
    if len(variants) > MAX_VARIANTS:
        yield "variants", f"more than {MAX_VARIANTS}"
    for column in ("meaning", "source", "licence"):
        if len(values[column]) > MAX_TEXT:
            yield column, f"longer than {MAX_TEXT} characters"
        elif _CONTROL.search(values[column]):
            yield column, "has control characters or line breaks; remove them"
    for column in ("source", "licence"):
        if not values[column]:
            yield column, f"is empty; give --{column} for a file that names none"


def _shown(heading: str) -> str:
    return repr(heading[:40])
