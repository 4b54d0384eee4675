"""Terms are found as whole words in every script, however they are encoded, and spans point at them in the original text."""

# ruff: noqa: RUF001 - letters of many scripts, look-alikes among them, are what this file is about

import unicodedata
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collect_pipelines.checks.slang.folding import LONGEST, LONGEST_REMEMBERED, REMEMBERED, remembered, tokens_of
from collect_pipelines.checks.slang.lexicon import Term, term_fault
from collect_pipelines.checks.slang.matching import Hit, Matcher, Options, in_language
from collect_pipelines.checks.slang.romanised import MAX_READINGS, all_spoken, romanisations, spoken
from collect_pipelines.checks.slang.scripts import script_of
from tests.drawn import drawn

ZWJ, ZWNJ = "\u200d", "\u200c"


def term(text: str, language: str = "hi", *variants: str, **more: Any) -> Term:
    return Term(text, language, script_of(text), variants=variants, **more)


def found(text: str, *terms: Term, language: str = "hi", **options: Any) -> list[str]:
    """What the search points at, as it stands in the text."""
    hits = Matcher(terms, Options(**options)).find(text, [language])
    return [text[hit.start : hit.end] for hit in hits]


@pytest.mark.parametrize(
    ("language", "word", "text"),
    [
        ("hi", "जुगाड़", "यह तो जुगाड़ है।"),
        ("mr", "भन्नाट", "भन्नाट! एकदम"),
        ("bn", "আড্ডা", "বিকেলে আড্ডা, চা"),
        ("ta", "மச்சான்", "வா மச்சான், போகலாம்"),
        ("te", "లొల్లి", "ఏంటి ఈ లొల్లి?"),
        ("pa", "ਯਾਰ", "ਓ ਯਾਰ ਸੁਣ"),
        ("ml", "മച്ചാൻ", "എന്താ മച്ചാൻ"),
        ("ur", "یار", "ارے یار، سنو"),
        ("ar", "يلا", "يلا بينا"),
        ("sw", "poa", "Mambo? Poa sana"),
        ("th", "เจ๋ง", "อันนี้เจ๋งมาก"),
        ("zh", "牛逼", "真的牛逼啊"),
        ("ru", "круто", "Это КРУТО!"),
    ],
)
def test_a_word_is_found_in_its_script(language: str, word: str, text: str) -> None:
    assert [part.casefold() for part in found(text, term(word, language), language=language)] == [word.casefold()]


@pytest.mark.parametrize(
    ("word", "longer"),
    [
        ("जुगाड़", "जुगाड़ू"),  # a vowel sign makes another word
        ("कर", "करना"),
        ("कर", "सरकर"),
        ("कर", "कर्म"),  # a virama joins the next letter
        ("क", "कि"),
        ("মাল", "মালা"),
        ("மச்சா", "மச்சான்"),
        ("தல", "தலை"),
        ("బావ", "బావి"),
        ("poa", "poach"),
        ("poa", "sampoa"),
        ("poa", "poa2"),
        ("يار", "يارا"),
        ("poa", "poa\u0301"),  # an accent is part of the letter
    ],
)
def test_a_word_inside_a_longer_one_is_not_found(word: str, longer: str) -> None:
    assert found(f"x {longer} y", term(word, "und"), romanised=False) == []


@pytest.mark.parametrize(
    "written",
    [
        "जुगाड़",
        unicodedata.normalize("NFC", "जुगाड़"),
        unicodedata.normalize("NFD", "जुगाड़"),
        "जुगाड",  # without nukta
        f"जु{ZWJ}गाड़",
        f"जुगा{ZWNJ}ड़",
        f"जुगाड़{ZWJ}",
        "जु\u00adगाड़",  # soft hyphen
        "जु\u200bगा\ufeffड़",
    ],
)
def test_one_word_is_found_however_it_is_encoded(written: str) -> None:
    assert found(f"वाह {written}!", term("जुगाड़")) == [written]


def test_devanagari_letters_with_a_nukta_of_their_own_are_folded_too() -> None:
    assert found("ऩ ऱ ऴ क़", term("न"), term("र"), term("ळ"), term("क"), min_length=1) == ["ऩ", "ऱ", "ऴ", "क़"]


def test_in_bengali_the_nukta_makes_another_letter() -> None:
    assert found("বড় বড", term("বড়", "bn"), language="bn", romanised=False) == ["বড়"]


