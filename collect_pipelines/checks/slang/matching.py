"""Finding the terms of a lexicon in texts: one pass over the text, whatever the number of terms."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple
from unicodedata import category

from collect_pipelines.checks.slang.folding import Tokens, tokens_of
from collect_pipelines.checks.slang.lexicon import Term
from collect_pipelines.checks.slang.romanised import LATIN, MIN_LETTERS, ROMANISED_LANGUAGES, all_spoken, romanisations
from collect_pipelines.checks.slang.scripts import script_of

if TYPE_CHECKING:
    from ahocorasick_rs import AhoCorasick

__all__ = ["Hit", "HowFound", "Matcher", "Options", "in_language"]

HowFound = Literal["written", "romanised", "repeats", "leet"]

WAYS: dict[HowFound, int] = {"written": 0, "romanised": 1, "repeats": 2, "leet": 3}
SEVERITIES = {"note": 0, "flag": 1, "reject": 2}
EVERY_LANGUAGE = "und"
MAX_TONGUES = 1_000  # sets of languages remembered; a form has as many as its cities have
MAX_NOTES = 100  # of one text; a longer list helps nobody
MAX_HITS = 1_000  # those more severe than a note included

_LEET = str.maketrans("0134578@$!", "oieastbasi")
_LEET_PAIR = re.compile(r"[a-z][0134578@$!]|[0134578@$!][a-z]", re.IGNORECASE)
_WORD = re.compile(r"\S+")
_RUN = re.compile(r"(.)\1{2,}")


@dataclass(frozen=True, slots=True)
class Options:
    """How far from its listed spellings a term is still found."""

    min_length: int = 2
    """Letters (with their vowel signs); shorter spellings are not searched."""
    romanised: bool = True
    repeats: bool = False
    leet: bool = False


class Hit(NamedTuple):
    """A term found in a text. A tuple, because a text can have thousands that are not told."""

    term: Term
    start: int
    end: int
    """Code points of the original text, `text[start:end]` is what was found."""
    how: HowFound

    def shifted(self, by: int) -> "Hit":
        """The same hit in a text that begins elsewhere."""
        return Hit(self.term, self.start + by, self.end + by, self.how)


@dataclass(frozen=True, slots=True)
class _Index:
    """An automaton and the terms each of its patterns stands for."""

    automaton: "AhoCorasick"
    terms: list[tuple[Term, ...]]

    def found(self, tokens: Tokens, languages: Mapping[str, int], how: HowFound) -> Iterator[Hit]:
        for pattern, start, end in self.automaton.find_matches_as_indexes(tokens.text, overlapping=True):
            for term in self.terms[pattern]:
                if term.language in languages:
                    yield Hit(term, *tokens.span(start, end), how)


class Matcher:
    """The terms of a lexicon, made ready to be searched for. Immutable: any number of threads may use it at a time."""

    def __init__(self, terms: Iterable[Term], options: Options = Options()) -> None:
        """Takes about 0.3 s and 10 MiB for 10,000 terms."""
        written: dict[str, list[Term]] = {}
        romanised: dict[str, list[Term]] = {}
        for term in terms:
            spellings = [tokens_of(spelling) for spelling in (term.term, *term.variants)]
            for tokens in spellings:
                if _letters(tokens.text) >= options.min_length:
                    written.setdefault(tokens.text, []).append(term)
            if options.romanised:
                for key in _keys(term.language, spellings, max(MIN_LETTERS, options.min_length)):
                    romanised.setdefault(key, []).append(term)
        self._options = options
        self._written = _index(written)
        self._romanised = _index(romanised)
        self._languages = {term.language for entries in (*written.values(), *romanised.values()) for term in entries}
        self._typed = {term.language for entries in romanised.values() for term in entries}
        """Languages of terms that are found by their sound."""
        self._tongues: dict[tuple[str, ...], Mapping[str, int]] = {}

    def find(self, text: str, languages: Sequence[str]) -> list[Hit]:
        """
        The terms of these languages in the text, by place.

        At one place one term is found: the most severe, then of the language named first, then the spelling nearest to the list, then
        the one that came last into the lexicon. A term inside a longer one is left out unless it is more severe. At most 100 hits
        that are notes, and 1,000 in all.
        """
        tongues = self._spoken_in(tuple(languages))
        if not tongues or not text:
            return []
        hits: dict[tuple[int, int], Hit] = {}
        for hit in self._passes(text, tokens_of(text), tongues):
            known = hits.get((hit.start, hit.end))
            # Many harmless words must not hide one that counts.
            full = len(hits) >= (MAX_NOTES if hit.term.severity == "note" else MAX_HITS)
            if not full if known is None else _standing(hit, tongues) >= _standing(known, tongues):
                hits[hit.start, hit.end] = hit
        return _outermost(hits.values())

    def _passes(self, text: str, tokens: Tokens, languages: Mapping[str, int]) -> Iterator[Hit]:
        if self._written:
            yield from self._written.found(tokens, languages, "written")
        if self._romanised and not self._typed.isdisjoint(languages) and LATIN.search(tokens.text):
            yield from self._romanised.found(tokens.changed(all_spoken), languages, "romanised")
        if self._written and self._options.repeats and _RUN.search(tokens.text):
            for kept in (r"\1\1", r"\1"):
                yield from self._written.found(tokens.changed(_shortener(kept)), languages, "repeats")
        if self._written and self._options.leet and _LEET_PAIR.search(text):
            yield from self._written.found(tokens_of(_WORD.sub(_without_leet, text)), languages, "leet")

    def _spoken_in(self, wanted: tuple[str, ...]) -> Mapping[str, int]:
        """The lexicon's languages that are searched, each with the place of the first of `wanted` that takes it in."""
        known = self._tongues.get(wanted)
        if known is None:
            known = {tag: at for at, one in reversed(list(enumerate(wanted))) for tag in self._languages if in_language(tag, one)}
            if len(self._tongues) < MAX_TONGUES:
                self._tongues[wanted] = known
        return known


