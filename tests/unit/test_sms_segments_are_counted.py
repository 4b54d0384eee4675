"""Segments are counted as TS 23.038 and TS 23.040 say: 160/153 of the default alphabet, 70/67 otherwise, no character cut in two."""

import doctest
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collect_pipelines.destinations.sms import callbacks, numbers, segments, template, wording
from collect_pipelines.destinations.sms.segments import EXTENSION, GSM7, count, fitting, printable

# Written down from the tables of TS 23.038 (6.2.1 and 6.2.1.1) by code point, in another way than the module has them.
BASIC = set(map(chr, [
    0x40, 0xA3, 0x24, 0xA5, 0xE8, 0xE9, 0xF9, 0xEC, 0xF2, 0xC7, 0x0A, 0xD8, 0xF8, 0x0D, 0xC5, 0xE5,
    0x394, 0x5F, 0x3A6, 0x393, 0x39B, 0x3A9, 0x3A0, 0x3A8, 0x3A3, 0x398, 0x39E, 0xC6, 0xE6, 0xDF, 0xC9,
    *(code for code in range(0x20, 0x40) if code != 0x24), 0xA4, 0xA1, *range(0x41, 0x5B), 0xC4, 0xD6, 0xD1, 0xDC, 0xA7,
    0xBF, *range(0x61, 0x7B), 0xE4, 0xF6, 0xF1, 0xFC, 0xE0,
]))  # fmt: skip
DOUBLE = set(map(chr, [0x0C, 0x5E, 0x7B, 0x7D, 0x5C, 0x5B, 0x7E, 0x5D, 0x7C, 0x20AC]))

characters = st.sampled_from([*sorted(BASIC), *sorted(DOUBLE)]) | st.characters(exclude_categories=["Cs"])
texts = st.text(characters, max_size=400)


def parts_of(text: str) -> list[str]:
    """The text in the parts a phone would get, made one character at a time."""
    plain = all(one in BASIC or one in DOUBLE for one in text)
    width = (lambda one: 2 if one in DOUBLE else 1) if plain else (lambda one: len(one.encode("utf-16-le")) // 2)
    single, most = (160, 153) if plain else (70, 67)
    if sum(map(width, text)) <= single:
        return [text] if text else []
    parts = [""]
    for one in text:
        if sum(map(width, parts[-1])) + width(one) > most:
            parts.append("")
        parts[-1] += one
    return parts


def test_the_alphabets_are_those_of_the_specification() -> None:
    assert set(GSM7) == BASIC
    assert len(GSM7) == 127
    assert set(EXTENSION) == DOUBLE


@given(texts)
@example("a" * 160)
@example("a" * 161)
@example("€" * 80)
@example("a" * 152 + "€" + "a" * 10)
@example("ह" * 70)
@example("ह" * 71)
@example("ह" * 66 + "😀" * 3)
def test_segments_are_the_parts_a_phone_puts_together(text: str) -> None:
    parts = parts_of(text)
    counted = count(text)

    assert counted.segments == len(parts)
    assert (counted.encoding == "GSM-7") == all(one in BASIC or one in DOUBLE for one in text)
    assert "".join(parts) == text
    assert set(counted.costly) == {one for one in text if one not in BASIC and one not in DOUBLE}


@pytest.mark.parametrize(
    ("text", "encoding", "segments", "left"),
    [
        ("", "GSM-7", 0, 160), ("a" * 160, "GSM-7", 1, 0), ("a" * 161, "GSM-7", 2, 145), ("a" * 306, "GSM-7", 2, 0),
        ("a" * 307, "GSM-7", 3, 152), ("[" * 80, "GSM-7", 1, 0), ("[" * 81, "GSM-7", 2, 143), ("ж" * 70, "UCS-2", 1, 0),
        ("ж" * 71, "UCS-2", 2, 63), ("ж" * 134, "UCS-2", 2, 0), ("😀" * 35, "UCS-2", 1, 0), ("😀" * 36, "UCS-2", 2, 61),
        ("\u2019" + "a" * 70, "UCS-2", 2, 63),
    ],
)  # fmt: skip
def test_the_limits_are_exact(text: str, encoding: str, segments: int, left: int) -> None:
    counted = count(text)

    assert (counted.encoding, counted.segments, counted.left) == (encoding, segments, left)


@given(texts, st.integers(1, 4))
def test_a_text_that_is_cut_fits_and_is_the_beginning_of_the_whole(text: str, most: int) -> None:
    cut = fitting(text, most)

    assert count(cut).segments <= most
    assert cut == text or (cut.endswith("...") and text.startswith(cut.removesuffix("...").rstrip()))


def test_a_text_is_cut_as_late_as_it_may_be_and_not_within_a_word() -> None:
    assert fitting("field " * 60, 1) == "field " * 25 + "field..."
    assert count(fitting("x" * 500, 2)).left == 0


def test_a_text_is_cut_between_what_readers_see_as_characters() -> None:
    for letters in ("कि", "की", "क्ष", "हाँ", "👍🏽", "👩\u200d🌾", "e\u0301"):
        for room in range(20):
            kept = fitting("x" * room + letters * 70, 1).removesuffix("...").lstrip("x")
            assert kept == letters * (len(kept) // len(letters)), letters


@given(st.text(max_size=60))
def test_what_phones_would_not_show_is_gone(text: str) -> None:
    shown = printable(text)

    assert "\n" not in shown and "\r" not in shown
    assert {unicodedata.category(one) for one in shown}.isdisjoint({"Cc", "Cs", "Cn", "Co", "Zl", "Zp"})
    assert printable(shown) == shown


def test_an_answer_cannot_look_like_another_message() -> None:
    assert printable("Asha\r\nFrom: BANK\u202etxt.exe\x00\x07") == "Asha From: BANKtxt.exe"
    assert printable("क्\u200dष 👩\u200d🌾") == "क्\u200dष 👩\u200d🌾", "joiners are part of letters and emoji"


@pytest.mark.parametrize("module", [callbacks, numbers, segments, template, wording])
def test_the_examples_in_the_docstrings_hold(module: object) -> None:
    results = doctest.testmod(module)  # type: ignore[arg-type]

    assert results.attempted and not results.failed
