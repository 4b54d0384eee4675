"""Reading the word lists others publish. None is shipped: their users fetch them, and name source and licence on import."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from collect_pipelines.checks.slang.javascript import words_of
from collect_pipelines.checks.slang.lexicon import Defaults, Term, clean_language, decoded, read_lexicon, term_fault
from collect_pipelines.checks.slang.scripts import script_of
from collect_pipelines.errors import ReferenceInvalid
from collect_pipelines.forms.xlsform.sheets.languages import language_tag
from collect_pipelines.model import Severity

__all__ = ["FORMATS", "MADE_BY_CODE", "WILDCARD", "PublicList", "Reading", "read_list"]

MAX_ENTRIES = 200_000
WILDCARD = "the `*` is left out: the bare word is searched"
MADE_BY_CODE = "is a template that code fills in (`${...}`), and code is not run; write the words out"


@dataclass(frozen=True, slots=True)
class Entry:
    """What a public list says about one word."""

    place: str
    """Line, or number of the entry."""
    spellings: tuple[str, ...]
    severity: Severity | None = None
    meaning: str = ""
    fault: str = ""
    """What keeps all of it from being a word."""
    note: str = ""
    """What is told although it is taken."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read from a list."""

    terms: list[Term]
    skipped: list[str]
    """Entries that can't be searched, each with its place and the reason."""
    notes: list[str] = field(default_factory=list)
    """Entries that are searched otherwise than the list means them, each with its place."""


@dataclass(frozen=True, slots=True)
class PublicList:
    """A published list: what it is called, how it is written."""

    source: str
    described: str
    read: Callable[[str, str], Iterator[Entry]]
    licence_hint: str = ""
    """What its publisher said last; the copy at hand may differ, so it is never assumed."""


def read_list(content: bytes, file_name: str, format_name: str, defaults: Defaults) -> Reading:
    """
    The terms of a file in one of FORMATS or `csv`. Source and licence come from `defaults`, the language too, or from the file's name.

    Raises ReferenceInvalid when the file can't be read, or licence or language are missing.
    """
    if format_name == "csv":
        return Reading(read_lexicon(content, file_name, defaults), [])
    known = FORMATS[format_name]
    _refuse_without(defaults, known, file_name)
    entries: list[Entry] = []
    for entry in known.read(decoded(content, file_name), file_name):
        entries.append(entry)
        if len(entries) > MAX_ENTRIES:
            raise ReferenceInvalid(f"{file_name} has more than {MAX_ENTRIES} entries.", fix="Import it in parts, with a source each.")
    if not entries:
        raise ReferenceInvalid(f"{file_name} has no entries in the format {format_name}.", fix=f"Expected: {known.described}.")
    language = _language(file_name, defaults)
    assert language is not None, "refused above"
    return _reading(entries, file_name, language, defaults, defaults.source or f"{known.source} {language}")


def _refuse_without(defaults: Defaults, known: PublicList, file_name: str) -> None:
    if not defaults.licence.strip():
        hint = f" Its publisher says {known.licence_hint}; look at the copy you have." if known.licence_hint else ""
        raise ReferenceInvalid(
            f"{file_name} does not say under which licence it may be used.", fix=f"Give --licence, e.g. --licence CC-BY-4.0.{hint}"
        )
    if not (defaults.source or known.source):
        raise ReferenceInvalid(f"{file_name} does not say where it comes from.", fix="Give --source with the name or address of the list.")
    if _language(file_name, defaults) is None:
        raise ReferenceInvalid(
            f"{file_name} does not say which language it is in.", fix="Give --language with a BCP-47 tag such as hi, hi-Latn or en-IN."
        )


def _language(file_name: str, defaults: Defaults) -> str | None:
    """As it was given, else as the file is called: by a tag, or by a language's name (`hindi.json`)."""
    if defaults.language:
        return clean_language(defaults.language)
    stem = PurePath(file_name).stem
    return clean_language(stem) or clean_language(language_tag(stem) or "")


