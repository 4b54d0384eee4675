"""Latin spellings of Indic words: how people type them without their script, and one key for the many ways to do so."""

import re
import unicodedata
from functools import cache

from collect_pipelines.checks.slang.folding import remembered

__all__ = ["LATIN", "ROMANISED_LANGUAGES", "all_spoken", "romanisations", "spoken"]

ROMANISED_LANGUAGES = frozenset({"as", "bn", "gu", "hi", "kn", "mai", "ml", "mr", "ne", "or", "pa", "ta", "te"})
"""Languages that are often typed in Latin letters, without one agreed spelling."""

MAX_READINGS = 24  # of one phrase; each word with three readings triples them, and a sentence is hardly typed word by word as listed
MIN_LETTERS = 4  # shorter derived keys are words of other languages too often

# The Unicode blocks of the Indic scripts run in parallel: the same sound has the same place in each.
_BLOCKS = {0x0900: "Deva", 0x0980: "Beng", 0x0A00: "Guru", 0x0A80: "Gujr", 0x0B00: "Orya", 0x0B80: "Taml", 0x0C00: "Telu",
           0x0C80: "Knda", 0x0D00: "Mlym"}  # fmt: skip
_VOWELS = dict(enumerate(["a", "aa", "i", "ii", "u", "uu", "ri", "l", "e", "e", "e", "ai", "o", "o", "o", "au"], start=0x05))
_SIGNS = dict(enumerate(["aa", "i", "ii", "u", "uu", "ri", "ri", "e", "e", "e", "ai", "o", "o", "o", "au"], start=0x3E))
_CONSONANTS = dict(
    enumerate(
        ["k", "kh", "g", "gh", "n", "ch", "chh", "j", "jh", "ny", "t", "th", "d", "dh", "n", "t", "th", "d", "dh", "n", "n", "p", "ph",
         "b", "bh", "m", "y", "r", "r", "l", "l", "zh", "v", "sh", "sh", "s", "h"],
        start=0x15,
    )
)  # fmt: skip
_NASALS = frozenset({0x01, 0x02})
_CHILLUS = dict(enumerate(["n", "n", "r", "l", "l", "k"], start=0x7A))  # Malayalam's consonants without a vowel
_VIRAMA = 0x4D
_TAMIL_VOICED = {"k": "g", "ch": "s", "t": "d", "p": "b"}
_SILENT_ENDS = frozenset({"Deva", "Beng", "Guru", "Gujr"})  # an `a` at the end is written and not spoken

_HUMMED_ENDS = frozenset({"Telu", "Knda", "Mlym"})  # the nasal sign at the end is an m

_KEY_RULES = re.compile(r"aa+|ee+|ii+|oo+|uu+|(?:ch)+h?|ph|th|dh|ck|w|z|q|x|(?<=[aeiou])h\b|(.)\1+")
LATIN = re.compile("[a-z\u00c0-\u024f\u1e00-\u1eff]")
_ACCENTS = re.compile("[\u0300-\u036f]+")
_KEY = {"ph": "f", "th": "t", "dh": "d", "ck": "k", "w": "v", "z": "j", "q": "k", "x": "ks", "h": ""}
_LONG = {"a": "a", "e": "i", "i": "i", "o": "u", "u": "u"}


def spoken(word: str) -> str:
    """
    The key under which Latin spellings of one Indic word meet: `jugaad`, `jugad` and `jugaaad` are `jugad`.

    Long vowels and doubled letters count once, th and dh as t and d, w as v, z as j, ph as f; accents are dropped. A word in another
    script, or with a digit, stays as it is.
    """
    if not word.isascii():
        if not LATIN.match(word):
            return word
        plain = _ACCENTS.sub("", unicodedata.normalize("NFD", word))
        if not plain.isascii():
            return word
        word = plain
    return _KEY_RULES.sub(_simpler, word) if word.isalpha() else word


all_spoken = remembered(spoken)
"""The key of each of many words."""


def _simpler(match: re.Match[str]) -> str:
    found = match[0]
    if found.startswith("ch"):
        return "ch"
    if found in _KEY:
        return _KEY[found]
    return _LONG.get(found[0], found[0])


@cache
def _parted() -> re.Pattern[str]:
    return re.compile(r"(?<=[aeiou])([^aeiou\W]{1,2})a(?=[^aeiou\W]{1,2}[aeiou])")


def romanisations(folded: str) -> tuple[str, ...]:
    """
    Keys (see `spoken`) of the Latin spellings of a folded word or phrase in an Indic script; empty for other scripts.

    Several where speech and script differ: the `a` between consonants may be silent, in Bengali it may be an `o`. Keys of fewer than
    four letters are left out.
    """
    readings: list[str] = [""]
    for word in folded.split():
        forms = _readings(word)
        if not forms:
            return ()
        if len(readings) * len(forms) > MAX_READINGS:
            forms = forms[:1]
        readings = [f"{before} {form}".strip() for before in readings for form in forms]
    return tuple(dict.fromkeys(key for key in readings if len(key.replace(" ", "")) >= MIN_LETTERS))


def _readings(word: str) -> list[str]:
    script = _BLOCKS.get(ord(word[0]) & ~0x7F)
    if script is None or any(_BLOCKS.get(ord(letter) & ~0x7F) != script for letter in word):
        return []
    latin = _latin(word, script)
    if latin is None:
        return []
    if script in _SILENT_ENDS and latin.endswith("@"):
        latin = latin[:-1]
    full = latin.replace("@", "a")
    forms = [full, _parted().sub(r"\1", latin.replace("@", "a")) if script in _SILENT_ENDS else full]
    if script == "Beng":
        forms.append(latin.replace("@", "o"))
    if script == "Taml" and full.startswith("ch"):
        forms.append(full.replace("ch", "s", 1))
    return list(dict.fromkeys(spoken(form) for form in forms))


def _latin(word: str, script: str) -> str | None:
    """Letter by letter; `@` is a vowel that is not written. None when a letter has no sound that is known."""
    sounds: list[str] = []
    for letter, following in zip(word, f"{word[1:]} ", strict=True):
        place = ord(letter) & 0x7F
        if place in _CONSONANTS:
            single = script == "Taml" and ord(following) & 0x7F != _VIRAMA
            sounds += [_voiced(_CONSONANTS[place], sounds) if single else _CONSONANTS[place], "@"]
        elif place in _SIGNS or place in (_VIRAMA, *range(0x55, 0x58)):
            if sounds and sounds[-1] == "@":
                sounds.pop()
            sounds.append(_SIGNS.get(place, ""))
        elif place in _VOWELS:
            sounds.append(_VOWELS[place])
        elif place in _NASALS:
            sounds.append("m" if following == " " and script in _HUMMED_ENDS else "n")
        elif script == "Mlym" and place in _CHILLUS:
            sounds.append(_CHILLUS[place])
        else:
            return None
    return "".join(sounds)


def _voiced(sound: str, before: list[str]) -> str:
    """In Tamil one letter stands for two sounds: voiced between vowels and after a nasal, else not."""
    last = next((one for one in reversed(before) if one), "")
    return _TAMIL_VOICED.get(sound, sound) if last == "@" or (last[:1] in ("a", "e", "i", "o", "u", "n", "m") and last) else sound
