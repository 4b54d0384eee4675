"""Names of languages as people write them over columns, and their BCP-47 tags."""

import re
from collections.abc import Iterable

__all__ = ["language_name", "language_tag", "tags_of"]

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