def _reading(entries: Iterable[Entry], file_name: str, language: str, defaults: Defaults, source: str) -> Reading:
    terms: dict[str, Term] = {}
    skipped: list[str] = []
    notes: list[str] = []
    for entry in entries:
        if entry.fault:
            skipped.append(f"{file_name}:{entry.place}: {entry.fault}")
            continue
        if entry.note:
            notes.append(f"{file_name}:{entry.place}: {entry.note}")
        sound = []
        for spelling in entry.spellings:
            fault = term_fault(spelling)
            if fault:
                skipped.append(f"{file_name}:{entry.place}: {fault}")
            else:
                sound.append(spelling)
        if not sound:
            continue
        severity: Any = entry.severity or defaults.severity or "note"
        term, *variants = dict.fromkeys(sound)
        made = Term(
            term, language, script_of(term), defaults.region, severity, entry.meaning, tuple(variants[:50]), source, defaults.licence
        )
        terms.setdefault(term.casefold(), made)
    return Reading(list(terms.values()), skipped, notes)


def _lines(text: str, file_name: str) -> Iterator[Entry]:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield Entry(str(number), (line.strip(),))


def _json(text: str, file_name: str) -> Iterator[Entry]:
    """A list of words or of objects, an object with a list called `words`, or an object of word to number."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as exc:
        line = getattr(exc, "lineno", 1)
        raise ReferenceInvalid(f"{file_name}:{line}: not JSON.", fix="Fetch the file again, or name its --format.") from None
    if isinstance(document, Mapping) and isinstance(document.get("words"), list):
        document = document["words"]
    items = document.items() if isinstance(document, Mapping) else enumerate(document, 1) if isinstance(document, list) else ()
    for number, (key, value) in enumerate(items, start=1):
        if isinstance(key, str):
            yield Entry(str(number), (key,), _sureness(value))
        elif isinstance(value, str):
            yield Entry(str(number), (value.strip(),))
        elif isinstance(value, Mapping):
            yield _tagged(number, value)


def _tagged(number: int, item: Mapping[str, Any]) -> Entry:
    """`match` holds spellings parted by `|`, a `*` that letters may come in its place; severity goes from 1 to 4."""
    words = str(item.get("match") or item.get("word") or item.get("text") or item.get("term") or "")
    spellings = tuple(part.replace("*", "").strip() for part in words.split("|") if part.replace("*", "").strip())
    level = item.get("severity")
    severity: Severity | None = None
    if isinstance(level, int | float) and not isinstance(level, bool):
        severity = "flag" if level >= 3 else "note"
    tags = item.get("tags")
    meaning = ", ".join(tag for tag in tags if isinstance(tag, str))[:500] if isinstance(tags, list) else ""
    return Entry(str(number), spellings or ("",), severity, meaning, note=WILDCARD if "*" in words and spellings else "")


def _sureness(value: Any) -> Severity | None:
    """How sure the list is that the word offends, from 0 (unlikely) to 2."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return "flag" if value >= 2 else "note"


def _javascript(text: str, file_name: str) -> Iterator[Entry]:
    for line, word, number in words_of(text, file_name):
        if word is None:
            yield Entry(str(line), (), fault=MADE_BY_CODE)
        else:
            yield Entry(str(line), (word.strip(),), _sureness(number))


_WORD_PER_LINE = "one word or phrase per line"
_CODE = "a JavaScript or TypeScript file with a list of words, or an object of word to number"

FORMATS = {
    "lines": PublicList("", _WORD_PER_LINE, _lines),
    "json": PublicList("", "JSON: a list of words, or an object of word to number", _json),
    "ldnoobw": PublicList("LDNOOBW", f"{_WORD_PER_LINE}, the file named by its language", _lines, "CC-BY-4.0"),
    "naughty-words": PublicList("naughty-words", "a JSON list of words, the file named by its language", _json, "CC-BY-4.0"),
    "allprofanity": PublicList("allprofanity", _CODE, _javascript, "MIT"),
    "profanity-hindi": PublicList("profanity-hindi", _CODE, _javascript, "MIT"),
    "cuss": PublicList("cuss", _CODE, _javascript, "MIT"),
    "glin-profanity": PublicList("glin-profanity", 'JSON: {"words": [...]}', _json, "MIT"),
    "profanity-list": PublicList("@dsojevic/profanity-list", "a JSON list of {match, severity, tags}", _json, "MIT"),
}
"""The formats besides the product's own CSV, by name."""