@pytest.mark.parametrize("written", ["TimePass", "ＴＩＭＥＰＡＳＳ", "𝐭𝐢𝐦𝐞𝐩𝐚𝐬𝐬", "ⓣⓘⓜⓔⓟⓐⓢⓢ", "ti\u200bmepass", "TIMEPASS"])
def test_case_and_styles_of_letters_do_not_matter(written: str) -> None:
    assert found(f"only {written}, yes", term("timepass", "en-IN"), language="en-IN") == [written]


@pytest.mark.parametrize("written", ["time pass", "time-pass", "Time  Pass", "time_pass", "time\npass"])
def test_words_of_a_phrase_may_be_parted_by_space_or_hyphen(written: str) -> None:
    assert found(written, term("time pass", "en")) == []
    assert found(written, term("time pass", "en"), language="en") == [written]


def test_a_sentence_end_parts_a_phrase() -> None:
    assert found("no time. pass me salt, time, pass", term("time pass", "en"), language="en") == []


@pytest.mark.parametrize("text", ["macha's bike", "“macha”", "(macha)", "hi,macha,bye", "@macha #macha", "macha😀", "😀macha", "da…macha"])
def test_punctuation_and_pictures_end_words(text: str) -> None:
    assert set(found(text, term("macha", "en"), language="en")) == {"macha"}


def test_signs_of_a_term_count() -> None:
    assert found("a a$ a$$ b", term("a$$", "en"), language="en") == ["a$$"]
    assert found("55 @55", term("@55", "en"), language="en") == ["@55"]


def test_pictures_are_found_whole_and_never_cut() -> None:
    family = f"👨{ZWJ}👩{ZWJ}👧"

    assert found(f"ok 👩 {family} 👍🏽", term("👩", "und"), min_length=1) == ["👩"]
    assert found(f"ok {family}!", term(family, "und"), min_length=1) == [family]
    assert found("🇮🇳 🇳🇮", term("🇮🇳", "und"), min_length=1) == ["🇮🇳"]
    assert found("👍 👍🏽", term("👍", "und"), min_length=1) == ["👍"]


def test_arabic_script_is_found_right_to_left_with_and_without_vowel_signs() -> None:
    text = "\u202bقال يَلَّا يـلا اليلا\u202c"

    assert found(text, term("يلا", "ar"), language="ar") == ["يَلَّا", "يـلا"]


def test_spans_count_code_points_of_the_original() -> None:
    text = "👋🏽 Ｈey da  MACHÁ — machan"
    hits = Matcher([term("machan", "en"), term("machá", "en")]).find(text, ["en"])

    assert [(hit.start, hit.end, text[hit.start : hit.end]) for hit in hits] == [(11, 16, "MACHÁ"), (19, 25, "machan")]


def test_of_overlapping_terms_the_longest_counts() -> None:
    terms = [term("do", "en"), term("do the needful", "en"), term("needful thing", "en"), term("needful", "en")]

    assert found("please do the needful thing", *terms, language="en") == ["do the needful", "needful thing"]


def test_a_term_that_is_more_severe_is_not_hidden_by_a_longer_one() -> None:
    terms = [term("do the needful", "en"), term("needful", "en", severity="reject")]

    assert found("do the needful", *terms, language="en") == ["do the needful", "needful"]


def test_at_one_place_the_severest_term_is_told_then_the_language_named_first_then_the_latest() -> None:
    def told(*terms: Term, languages: tuple[str, ...] = ("sw", "hi")) -> list[str]:
        return [hit.term.meaning for hit in Matcher(terms).find("poa jugad", languages)]

    first, second = term("poa", "sw", meaning="first"), term("poa", "hi", meaning="second")
    assert told(first, second) == told(second, first) == ["first"]
    assert told(first, second, languages=("hi", "sw")) == ["second"]
    assert told(first, replace(second, severity="flag")) == ["second"]
    assert told(first, replace(first, meaning="later")) == ["later"]
    assert told(term("jugad", "hi", meaning="listed"), term("जुगाड़", "hi", meaning="guessed")) == ["listed"]


def test_many_notes_do_not_hide_a_word_that_counts() -> None:
    hits = Matcher([term("poa", "sw"), term("bad", "sw", severity="reject")]).find("poa " * 500 + "bad", ["sw"])

    assert len(hits) == 101
    assert hits[-1].term.term == "bad"


