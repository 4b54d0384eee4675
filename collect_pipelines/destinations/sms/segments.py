"""What a text costs: the alphabet it needs (3GPP TS 23.038) and the number of messages a phone puts together (TS 23.040)."""

import unicodedata
from dataclasses import dataclass
from typing import Literal

__all__ = ["EXTENSION", "GSM7", "Count", "beginning", "count", "fitting", "printable"]

GSM7 = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
"""The default alphabet, in the order of its codes; code 27 is the escape to EXTENSION and stands for no character."""

EXTENSION = "\f^{}\\[~]|€"
"""Characters that take two places of the default alphabet."""

Encoding = Literal["GSM-7", "UCS-2"]

# 140 bytes hold 160 characters of 7 bits or 70 of 16; the header that joins parts takes 6 bytes of each.
SINGLE: dict[Encoding, int] = {"GSM-7": 160, "UCS-2": 70}
PART: dict[Encoding, int] = {"GSM-7": 153, "UCS-2": 67}

_BASIC, _DOUBLE = frozenset(GSM7), frozenset(EXTENSION)
_ZERO_WIDTH_JOINERS = "\u200c\u200d"  # Indic scripts and emoji are written with them
_JOINING = "\u200d\u094d\u09cd\u0a4d\u0acd\u0b4d"  # and the viramas of Indic scripts, which join what follows
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # turn what follows around


@dataclass(frozen=True, slots=True)
class Count:
    """How a text is sent."""

    encoding: Encoding
    units: int
    """Places it takes: 7-bit characters (extended ones count twice) or UTF-16 code units."""
    segments: int
    """Messages that are paid for; 0 for no text."""
    left: int
    """Places that are free in the last one."""
    costly: tuple[str, ...] = ()
    """Characters that are not in the default alphabet, each once, in the order they come: why it is UCS-2."""


def count(text: str) -> Count:
    """
    The segments of a text.

    >>> count("Thank you").segments
    1
    >>> count("धन्यवाद" * 10 + "!").segments
    2
    """
    costly = tuple(dict.fromkeys(character for character in text if character not in _BASIC and character not in _DOUBLE))
    encoding: Encoding = "UCS-2" if costly else "GSM-7"
    widths = [_width(character, encoding) for character in text]
    units = sum(widths)
    if units <= SINGLE[encoding]:
        return Count(encoding, units, 1 if units else 0, SINGLE[encoding] - units, costly)
    segments, used = _parts(widths, PART[encoding])
    return Count(encoding, units, segments, PART[encoding] - used, costly)


def fitting(text: str, most_segments: int) -> str:
    """The text, cut at a word where that is near and ended with `...`, so that it takes at most so many segments."""
    if count(text).segments <= most_segments:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if count(_cut(text, middle)).segments <= most_segments:
            low = middle
        else:
            high = middle - 1
    return _cut(text, low)


def printable(text: str) -> str:
    """
    The text in one line, without what a phone would not show as it is: control characters, turns of direction, no characters at all.

    Line breaks become blanks: an answer can't look as if it were another message.
    """
    spaced = (" " if unicodedata.category(character) in ("Cc", "Zl", "Zp") and character.isspace() else character for character in text)
    kept = "".join(character for character in spaced if _shown(character))
    return " ".join(kept.split())


def _shown(character: str) -> bool:
    if character in _ZERO_WIDTH_JOINERS:
        return True
    return character not in _BIDI and unicodedata.category(character) not in ("Cc", "Cs", "Cn", "Co", "Zl", "Zp")


def _width(character: str, encoding: Encoding) -> int:
    if encoding == "UCS-2":
        return 2 if ord(character) > 0xFFFF else 1
    return 2 if character in _DOUBLE else 1


def _parts(widths: list[int], most: int) -> tuple[int, int]:
    """Parts, and places used in the last one. No part ends between the two halves of one character."""
    parts, used = 1, 0
    for width in widths:
        if used + width > most:
            parts, used = parts + 1, 0
        used += width
    return parts, used


def beginning(text: str, length: int) -> str:
    """
    At most so many characters of a text, not ended in the middle of what is one character to the reader.

    >>> beginning("की", 1), beginning("की है", 2), beginning("👍🏽!", 1)
    ('', 'की', '')
    """
    while 0 < length < len(text) and (_joined(text[length]) or text[length - 1] in _JOINING):
        length -= 1
    return text[:length]


def _joined(character: str) -> bool:
    """Whether it belongs to the one before it: a vowel sign, an accent, the colour of a hand."""
    return unicodedata.category(character).startswith("M") or character in _ZERO_WIDTH_JOINERS or "\U0001f3fb" <= character <= "\U0001f3ff"


def _cut(text: str, length: int) -> str:
    kept = beginning(text, length)
    blank = kept.rfind(" ")
    if blank >= 0 and len(kept) - blank <= NEAR_CHARACTERS:
        kept = kept[:blank]
    return kept.rstrip() + "..."


NEAR_CHARACTERS = 15  # a longer word is cut in two rather than left out
