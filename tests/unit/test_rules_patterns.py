"""A pattern that is accepted means the same at ingest (RE2) and over a frame (Rust), and takes linear time."""

import random
import time

import polars as pl
import pytest

from collect_pipelines.rules.patterns import anchored, compiled, pattern_fault

PIECES = [
    *"ab1 _-.é५,{}[]()|*+?^$&~:=!<>#/\\\n'\"@%",
    r"\d", r"\w", r"\s", r"\D", r"\W", r"\S", r"\.", r"\-", r"\/", r"\_", r"\a", r"\t", r"\x41", r"\x{e9}", r"\e", r"\p{Lu}", r"\pL",
    r"\012", r"\0", r"\<", r"\>", r"\b", "{2}", "{1,2}", "{,2}", "{0,}", "{a}", "[ab]", "[^ab]", "[a-z]", "[[:alpha:]]", "(?i)", "(?:",
    "(?s)", "(?x)", "(?U)", "(?i:", "(?P<n>", r"[\d-a]", "[a&&b]", "[a~~b]", "[a--b]", "[a[b]", "[]a]", "[^]]", r"\v", r"\N", r"\K",
]  # fmt: skip
TEXTS = [
    "",
    "a",
    "b",
    "ab",
    "aa",
    "1",
    "é",
    "A",
    "\uff41",
    " ",
    "_",
    "-",
    "[",
    "]",
    "५",
    "\n",
    "a\n",
    "\x0b",
    "\u00a0",
    "\u017f",
    "\u212a",
    "{",
    "&",
    "~",
    "\\",
    "ß",
    "İ",
]


def test_both_engines_give_the_same_verdict_on_random_patterns() -> None:
    dice = random.Random(7)
    accepted = 0
    for _ in range(3_000):
        pattern = "".join(dice.choice(PIECES) for _ in range(dice.randint(1, 4)))
        if pattern_fault(pattern) is None:
            accepted += 1
            expected = [compiled(pattern).fullmatch(text) is not None for text in TEXTS]
            assert pl.Series(TEXTS).str.contains(anchored(pattern)).to_list() == expected, pattern
    assert accepted > 500


@pytest.mark.parametrize(
    ("pattern", "matches", "differs"),
    [
        (r"\d{6}", "560001", "५६०००१"),
        ("[A-Z]{2}", "AB", "xABx"),
        ("abc$", "abc", "abc\n"),
        (r"\w+", "name_1", "राजेश"),
        ("(?i)yes|no", "YES", "yes or no"),
        ("a|b", "b", "ab"),
        (r"[^\s]+", "a", "a b"),
        ("[]a]+", "]a", "b"),
    ],
)
def test_the_whole_answer_must_match_and_classes_are_ascii(pattern: str, matches: str, differs: str) -> None:
    assert compiled(pattern).fullmatch(matches)
    assert not compiled(pattern).fullmatch(differs)


@pytest.mark.parametrize(
    "pattern",
    [
        r"(?=a)",
        r"(?<!a)b",
        r"(a)\1",
        r"\bword\b",
        r"a\Z",
        r"[\D]",
        "(x{1000}){1000}",
        "(",
        "[",
        "a**",
        "\\",
        "a{",
        "x" * 1001,
        r"\Qa\E",
        "a(?i)b",
    ],
)
def test_what_is_not_portable_is_refused_with_a_reason(pattern: str) -> None:
    fault = pattern_fault(pattern)

    assert fault is not None
    assert len(fault) > 20


def test_a_pattern_that_would_backtrack_for_ever_is_harmless() -> None:
    started = time.process_time()

    assert not compiled("(a+)+b").fullmatch("a" * 100_000)
    assert time.process_time() - started < 1
