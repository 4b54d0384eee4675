"""Finding the terms of a lexicon in texts: one pass over the text, whatever the number of terms."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from collect_pipelines.checks.slang.folding import Tokens, tokens_of
from collect_pipelines.checks.slang.lexicon import Term
from collect_pipelines.checks.slang.romanised import MIN_LETTERS, ROMANISED_LANGUAGES, romanisations, spoken
from collect_pipelines.checks.slang.scripts import script_of

if TYPE_CHECKING:
    from ahocorasick_rs import AhoCorasick

__all__ = ["Hit", "HowFound", "Matcher", "Options", "in_language"]

HowFound = Literal["written", "romanised", "repeats", "leet"]

SEVERITIES = {"note": 0, "flag": 1, "reject": 2}
EVERY_LANGUAGE = "und"
MAX_TONGUES = 1_000  # sets of languages remembered; a form has as many as its cities have
MAX_NOTES = 100  # of one text; a longer list helps nobody
MAX_HITS = 1_000  # those more severe than a note included

_LEET = str.maketrans("0134578@$!", "oieastbasi")
_LEET_WORD = re.compile(r"\S*(?:[a-z][0134578@$!]|[0134578@$!][a-z])\S*", re.IGNORECASE)
_RUN = re.compile(r"(.)\1{2,}")


@dataclass(frozen=True, slots=True)
class Options:
    """How far from its listed spellings a term is still found."""

    min_length: int = 2
    """Letters (with their vowel signs); shorter spellings are not searched."""
    romanised: bool = True
    repeats: bool = False
    leet: bool = False


@dataclass(frozen=True, slots=True)
class Hit:
    """A term found in a text."""

    term: Term
    start: int
    end: int
    """Code points of the original text, `text[start:end]` is what was found."""
    how: HowFound


@dataclass(frozen=True, slots=True)
class _Index:
    """An automaton and the terms each of its patterns stands for."""

    automaton: "AhoCorasick"
    terms: list[tuple[Term, ...]]

    def found(self, tokens: Tokens, languages: frozenset[str], how: HowFound) -> Iterator[Hit]:
        for pattern, start, end in self.automaton.find_matches_as_indexes(tokens.text, overlapping=True):
            for term in self.terms[pattern]:
                if term.language in languages:
                    yield Hit(term, *tokens.span(start, end), how)


class Matcher:
    """The terms of a lexicon, made ready to be searched for. Immutable: any number of threads may use it at a time."""

    def __init__(self, terms: Iterable[Term], options: Options = Options()) -> None:
        """Takes about 50 ms and 10 MB for 10,000 terms."""
        written: dict[str, list[Term]] = {}
        romanised: dict[str, list[Term]] = {}
        for term in terms:
            for pattern in _written(term, options.min_length):
                written.setdefault(pattern, []).append(term)
            if options.romanised:
                for pattern in _romanised(term):
                    romanised.setdefault(pattern, []).append(term)
        self._options = options
        self._written = _index(written)
        self._romanised = _index(romanised)
        self._languages = {term.language for entries in written.values() for term in entries}
        self._tongues: dict[tuple[str, ...], frozenset[str]] = {}

    def find(self, text: str, languages: Sequence[str]) -> list[Hit]:
        """
        The terms of these languages in the text, by place.

        A term inside a longer one is left out unless it is more severe. One term at one place is found once. At most 100 hits that
        are notes, and 1,000 in all.
        """
        tongues = self._spoken_in(tuple(languages))
        if not tongues or not text:
            return []
        tokens = tokens_of(text)
        hits: dict[tuple[int, int, str, str], Hit] = {}
        for hit in self._passes(text, tokens, tongues):
            place = (hit.start, hit.end, hit.term.language, hit.term.term)
            known = hits.get(place)
            # Many harmless words must not hide one that counts.
            full = len(hits) >= (MAX_NOTES if hit.term.severity == "note" else MAX_HITS)
            if (known is None and not full) or (known is not None and _rank(hit) > _rank(known)):
                hits[place] = hit
        return _outermost(hits.values())

    def _passes(self, text: str, tokens: Tokens, languages: frozenset[str]) -> Iterator[Hit]:
        if self._written:
            yield from self._written.found(tokens, languages, "written")
        if self._romanised:
            yield from self._romanised.found(tokens.changed(spoken), languages, "romanised")
        if self._written and self._options.repeats and _RUN.search(tokens.text):
            for kept in (r"\1\1", r"\1"):
                yield from self._written.found(tokens.changed(_shortener(kept)), languages, "repeats")
        if self._written and self._options.leet and _LEET_WORD.search(text):
            # One letter for one sign: places stay the same.
            plain = _LEET_WORD.sub(lambda match: match[0].translate(_LEET), text)
            yield from self._written.found(tokens_of(plain), languages, "leet")

    def _spoken_in(self, wanted: tuple[str, ...]) -> frozenset[str]:
        known = self._tongues.get(wanted)
        if known is None:
            known = frozenset(tag for tag in self._languages if any(in_language(tag, one) for one in wanted))
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


def _written(term: Term, min_length: int) -> Iterator[str]:
    for text in dict.fromkeys(tokens_of(spelling).text for spelling in (term.term, *term.variants)):
        letters = sum(not _is_mark(letter) for letter in text.replace(" ", ""))
        if letters >= min_length:
            yield text


def _is_mark(letter: str) -> bool:
    import unicodedata

    return unicodedata.category(letter)[0] == "M"


def _romanised(term: Term) -> Iterator[str]:
    if term.language.partition("-")[0] not in ROMANISED_LANGUAGES:
        return
    keys: dict[str, None] = {}
    for spelling in (term.term, *term.variants):
        tokens = tokens_of(spelling)
        if script_of(spelling) == "Latn":
            keys[tokens.changed(spoken).text.strip()] = None
        else:
            keys.update(dict.fromkeys(romanisations(tokens.text)))
    yield from (f" {key} " for key in keys if len(key.replace(" ", "")) >= MIN_LETTERS)


def _index(patterns: dict[str, list[Term]]) -> _Index | None:
    if not patterns:
        return None
    from ahocorasick_rs import AhoCorasick, Implementation

    automaton = AhoCorasick(list(patterns), implementation=Implementation.ContiguousNFA, store_patterns=False)
    return _Index(automaton, [tuple(dict.fromkeys(terms)) for terms in patterns.values()])


def _shortener(kept: str) -> Callable[[str], str]:
    return lambda word: _RUN.sub(kept, word)


def _outermost(hits: Iterable[Hit]) -> list[Hit]:
    """By place, without those inside a longer one that is at least as severe."""
    ordered = sorted(hits, key=lambda hit: (hit.start, -hit.end, hit.term.language, hit.term.term))
    kept: list[Hit] = []
    open_hits: list[Hit] = []  # those that reach to where the search stands
    for hit in ordered:
        open_hits = [other for other in open_hits if other.end > hit.start]
        if not any(_hides(other, hit) for other in open_hits):
            kept.append(hit)
            open_hits.append(hit)
    return kept


def _hides(outer: Hit, inner: Hit) -> bool:
    covers = outer.start <= inner.start and inner.end <= outer.end and (outer.start, outer.end) != (inner.start, inner.end)
    return covers and _rank(outer) >= _rank(inner)


def _rank(hit: Hit) -> int:
    return SEVERITIES[hit.term.severity]
