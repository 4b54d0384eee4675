"""Texts in several languages: names of languages and their BCP-47 tags, which of them a workbook has, and what its cells say in each."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from collect_pipelines.forms.faults import clean_text
from collect_pipelines.forms.fields import DEFAULT_LANGUAGE, MAX_TEXT
from collect_pipelines.forms.xlsform.files.book import Row
from collect_pipelines.forms.xlsform.findings import Cell, Findings
from collect_pipelines.forms.xlsform.sheets.headers import TEXT_COLUMNS, Columns

__all__ = ["Texts", "language_name", "language_tag", "tags_of", "texts_of"]

TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,4}")
_NAMED = re.compile(r"(?P<name>.*?)\s*\((?P<tag>[^()]+)\)\s*$")
_UNKNOWN = "und-x-"
"""A tag of private use for a language whose name is not known here."""

NAMES = {
    "af": "Afrikaans", "am": "Amharic", "ar": "Arabic", "as": "Assamese", "ay": "Aymara", "az": "Azerbaijani", "be": "Belarusian",
    "bg": "Bulgarian", "bho": "Bhojpuri", "bn": "Bengali", "bo": "Tibetan", "brx": "Bodo", "bs": "Bosnian", "ca": "Catalan",
    "ceb": "Cebuano", "cs": "Czech", "da": "Danish", "de": "German", "doi": "Dogri", "dv": "Dhivehi", "el": "Greek", "en": "English",
    "es": "Spanish", "et": "Estonian", "eu": "Basque", "fa": "Persian", "ff": "Fula", "fi": "Finnish", "fil": "Filipino",
    "fr": "French", "ga": "Irish", "gl": "Galician", "gn": "Guarani", "gu": "Gujarati", "ha": "Hausa", "he": "Hebrew", "hi": "Hindi",
    "hr": "Croatian", "ht": "Haitian Creole", "hu": "Hungarian", "hy": "Armenian", "id": "Indonesian", "ig": "Igbo", "is": "Icelandic",
    "it": "Italian", "ja": "Japanese", "jv": "Javanese", "ka": "Georgian", "kk": "Kazakh", "km": "Khmer", "kn": "Kannada",
    "ko": "Korean", "kok": "Konkani", "ks": "Kashmiri", "ku": "Kurdish", "ky": "Kyrgyz", "lg": "Luganda", "ln": "Lingala", "lo": "Lao",
    "lt": "Lithuanian", "luo": "Luo", "lv": "Latvian", "mai": "Maithili", "mg": "Malagasy", "mk": "Macedonian", "ml": "Malayalam",
    "mn": "Mongolian", "mni": "Manipuri", "mr": "Marathi", "ms": "Malay", "mt": "Maltese", "my": "Burmese", "ne": "Nepali",
    "nl": "Dutch", "no": "Norwegian", "ny": "Chichewa", "om": "Oromo", "or": "Odia", "pa": "Punjabi", "pl": "Polish", "ps": "Pashto",
    "pt": "Portuguese", "qu": "Quechua", "rn": "Kirundi", "ro": "Romanian", "ru": "Russian", "rw": "Kinyarwanda", "sa": "Sanskrit",
    "sat": "Santali", "sd": "Sindhi", "si": "Sinhala", "sk": "Slovak", "sl": "Slovenian", "sn": "Shona", "so": "Somali",
    "sq": "Albanian", "sr": "Serbian", "st": "Sesotho", "su": "Sundanese", "sv": "Swedish", "sw": "Swahili", "ta": "Tamil",
    "te": "Telugu", "tg": "Tajik", "th": "Thai", "ti": "Tigrinya", "tk": "Turkmen", "tl": "Tagalog", "tn": "Tswana", "tr": "Turkish",
    "uk": "Ukrainian", "ur": "Urdu", "uz": "Uzbek", "vi": "Vietnamese", "wo": "Wolof", "xh": "Xhosa", "yo": "Yoruba", "zh": "Chinese",
    "zu": "Zulu",
}  # fmt: skip
_OWN_NAMES = {
    "أردو": "ur", "اردو": "ur", "العربية": "ar", "عربي": "ar", "فارسی": "fa", "پښتو": "ps", "አማርኛ": "am", "español": "es",
    "castellano": "es", "français": "fr", "francais": "fr", "português": "pt", "portugues": "pt", "deutsch": "de", "italiano": "it",
    "nederlands": "nl", "русский": "ru", "українська": "uk", "türkçe": "tr", "kiswahili": "sw", "hindustani": "hi", "हिन्दी": "hi",
    "हिंदी": "hi", "मराठी": "mr", "नेपाली": "ne", "বাংলা": "bn", "bangla": "bn", "অসমীয়া": "as", "ગુજરાતી": "gu", "ਪੰਜਾਬੀ": "pa",
    "ଓଡ଼ିଆ": "or", "oriya": "or", "தமிழ்": "ta", "తెలుగు": "te", "ಕನ್ನಡ": "kn", "മലയാളം": "ml", "සිංහල": "si", "ไทย": "th",
    "ລາວ": "lo", "ខ្មែរ": "km", "khmer": "km", "မြန်မာ": "my", "myanmar": "my", "中文": "zh", "日本語": "ja", "한국어": "ko",
    "tiếng việt": "vi", "bahasa indonesia": "id", "bahasa": "id", "farsi": "fa", "dari": "fa-AF", "meitei": "mni", "chinyanja": "ny",
    "creole": "ht", "kreyòl": "ht", "afaan oromo": "om", "soomaali": "so", "filipino": "fil", "ελληνικά": "el", "română": "ro",
}  # fmt: skip
_TAGS = {name.casefold(): tag for tag, name in NAMES.items()} | _OWN_NAMES


def language_tag(name: str) -> str | None:
    """The tag of a language written as `Hindi (hi)`, `hi`, `hindi` or `हिन्दी`; None when it is not known."""
    named = _NAMED.match(name)
    if named and TAG.fullmatch(named["tag"].strip()):
        return _regular(named["tag"].strip())
    known = _TAGS.get(name.strip().casefold())
    if known:
        return known
    # Two letters are a tag; a longer word is a name that happens to look like one, unless it is a tag that is known.
    bare = name.strip()
    if TAG.fullmatch(bare) and ("-" in bare or len(bare) == 2 or bare.lower() in NAMES):
        return _regular(bare)
    return None


def tags_of(names: Iterable[str]) -> dict[str, str]:
    """A tag for each of the names, different ones for different names; a name that is not known gets one of private use."""
    tags: dict[str, str] = {}
    for name in names:
        tag = language_tag(name)
        if tag is None or tag in tags.values():
            tag = _private(name, set(tags.values()))
        tags[name] = tag
    return tags


def language_name(tag: str) -> str:
    """The name to write over a column, e.g. `Hindi (hi)`."""
    base, _, rest = tag.partition("-")
    return f"{NAMES[base]} ({tag})" if base in NAMES and not rest.startswith("x-") else f"{tag} ({tag})"


def _regular(tag: str) -> str:
    """The first part in small letters, the rest as written."""
    first, dash, rest = tag.partition("-")
    return first.lower() + dash + rest


def _private(name: str, taken: set[str]) -> str:
    base = "".join(letter for letter in name.lower() if letter.isascii() and letter.isalnum())[:6] or "other"
    tag, number = _UNKNOWN + base, 1
    while tag in taken:
        number += 1
        tag = f"{_UNKNOWN}{base}{number}"
    return tag


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
