"""Scripts of letters by ISO 15924, and the character classes that tell where a word ends in them."""

import unicodedata
from collections import Counter
from functools import cache

__all__ = ["EMOJI", "IGNORABLE", "INDIC_SCRIPTS", "SKIN", "UNSPACED", "marks", "script_of"]

_RANGES = (
    (0x0041, 0x005A, "Latn"), (0x0061, 0x007A, "Latn"), (0x00AA, 0x02AF, "Latn"), (0x0370, 0x03FF, "Grek"), (0x0400, 0x052F, "Cyrl"),
    (0x0531, 0x058F, "Armn"), (0x0590, 0x05FF, "Hebr"), (0x0600, 0x06FF, "Arab"), (0x0750, 0x077F, "Arab"), (0x0870, 0x08FF, "Arab"),
    (0x0900, 0x097F, "Deva"), (0x0980, 0x09FF, "Beng"), (0x0A00, 0x0A7F, "Guru"), (0x0A80, 0x0AFF, "Gujr"), (0x0B00, 0x0B7F, "Orya"),
    (0x0B80, 0x0BFF, "Taml"), (0x0C00, 0x0C7F, "Telu"), (0x0C80, 0x0CFF, "Knda"), (0x0D00, 0x0D7F, "Mlym"), (0x0D80, 0x0DFF, "Sinh"),
    (0x0E00, 0x0E7F, "Thai"), (0x0E80, 0x0EFF, "Laoo"), (0x0F00, 0x0FFF, "Tibt"), (0x1000, 0x109F, "Mymr"), (0x10A0, 0x10FF, "Geor"),
    (0x1100, 0x11FF, "Hang"), (0x1200, 0x139F, "Ethi"), (0x1780, 0x17FF, "Khmr"), (0x1C50, 0x1C7F, "Olck"), (0x1E00, 0x1EFF, "Latn"),
    (0x1F00, 0x1FFF, "Grek"), (0x3040, 0x309F, "Hira"), (0x30A0, 0x30FF, "Kana"), (0x3130, 0x318F, "Hang"), (0x31F0, 0x31FF, "Kana"),
    (0x3400, 0x4DBF, "Hani"), (0x4E00, 0x9FFF, "Hani"), (0xA8E0, 0xA8FF, "Deva"), (0xA9E0, 0xA9FF, "Mymr"), (0xAA60, 0xAA7F, "Mymr"),
    (0xAAE0, 0xAAFF, "Mtei"), (0xABC0, 0xABFF, "Mtei"), (0xAC00, 0xD7FF, "Hang"), (0xF900, 0xFAFF, "Hani"), (0xFB1D, 0xFB4F, "Hebr"),
    (0xFB50, 0xFDFF, "Arab"), (0xFE70, 0xFEFC, "Arab"), (0xFF21, 0xFF3A, "Latn"), (0xFF41, 0xFF5A, "Latn"), (0xFF66, 0xFF9F, "Kana"),
    (0x20000, 0x3FFFF, "Hani"),
)  # fmt: skip

NO_SCRIPT = "Zyyy"  # ISO 15924's word for signs that belong to no script
INDIC_SCRIPTS = frozenset({"Deva", "Beng", "Guru", "Gujr", "Orya", "Taml", "Telu", "Knda", "Mlym"})

UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f\u1780-\u17ff"  # Thai, Lao, Myanmar, Khmer
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9d"  # kana, and the signs of repetition
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
)
"""Letters of scripts written without spaces between words, as ranges for a character class."""

IGNORABLE = "\u00ad\u034f\u061c\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e0fff"
"""Signs nobody sees: ZWJ, ZWNJ, soft hyphens, directions, variation selectors. They belong to the letter before them."""

SKIN = "\U0001f3fb-\U0001f3ff"
EMOJI = "\u203c-\u2049\u2190-\u21ff\u2300-\u23ff\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001f1e5\U0001f200-\U0001faff"
"""What may be joined by ZWJ into one picture."""

_LAST_MARK = 0x1E94A  # Adlam's; behind it only variation selectors, which are ignorable
HALF_WIDTH_VOICING = "\uff9e\uff9f"  # letters by category, marks by what NFKC makes of them


@cache
def marks() -> str:
    """
    Every combining mark of this Python's Unicode, as ranges for a character class.

    Vowel signs and viramas are among them: Python's `\\w` leaves them out and would cut Indic words to pieces.
    """
    found: list[list[int]] = []
    for code in range(0x300, _LAST_MARK + 1):
        if unicodedata.category(chr(code))[0] == "M":
            if found and found[-1][1] == code - 1:
                found[-1][1] = code
            else:
                found.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in found) + HALF_WIDTH_VOICING


def script_of(text: str) -> str:
    """The script most letters of the text belong to: `Deva`, `Latn`, ...; `Zyyy` when it has no letters."""
    counted = Counter(script for letter in text if (script := _script(ord(letter))))
    return counted.most_common(1)[0][0] if counted else NO_SCRIPT


@cache
def _script(code: int) -> str | None:
    if unicodedata.category(chr(code))[0] not in "LM":
        return None
    return next((script for first, last, script in _RANGES if first <= code <= last), None)
