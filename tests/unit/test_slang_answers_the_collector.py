"""The check `slang`: searches what people wrote in the languages of the answered city, and tells it without repeating the answer."""

from typing import Any

import pytest
from pydantic import ValidationError

from collect_pipelines.checks.interface import Draft
from collect_pipelines.checks.slang.check import MAX_CHARACTERS, SlangCheck, SlangConfig
from collect_pipelines.checks.slang.matching import Matcher
from collect_pipelines.checks.verdict import sound_findings, sound_metadata
from collect_pipelines.errors import ConfigInvalid
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.model import Finding

ROWS = [
    {"term": "जुगाड़", "language": "hi", "script": "Deva", "meaning": "a makeshift way", "variants": ["jugaad"]},
    {"term": "भन्नाट", "language": "mr", "script": "Deva", "severity": "flag"},
    {"term": "macha", "language": "ta", "script": "Latn", "meaning": "mate."},
    {"term": "poa", "language": "sw", "script": "Latn", "severity": "reject", "meaning": "fine"},
]
FORM = {
    "form": "f",
    "title": "F",
    "languages": ["en", "hi"],
    "questions": [
        {
            "key": "city",
            "type": "select_one",
            "other": True,
            "choices": [
                {"code": "mumbai", "label": "Mumbai", "attributes": {"language": ["mr", "hi"]}},
                {"code": "chennai", "label": "Chennai", "attributes": {"language": "ta"}},
                {"code": "leh", "label": "Leh"},
            ],
        },
        {"key": "note", "type": "text", "label": {"en": "Remarks", "hi": "टिप्पणी"}},
        {"key": "part", "type": "group", "questions": [{"key": "inner", "type": "text"}]},
        {"key": "rows", "type": "repeat", "questions": [{"key": "remark", "type": "text"}]},
        {"key": "job", "type": "select_one", "other": True, "choices": [{"code": "macha", "label": "A"}]},
        {"key": "many", "type": "select_multiple", "other": True, "choices": [{"code": "a", "label": "A"}]},
        {"key": "mail", "type": "email"},
    ],
}


def check(answers: dict[str, Any], language: str | None = None, **config: Any) -> list[Finding]:
    found, _ = check_and_note(answers, language, **config)
    return found


def check_and_note(answers: dict[str, Any], language: str | None = None, **config: Any) -> tuple[list[Finding], dict[str, Any]]:
    form = FormDefinition.model_validate(FORM)
    made = SlangCheck(SlangConfig.model_validate(config or {"city": "city"}))
    made.prepare(form, {"slang": ROWS})
    draft = Draft("r", answers, language=language)
    return list(sound_findings(made.check(draft, form))), sound_metadata(draft.answer_metadata)


def terms(found: list[Finding]) -> list[tuple[str | None, str]]:
    return [(finding.question, finding.data["term"]) for finding in found]


def test_a_find_says_what_where_and_in_which_language() -> None:
    (found,) = check({"city": "mumbai", "note": "ये तो जुगाड है"}, "hi-IN")

    assert found == Finding(
        code="slang.found",
        message="“टिप्पणी” में बोलचाल का शब्द “जुगाड़” (hi) है: a makeshift way।",
        severity="note",
        question="note",
        label="टिप्पणी",
        data={
            "term": "जुगाड़", "span": [6, 11], "language": "hi", "script": "Deva", "severity": "note", "found": "written",
            "meaning": "a makeshift way",
        },
    )  # fmt: skip


def test_the_message_never_repeats_the_answer_beyond_the_term() -> None:
    for language in ("en", "es", "fr", "hi", "sw", None):
        (found,) = check({"city": "chennai", "note": "my secret MACHA"}, language)

        assert "secret" not in found.message
        assert "MACHA" not in found.message
        assert "macha" in found.message


@pytest.mark.parametrize(
    ("city", "expected"),
    [
        ("mumbai", ["भन्नाट", "जुगाड़"]),
        ("chennai", ["macha"]),
        ("leh", ["poa"]),  # a choice that names no language
        ({"other": "Nairobi"}, ["poa"]),  # own words
        (None, ["poa"]),
    ],
)
def test_the_answered_city_decides_the_languages_and_the_configs_are_the_rest(city: Any, expected: list[str]) -> None:
    found = check({"city": city, "note": "भन्नाट jugaad macha poa"}, city="city", languages=("sw",))

    assert [finding.data["term"] for finding in found] == expected


def test_without_a_city_answer_and_without_languages_nothing_is_searched() -> None:
    assert check({"note": "भन्नाट jugaad macha poa"}) == []
    assert check({"city": "leh", "note": "macha"}) == []


def test_fixed_languages_need_no_city() -> None:
    assert terms(check({"note": "macha"}, languages=("ta",))) == [("note", "macha")]


def test_every_place_with_words_of_ones_own_is_searched_in_the_order_of_the_form() -> None:
    answers = {
        "city": "chennai",
        "many": ["a", {"other": "macha!"}],
        "job": {"other": "macha"},
        "rows": [{"remark": "no"}, {"remark": "macha"}, {}],
        "inner": "macha",
        "note": "macha",
        "mail": "macha@example.org",
    }

    assert [place for place, _ in terms(check(answers))] == ["note", "inner", "rows[1].remark", "job", "many"]
    assert check({"city": "chennai", "job": "macha"}) == []  # a code is not a word