@pytest.mark.parametrize(
    ("tag", "wanted", "searched"),
    [
        ("hi", "hi", True),
        ("hi-Latn", "hi", True),
        ("en", "en-IN", True),
        ("en-IN", "en", True),
        ("EN-in", "en-IN", True),
        ("und", "ta", True),
        ("en-GB", "en-IN", False),
        ("hi", "mr", False),
        ("h", "hi", False),
    ],
)
def test_languages_are_matched_by_their_tags(tag: str, wanted: str, searched: bool) -> None:
    assert in_language(tag, wanted) is searched


def test_only_the_languages_asked_for_are_searched() -> None:
    matcher = Matcher([term("poa", "sw"), term("macha", "en-IN"), term("machan", "ta", "macha")])

    def languages(*wanted: str) -> list[str]:
        return [hit.term.language for hit in matcher.find("poa macha", wanted)]

    assert languages("ta") == ["ta"]
    assert languages("en-IN", "ta", "sw") == ["sw", "en-IN"]
    assert languages("mr") == languages() == []


@pytest.mark.parametrize("written", ["jugaad", "jugad", "Jugaaad", "jugāḍ", "joogaad", "juggad"])
def test_an_indic_word_is_found_in_latin_spellings_nobody_listed(written: str) -> None:
    assert found(f"kya {written} hai", term("जुगाड़")) == [written]
    assert found(f"kya {written} hai", term("जुगाड़"), romanised=False) == []


@pytest.mark.parametrize(
    ("word", "latin"),
    [
        ("लफड़ा", {"lafda", "lafada"}),
        ("बिंदास", {"bindas"}),
        ("ঝাকাস", {"jhakas"}),
        ("মজার", {"majar", "mojar"}),
        ("மச்சான்", {"machan"}),
        ("தங்கம்", {"tangam"}),
        ("செம", {"sema", "chema"}),
        ("లొల్లి", {"loli"}),
        ("മച്ചാൻ", {"machan"}),
        ("जुगाड२", set()),  # a digit has no sound
        ("यार", set()),  # three letters would be found in every language
        ("poa", set()),
        ("круто", set()),
    ],
)
def test_latin_spellings_follow_the_script(word: str, latin: set[str]) -> None:
    assert set(romanisations(tokens_of(word).text)) == latin


def test_latin_spellings_meet_in_one_key() -> None:
    assert {spoken(word) for word in ("jugaad", "jugad", "joogaad", "jugāḍ")} == {"jugad"}
    assert {spoken(word) for word in ("phatafati", "fatafaati")} == {"fatafati"}
    assert spoken("जुगाड") == "जुगाड"
    assert spoken("t1me") == "t1me"


def test_drawn_out_letters_are_found_when_asked_for() -> None:
    text = "timepassss and timepaaaass"

    assert found(text, term("timepass", "en"), language="en") == []
    assert found(text, term("timepass", "en"), language="en", repeats=True) == ["timepassss", "timepaaaass"]
    assert found("timeepass", term("timepass", "en"), language="en", repeats=True) == []  # two are spelling, three are feeling


def test_digits_and_signs_for_letters_are_found_when_asked_for() -> None:
    text = "t1m3pa$$ in 2015, m@cha!"

    assert found(text, term("timepass", "en"), term("macha", "en"), language="en") == []
    assert found(text, term("timepass", "en"), term("macha", "en"), language="en", leet=True)[0] == "t1m3pa$$"
    assert found("m@cha ok", term("macha", "en"), language="en", leet=True) == ["m@cha"]
    assert found("2015 10", term("ols", "en"), term("io", "en"), language="en", leet=True) == []


def test_spellings_shorter_than_asked_for_are_not_searched() -> None:
    assert found("क कि कर", term("कि"), term("कर"), term("क"), romanised=False) == ["कर"]
    assert found("क कि कर", term("कि"), min_length=1, romanised=False) == ["कि"]


def test_nothing_in_a_text_breaks_the_search() -> None:
    matcher = Matcher([term("कर"), term("poa", "hi")], Options(repeats=True, leet=True))

    for text in ("", " ", "\x00", "\ud800poa", "\u093c\u094d", ZWJ, "﷽", "𝕡𝕠𝕒", "poa\udfff", "\u0e33", "ﾊﾞ"):
        for hit in matcher.find(text, ["hi"]):
            assert 0 <= hit.start < hit.end <= len(text)


