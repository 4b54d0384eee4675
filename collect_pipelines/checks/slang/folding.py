"""Texts as the search compares them: cut into words that are whole in every script, each word folded to one spelling."""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable
from functools import cache, lru_cache

from collect_pipelines.checks.slang.scripts import EMOJI, IGNORABLE, SKIN, UNSPACED, marks

__all__ = ["Tokens", "fold", "remembered", "tokens_of"]

# In Devanagari the nukta is often left out and never makes another word for a reader; in Bengali it makes other letters.
_NUKTA = {0x093C: None, 0x0929: 0x0928, 0x0931: 0x0930, 0x0934: 0x0933}
# Arabic vowel signs and the stretching sign are a matter of style.
_ARABIC_STYLE = dict.fromkeys([*range(0x064B, 0x0653), 0x0670, 0x0640])
_APOSTROPHES = dict.fromkeys([0x2018, 0x2019, 0x02BC, 0x0060, 0x00B4, 0x2032], "'")
_SURROGATES = dict.fromkeys(range(0xD800, 0xE000))  # half a character, which no library outside Python accepts
_AFTER = {**_NUKTA, **_ARABIC_STYLE, **_APOSTROPHES, **_SURROGATES, 0x20: None}

LONGEST = 200  # code points of a word that are read: twice the longest term; ordering the marks of a word takes the square of them
REMEMBERED = 8_192  # words of one kind; most of what people write in a few languages
LONGEST_REMEMBERED = 64  # code points; longer ones are seldom written twice
_SENTENCES = "\ufdfa\ufdfb"  # one sign each that NFKC writes out as many words; no other becomes more than six letters

_IGNORED = re.compile(f"[{IGNORABLE}{_SENTENCES}]")
_UNSETTLED = re.compile(f"[{IGNORABLE}{''.join(re.escape(chr(code)) for code in _AFTER if code != 0x20)}]")

_ASCII_TOKENS = re.compile(r"[a-z0-9]+|[^\sa-z0-9_-]")


class Tokens:
    """
    A text cut into tokens: words, single signs, and single letters of scripts without spaces.

    `text` holds the folded tokens with one space before, between and behind them, so that a term, written the same way, is found in
    it exactly where it stands as whole words. Spaces, hyphens and `_` separate words and are not kept.
    """

    __slots__ = ("_places", "_places_read", "_spans", "_words", "text")

    def __init__(self, words: list[str], spans: Callable[[], list[tuple[int, int]]]) -> None:
        """
        words: each token as it is compared; an empty one is left out. spans: where each begins and ends in the original, in code
        points. They are asked for when something is found, which is seldom: places of all tokens cost more than looking for terms.
        """
        self.text = f" {' '.join(words) if all(words) else ' '.join(filter(None, words))} "
        self._words, self._spans = words, spans
        self._places_read: tuple[list[int], list[tuple[int, int]]] | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The place in the original of a match in `text`, its outer spaces included in the match."""
        places, spans = self._places_read or self._read_places()
        first = bisect_right(places, start + 1) - 1
        last = bisect_right(places, end - 2) - 1
        return spans[first][0], spans[last][1]

    def changed(self, change: Callable[[list[str]], list[str]]) -> "Tokens":
        """The same tokens as `change` rewrites them, one for one; those it empties are left out."""
        return Tokens(change(self._words), self._spans)

    def _read_places(self) -> tuple[list[int], list[tuple[int, int]]]:
        """Where each token begins in `text`, and its span."""
        places, spans = [], []
        place = 1
        for word, span in zip(self._words, self._spans(), strict=True):
            if word:
                places.append(place)
                spans.append(span)
                place += len(word) + 1
        self._places_read = places, spans
        return places, spans


def tokens_of(text: str) -> Tokens:
    """The text as the search compares it. Linear in its length."""
    if text.isascii():
        tokenizer, text = _ASCII_TOKENS, text.lower()
        words = tokenizer.findall(text)
    else:
        tokenizer = _tokenizer()
        words = [word[:LONGEST] for word in tokenizer.findall(text)]
        if not _is_folded(text):
            words = _all_folded(words)
    return Tokens(words, lambda: [match.span() for match in tokenizer.finditer(text)])


def remembered(change: Callable[[str], str]) -> Callable[[list[str]], list[str]]:
    """
    The function for each of many words, faster for words that were seen lately: people write the same words again and again.

    Words are remembered singly and in memory alone, at most 8,192 of at most 64 code points: some 6 MB when all are as long as that.
    """
    known = lru_cache(maxsize=REMEMBERED)(change)

    def changed(words: list[str]) -> list[str]:
        if max(map(len, words), default=0) <= LONGEST_REMEMBERED:
            return list(map(known, words))
        return [known(word) if len(word) <= LONGEST_REMEMBERED else change(word) for word in words]

    return changed


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


_all_folded = remembered(fold)


@cache
def _tokenizer() -> re.Pattern[str]:
    letter = rf"[^\W_{UNSPACED}]"
    circled = "\u24b6-\u24e9\U0001f130-\U0001f149"  # signs that NFKC reads as letters
    hung = f"{marks()}{IGNORABLE}"
    joined = rf"[{hung}]"
    # One class of 65,536 bits for what nearly all words consist of: letters and signs in turn take twice the time.
    common = _ranges(rf"(?:{letter}|[{hung}{circled}])+")
    rare = rf"(?=[\U00010000-\U0010ffff])(?:{letter}|[{hung}{circled}])"
    picture = rf"[{EMOJI}][{hung}{SKIN}]*"
    flags = r"[\U0001f1e6-\U0001f1ff]"
    return re.compile(
        # Promise of docs/slang.md: vowel signs, viramas and invisible signs belong to the word they stand in.
        rf"(?:{letter}|[{circled}])[{common}]*(?:{rare}[{common}]*)*"
        rf"|[{UNSPACED}]{joined}*"
        rf"|{flags}{flags}"
        rf"|{picture}(?:(?<=\u200d){picture})*"
        rf"|[^\s_\-\u2010\u2011\ufe63\uff0d]{joined}*"
    )


def _ranges(runs: str) -> str:
    """What the expression matches of the 65,536 characters that nearly all texts are written with, as ranges for a character class."""
    every = "".join(map(chr, range(0x10000)))
    return "".join(f"{run[0][0]}-{run[0][-1]}" for run in re.finditer(runs, every))