def test_questions_can_be_named_and_a_repeat_takes_in_what_is_inside() -> None:
    answers = {"city": "chennai", "note": "macha", "inner": "macha", "rows": [{"remark": "macha"}]}

    def places(*keys: str) -> list[str | None]:
        return [place for place, _ in terms(check(answers, city="city", questions=keys))]

    assert places("note") == ["note"]
    assert places("rows") == places("remark") == ["rows[0].remark"]
    assert places("part", "note") == ["note", "inner"]


@pytest.mark.parametrize(
    ("severity", "expected"),
    [
        (None, {"mr": "flag", "hi": "note", "sw": "flag"}),
        ("lexicon", {"mr": "flag", "hi": "note", "sw": "reject"}),
        ("note", {"mr": "note", "hi": "note", "sw": "note"}),
        ("flag", {"mr": "flag", "hi": "flag", "sw": "flag"}),
        ("reject", {"mr": "reject", "hi": "reject", "sw": "reject"}),
    ],
)
def test_a_form_rejects_over_a_word_only_when_it_says_so(severity: str | None, expected: dict[str, str]) -> None:
    found = check({"note": "भन्नाट jugaad poa"}, languages=("hi", "mr", "sw"), severity=severity)

    assert {finding.data["language"]: finding.severity for finding in found} == expected
    assert {finding.data["language"]: finding.data["severity"] for finding in found} == {"mr": "flag", "hi": "note", "sw": "reject"}


def test_spellings_off_the_list_are_a_matter_of_the_config() -> None:
    assert [finding.data["found"] for finding in check({"note": "jugad"}, languages=("hi",))] == ["romanised"]
    assert check({"note": "jugad"}, languages=("hi",), romanised=False) == []
    assert [finding.data["found"] for finding in check({"note": "machaaa"}, languages=("ta",), repeats=True, romanised=False)] == [
        "repeats"
    ]
    assert [finding.data["found"] for finding in check({"note": "m4cha"}, languages=("ta",), leet=True)] == ["leet"]
    assert check({"note": "macha"}, languages=("ta",), min_length=6) == []


def test_a_response_has_at_most_fifty_findings_and_the_severest_stay() -> None:
    found = check({"note": "macha " * 60, "inner": "macha " * 60 + "poa"}, languages=("ta", "sw"), severity="lexicon")

    assert len(found) == 50
    assert found[0].severity == "reject"


def test_a_long_response_is_searched_up_to_a_bound_and_says_so() -> None:
    found, noted = check_and_note({"note": "x " * (MAX_CHARACTERS // 2 - 8) + "macha machan macha", "inner": "macha"}, languages=("ta",))

    assert terms(found) == [("note", "macha")]
    assert noted == {"note": {"slang": {"searched": MAX_CHARACTERS - 4}}}
    exact = {"note": "x" * MAX_CHARACTERS, "inner": "macha", "rows": [{"remark": "macha"}] * 1_000}
    assert check_and_note(exact, languages=("ta",)) == ([], {"inner": {"slang": {"searched": 0}}})


def test_thousands_of_short_texts_are_searched_in_one_go_and_no_term_reaches_over_two(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[str] = []
    find = Matcher.find
    monkeypatch.setattr(Matcher, "find", lambda self, text, languages: searched.append(text) or find(self, text, languages))
    rows = [{"remark": part} for part in ("time", "pass", "macha", "", "a macha")] + [{"remark": "a"}] * 1_900
    found, noted = check_and_note({"rows": rows}, languages=("ta", "en"))

    assert [(place, finding.data["span"]) for finding in found for place in [finding.question]] == [
        ("rows[2].remark", [0, 5]),
        ("rows[4].remark", [2, 7]),
    ]
    assert len(searched) == 1
    assert len(searched[0]) <= MAX_CHARACTERS + 1
    assert list(noted.values()) == [{"slang": {"searched": 0}}]


def test_an_organization_without_a_lexicon_finds_nothing() -> None:
    form = FormDefinition.model_validate(FORM)
    made = SlangCheck(SlangConfig(city="city"))
    made.prepare(form, {"slang": []})

    assert list(made.check(Draft("r", {"city": "mumbai", "note": "jugaad"}), form)) == []


def test_a_new_lexicon_is_taken_by_preparing_again() -> None:
    form = FormDefinition.model_validate(FORM)
    made = SlangCheck(SlangConfig(languages=("ta",)))
    draft = Draft("r", {"note": "macha semma"})

    def found(rows: list[dict[str, Any]]) -> list[str]:
        made.prepare(form, {"slang": rows})
        return [finding.data["term"] for finding in made.check(draft, form)]

    assert found([]) == []
    assert found(ROWS) == ["macha"]
    assert found([*ROWS, {"term": "semma", "language": "ta", "script": "Latn"}]) == ["macha", "semma"]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"city": "town"}, "The form has no question 'town'."),
        ({"city": "note"}, "'note' can't be the city: it is no select_one outside of repeats."),
        ({"city": "job"}, "No choice of 'job' says what is spoken there."),
        ({"languages": ["hi"], "questions": ["remarks"]}, "The form has no question 'remarks'."),
    ],
)
def test_a_config_that_does_not_fit_the_form_says_what_to_do(config: dict[str, Any], said: str) -> None:
    made = SlangCheck(SlangConfig.model_validate(config))
    with pytest.raises(ConfigInvalid) as caught:
        made.prepare(FormDefinition.model_validate(FORM), {})

    assert caught.value.message == said
    assert caught.value.fix


@pytest.mark.parametrize("config", [{}, {"languages": ["hindi language"]}, {"city": "c", "severity": "bad"}, {"city": "c", "x": 1}])
def test_a_config_that_means_nothing_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SlangConfig.model_validate(config)