def test_a_sentence_in_a_lexicon_has_no_endless_number_of_readings() -> None:
    sentence = " ".join(["কলকাতা"] * 14)

    assert 1 <= len(romanisations(sentence)) <= MAX_READINGS
    assert found(f"ওই {sentence}!", term(sentence, "bn"), language="bn") == [sentence]


def test_no_text_grows_much_by_folding() -> None:
    for text in ("a" + "\u0301\u0316" * 2_500, "\ufdfa" * 2_500, "\u3316 " * 800, "\u0390 " * 800):
        assert len(tokens_of(text).text) <= 6 * len(text)
    assert len(tokens_of("a" + "\u0301\u0316" * 2_500).text) <= LONGEST + 2  # else its marks are put in order for 20 ms


def test_words_seen_lately_are_remembered_singly_and_within_bounds() -> None:
    asked: list[str] = []

    def change(word: str) -> str:
        asked.append(word)
        return word.upper()

    changed = remembered(change)
    long = "l" * (LONGEST_REMEMBERED + 1)
    assert changed(["a", long, "a"]) == changed(["a", long, "a"]) == ["A", long.upper(), "A"]
    assert asked == ["a", long, long]
    changed([str(number) for number in range(REMEMBERED)])
    asked.clear()
    changed(["a", long])
    assert asked == ["a", long]  # newer words took its place


def test_words_of_rare_scripts_are_as_whole_as_others() -> None:
    adlam = "\U0001e900\U0001e944\U0001e922"  # letters and a sign beyond the first 65,536
    assert tokens_of(f"x{adlam}y {adlam}. 牛{adlam}").text == f" x{adlam.casefold()}y {adlam.casefold()} . 牛 {adlam.casefold()} "


LETTERS = (
    "कखजगडतयर\u093c\u094d\u093e\u093f\u0941\u0902மசதன\u0bcd\u0bbeআডক\u09cd\u09beల\u0c4dాaAcimtuйИßé\u0301ıＡ①กี牛😀👩🏽 -'.,_$4" + ZWJ + ZWNJ
)
TEXTS = st.text(st.sampled_from(LETTERS) | st.characters(), max_size=40)
WORDS = st.text(st.sampled_from(LETTERS), min_size=1, max_size=6).filter(lambda word: term_fault(word) is None)


def points_at_a_spelling(text: str, hit: Hit) -> bool:
    """Whether the span normalises to a listed spelling, or to its key."""
    spellings = [tokens_of(one) for one in (hit.term.term, *hit.term.variants)]
    part = tokens_of(text[hit.start : hit.end])
    if hit.how == "written":
        return part.text in [one.text for one in spellings]
    keys = {one.changed(all_spoken).text.strip() for one in spellings} | {key for one in spellings for key in romanisations(one.text)}
    return part.changed(all_spoken).text.strip() in keys


@drawn(66)
@given(words=st.lists(WORDS, min_size=1, max_size=8), parts=st.lists(TEXTS, max_size=6), data=st.data())
def test_a_span_always_points_at_a_spelling_of_its_term(words: list[str], parts: list[str], data: st.DataObject) -> None:
    terms = [term(word, data.draw(st.sampled_from(["hi", "ta", "und"])), *words[at + 1 : at + 2]) for at, word in enumerate(words)]
    joined = data.draw(st.permutations([*parts, *words]))
    text = data.draw(st.sampled_from([" ", "", "-", ". "])).join(joined)
    hits = Matcher(terms, Options(min_length=1)).find(text, ["hi", "ta"])

    assert all(points_at_a_spelling(text, hit) for hit in hits)
    assert all(not unicodedata.combining(text[hit.end]) for hit in hits if hit.end < len(text))  # no accent is cut off


@drawn(50)
@given(word=WORDS, before=TEXTS, after=TEXTS, form=st.sampled_from(["NFC", "NFD", "NFKC"]))
def test_a_word_between_spaces_is_always_found(word: str, before: str, after: str, form: str) -> None:
    text = unicodedata.normalize(form, f"{before} {word} {after}")  # type: ignore[arg-type]
    hits = Matcher([term(word, "und")], Options(min_length=1, romanised=False)).find(text, ["hi"])

    assert hits, (text, word)
