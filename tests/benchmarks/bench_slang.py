"""
How long a text of 500 characters is searched for 10,000 terms. Run: python tests/benchmarks/bench_slang.py [--terms 10000]

Terms and texts are made up from syllables of Devanagari, Bengali, Tamil, Telugu and Latin; a term in twenty words. Compared with what
one writes without thinking (a loop over the terms with `in`, then a look at the borders) and with one large regular expression.
"""

import argparse
import random
import re
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from collect_pipelines.checks.slang.folding import tokens_of  # noqa: E402 - the path is set above
from collect_pipelines.checks.slang.lexicon import Term  # noqa: E402
from collect_pipelines.checks.slang.matching import Matcher, Options  # noqa: E402

CHARACTERS = 500
ROUNDS = 300
SLOW_ROUNDS = 3
LIMIT_MS = 1.0

SYLLABLES = {
    "hi": [consonant + sign for consonant in "कखगघचछजटडतथदधनपबमयरलवसह" for sign in ("", "ा", "ि", "ी", "ु", "े", "ो", "्र")],
    "bn": [consonant + sign for consonant in "কখগচজটডতদনপবমযরলসহ" for sign in ("", "া", "ি", "ু", "ে", "ো")],
    "ta": [consonant + sign for consonant in "கசடதநபமயரலவளனற" for sign in ("", "ா", "ி", "ு", "ெ", "்")],
    "te": [consonant + sign for consonant in "కగచజటడతదనపబమయరలవస" for sign in ("", "ా", "ి", "ు", "ె", "ో")],
    "en": [consonant + vowel for consonant in "bcdfghjklmnprstvyz" for vowel in "aeiou"],
}


def word(language: str, pick: random.Random) -> str:
    """A word of two to four syllables."""
    return "".join(pick.choice(SYLLABLES[language]) for _ in range(pick.randint(2, 4)))


def lexicon(count: int, pick: random.Random) -> list[Term]:
    """So many different terms, an equal part in each language."""
    made: dict[str, Term] = {}
    languages = list(SYLLABLES)
    while len(made) < count:
        language = languages[len(made) % len(languages)]
        text = word(language, pick)
        made.setdefault(text, Term(text, language, "Latn" if language == "en" else "Deva"))
    return list(made.values())


def text_in(language: str, terms: list[Term], pick: random.Random) -> str:
    """500 characters of words, one in twenty a term."""
    own = [term.term for term in terms if term.language == language]
    words: list[str] = []
    while sum(map(len, words)) + len(words) <= CHARACTERS:
        words.append(pick.choice(own) if pick.random() < 0.05 else word(language, pick))
    return " ".join(words)[:CHARACTERS]


def milliseconds(job: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Median and 99th percentile of one call."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        job()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times), sorted(times)[int(len(times) * 0.99)]


def naive(text: str, patterns: list[str]) -> list[int]:
    """Every term looked for by itself: folded like ours, so that it is right at least."""
    folded = tokens_of(text).text
    return [number for number, pattern in enumerate(patterns) if pattern in folded]


def large_expression(patterns: list[str]) -> re.Pattern[str]:
    """All terms in one alternation."""
    return re.compile("|".join(map(re.escape, sorted(patterns, key=len, reverse=True))))


def main() -> int:
    """Prints the table. 1 when a text takes a millisecond or more."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--terms", type=int, default=10_000)
    count = parser.parse_args().terms
    pick = random.Random(7)
    terms = lexicon(count, pick)
    texts = {language: text_in(language, terms, pick) for language in SYLLABLES}
    texts["mixed"] = " ".join(part for text in texts.values() for part in [text[:100]])[:CHARACTERS]
    languages = list(SYLLABLES)

    Matcher(terms[:10]).find("warm, गरम", languages)
    before = psutil.Process().memory_info().rss
    started = time.perf_counter()
    matcher = Matcher(terms)
    build_ms = (time.perf_counter() - started) * 1000
    memory = (psutil.Process().memory_info().rss - before) / 1024 / 1024
    strict = Matcher(terms, Options(romanised=False))
    patterns = [tokens_of(term.term).text for term in terms]
    expression = large_expression(patterns)

    print(
        f"{count} terms, texts of {CHARACTERS} characters; build {build_ms:.0f} ms, {memory:.1f} MiB; milliseconds per text, median (p99)\n"
    )
    print(f"{'text':<8}{'search':>16}{'as listed only':>18}{'loop over terms':>18}{'one expression':>18}{'found':>8}")
    worst = 0.0
    for name, text in texts.items():
        ours = milliseconds(lambda text=text: matcher.find(text, languages), ROUNDS)
        listed = milliseconds(lambda text=text: strict.find(text, languages), ROUNDS)
        loop = milliseconds(lambda text=text: naive(text, patterns), SLOW_ROUNDS * 5)
        one = milliseconds(lambda text=text: expression.findall(tokens_of(text).text), SLOW_ROUNDS)
        cells = [f"{median:.3f} ({p99:.3f})" for median, p99 in (ours, listed, loop, one)]
        print(f"{name:<8}{cells[0]:>16}{cells[1]:>18}{cells[2]:>18}{cells[3]:>18}{len(matcher.find(text, languages)):>8}")
        worst = max(worst, ours[0])
    print(f"\nworst median {worst:.3f} ms, aim below {LIMIT_MS} ms")
    return 0 if worst < LIMIT_MS else 1


if __name__ == "__main__":
    sys.exit(main())