def in_language(tag: str, wanted: str) -> bool:
    """
    Whether a term with this language tag is searched where `wanted` is spoken: the same, or one more exact than the other.

    `hi` takes in `hi-Latn`; `en-IN` takes in `en` and not `en-GB`; `und` is everywhere.
    """
    tag, wanted = tag.lower(), wanted.lower()
    return tag in (wanted, EVERY_LANGUAGE) or tag.startswith(f"{wanted}-") or wanted.startswith(f"{tag}-")


def _letters(text: str) -> int:
    """Letters with their vowel signs, not counting spaces."""
    return sum(category(letter)[0] not in "MZ" for letter in text)


def _keys(language: str, tokens: Sequence[Tokens], least: int) -> list[str]:
    """What Latin spellings of the term are found by; none for languages that are not typed in Latin letters."""
    if language.partition("-")[0] not in ROMANISED_LANGUAGES:
        return []
    keys: dict[str, None] = {}
    for one in tokens:
        if script_of(one.text) == "Latn":
            keys[one.changed(all_spoken).text.strip()] = None
        else:
            keys.update(dict.fromkeys(romanisations(one.text)))
    return [f" {key} " for key in keys if _letters(key) >= least]


def _index(patterns: dict[str, list[Term]]) -> _Index | None:
    if not patterns:
        return None
    from ahocorasick_rs import AhoCorasick, Implementation

    automaton = AhoCorasick(list(patterns), implementation=Implementation.ContiguousNFA, store_patterns=False)
    return _Index(automaton, [tuple(dict.fromkeys(terms)) for terms in patterns.values()])


def _without_leet(word: re.Match[str]) -> str:
    """The word with letters for its signs, one for one, so that places stay the same; numbers and times stay as they are."""
    return word[0].translate(_LEET) if _LEET_PAIR.search(word[0]) else word[0]


def _shortener(kept: str) -> Callable[[list[str]], list[str]]:
    return lambda words: [_RUN.sub(kept, word) for word in words]


def _outermost(hits: Iterable[Hit]) -> list[Hit]:
    """By place, without those inside a longer one that is at least as severe."""
    ordered = sorted(hits, key=lambda hit: (hit.start, -hit.end))
    kept: list[Hit] = []
    open_hits: list[Hit] = []  # those that reach to where the search stands
    for hit in ordered:
        open_hits = [other for other in open_hits if other.end > hit.start]
        if not any(_hides(other, hit) for other in open_hits):
            kept.append(hit)
            open_hits.append(hit)
    return kept


def _hides(outer: Hit, inner: Hit) -> bool:
    return inner.end <= outer.end and SEVERITIES[outer.term.severity] >= SEVERITIES[inner.term.severity]


def _standing(hit: Hit, languages: Mapping[str, int]) -> tuple[int, int, int]:
    """Which of two terms at one place is the one to tell: the greater."""
    return SEVERITIES[hit.term.severity], -languages[hit.term.language], -WAYS[hit.how]
