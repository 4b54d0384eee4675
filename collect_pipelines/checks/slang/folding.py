"""Texts as the search compares them: cut into words that are whole in every script, each word folded to one spelling."""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache

from collect_pipelines.checks.slang.scripts import EMOJI, IGNORABLE, SKIN, UNSPACED, marks

__all__ = ["Tokens", "fold", "tokens_of"]

# In Devanagari the nukta is often left out and never makes another word for a reader; in Bengali it makes other letters.
_NUKTA = {0x093C: None, 0x0929: 0x0928, 0x0931: 0x0930, 0x0934: 0x0933}
# Arabic vowel signs and the stretching sign are a matter of style.
_ARABIC_STYLE = dict.fromkeys([*range(0x064B, 0x0653), 0x0670, 0x0640])
_APOSTROPHES = dict.fromkeys([0x2018, 0x2019, 0x02BC, 0x0060, 0x00B4, 0x2032], "'")
_SURROGATES = dict.fromkeys(range(0xD800, 0xE000))  # half a character, which no library outside Python accepts
_AFTER = {**_NUKTA, **_ARABIC_STYLE, **_APOSTROPHES, **_SURROGATES, 0x20: None}

LONGEST = 200  # code points of a word that are read: twice the longest term; ordering the marks of a word takes the square of them
_SENTENCES = "\ufdfa\ufdfb"  # one sign each that NFKC writes out as many words; no other becomes more than six letters

_IGNORED = re.compile(f"[{IGNORABLE}{_SENTENCES}]")
_UNSETTLED = re.compile(f"[{IGNORABLE}{''.join(re.escape(chr(code)) for code in _AFTER if code != 0x20)}]")

_ASCII_TOKENS = re.compile(r"[a-z0-9]+|[^\sa-z0-9_-]")


@dataclass(frozen=True, slots=True)
class Tokens:
    """
    A text cut into tokens: words, single signs, and single letters of scripts without spaces.

    `text` holds the folded tokens with one space before, between and behind them, so that a term, written the same way, is found in
    it exactly where it stands as whole words. Spaces, hyphens and `_` separate words and are not kept.
    """

    text: str
    places: list[int]
    """Where each token begins in `text`."""
    spans: list[tuple[int, int]]
    """Where each token begins and ends in the original, in code points."""

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The place in the original of a match in `text`, its outer spaces included in the match."""
        first = bisect_right(self.places, start + 1) - 1
        last = bisect_right(self.places, end - 2) - 1
        return self.spans[first][0], self.spans[last][1]

    def changed(self, change: Callable[[str], str]) -> "Tokens":
        """The same tokens, each as `change` rewrites it; those it empties are left out."""
        words = [change(word) for word in self.text[1:-1].split(" ")] if self.places else []
        return _tokens([(word, span) for word, span in zip(words, self.spans, strict=True) if word])


def tokens_of(text: str) -> Tokens:
    """The text as the search compares it. Linear in its length."""
    if text.isascii():
        return _tokens([(match[0], match.span()) for match in _ASCII_TOKENS.finditer(text.lower())])
    if _is_folded(text):
        return _tokens([(match[0][:LONGEST], match.span()) for match in _tokenizer().finditer(text)])
    found = []
    for match in _tokenizer().finditer(text):
        token = match[0][:LONGEST]
        folded = fold(token) if len(token) > 1 else _fold_sign(token)
        if folded:
            found.append((folded, match.span()))
    return _tokens(found)


def fold(word: str) -> str:
    """
    One spelling for all that read the same: NFKC and case folding, no ZWJ, ZWNJ or other invisible signs, no Devanagari nukta.

    The caller's word has no spaces; none are in the result.
    """
    if word.isascii():
        return word.lower()
    if _is_folded(word):
        return word
    plain = unicodedata.normalize("NFD", _IGNORED.sub("", word)).casefold()
    plain = unicodedata.normalize("NFKC", plain).casefold()  # Unicode's NFKC_Casefold: compatibility letters have cases of their own
    return unicodedata.normalize("NFKC", plain).translate(_AFTER)


def _is_folded(text: str) -> bool:
    """Whether nothing of the text reads like something else; true for most texts in scripts without capitals."""
    return unicodedata.is_normalized("NFKC", text) and not _UNSETTLED.search(text) and text.casefold() == text


@lru_cache(maxsize=8_192)
def _fold_sign(sign: str) -> str:
    """Texts of pictures, punctuation or Han are one token per sign."""
    return fold(sign)


def _tokens(found: list[tuple[str, tuple[int, int]]]) -> Tokens:
    places = []
    place = 1
    for word, _ in found:
        places.append(place)
        place += len(word) + 1
    return Tokens(f" {' '.join(word for word, _ in found)} ", places, [span for _, span in found])


@cache
def _tokenizer() -> re.Pattern[str]:
    letter = rf"[^\W_{UNSPACED}]"
    circled = "\u24b6-\u24e9\U0001f130-\U0001f149"  # signs that NFKC reads as letters
    hung = f"{marks()}{IGNORABLE}"
    joined = rf"[{hung}]"
    picture = rf"[{EMOJI}][{hung}{SKIN}]*"
    flags = r"[\U0001f1e6-\U0001f1ff]"
    return re.compile(
        # Promise of docs/slang.md: vowel signs, viramas and invisible signs belong to the word they stand in.
        rf"(?:{letter}|[{circled}]){letter}*(?:[{hung}{circled}]+{letter}*)*"
        rf"|[{UNSPACED}]{joined}*"
        rf"|{flags}{flags}"
        rf"|{picture}(?:(?<=\u200d){picture})*"
        rf"|[^\s_\-\u2010\u2011\ufe63\uff0d]{joined}*"
    )
