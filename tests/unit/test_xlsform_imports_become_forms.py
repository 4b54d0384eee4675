"""A workbook that people have becomes a form: types, groups, languages, choices and the common expressions."""

import re
import time
import zipfile
from datetime import date
from pathlib import Path

from collect_pipelines.forms.xlsform.importing import import_form
from tests.unit.xlsform_books import YES_NO, read, xlsx


def test_a_small_workbook_becomes_a_form(tmp_path: Path) -> None:
    survey = [
        ["type", "name", "label", "required", "constraint", "relevant"],
        ["select_one yn", "consent", "Do you agree?", "yes"],
        ["integer", "age", "Age", "yes", ". >= 18 and . <= 120", "${consent} = 'yes'"],
    ]

    imported = read(tmp_path, survey, YES_NO, settings=[["form_title", "form_id"], ["A survey", "a-survey"]])

    form = imported.definition
    assert (form.form, form.title, form.languages) == ("a_survey", {"en": "A survey"}, ("en",))
    consent, age = form.questions
    assert (consent.type, consent.required, [choice.code for choice in consent.choices]) == ("select_one", True, ["yes", "no"])
    assert (age.type, age.min, age.max, age.relevant) == ("integer", 18, 120, 'consent == "yes"')
    assert imported.notes == ()


def test_languages_become_tags_and_the_default_comes_first(tmp_path: Path) -> None:
    survey = [
        ["type", "name", "label::English (en)", "label::hindi", "label::Klingon", "hint", "hint::français"],
        ["text", "a", "A", "अ", "K", "plain", "indice"],
        ["text", "b", "B"],
    ]

    imported = read(tmp_path, survey, settings=[["default_language"], ["hindi"]])

    form = imported.definition
    assert form.languages == ("hi", "en", "und-x-klingo", "fr")
    assert form.questions[0].label == {"hi": "अ", "en": "A", "und-x-klingo": "K"}
    assert form.questions[0].hint == {"hi": "plain", "fr": "indice"}
    assert form.title == {"hi": "form"}
    assert [str(note) for note in imported.notes] == [
        "sheet survey, row 1, column label::Klingon: `Klingon` the language is not known here and is called und-x-klingo; "
        "write its tag behind it, e.g. label::Hindi (hi)"
    ]


def test_names_become_keys_and_are_kept(tmp_path: Path) -> None:
    survey = [
        ["type", "name", "label", "relevant"],
        ["text", "Full-Name", "A"],
        ["text", "respondent", "B"],
        ["text", "गाँव", "C"],
        ["text", "😀", "D"],
        ["begin_group", "one", "One"], ["text", "age", "Age"], ["end_group"],
        ["begin_group", "two", "Two"], ["text", "age", "Age"], ["end_group"],
        ["text", "élève.2", "E", "${Full-Name} != ''"],
        ["text", "_x" * 40, "F"],
    ]  # fmt: skip

    first, second = (read(tmp_path, survey) for _ in range(2))

    form = first.definition
    assert form == second.definition
    assert list(form.by_key)[:2] == ["full_name", "respondent_name"]
    assert list(form.by_key)[4:7] == ["age", "two_age", "eleve_2"]
    assert all(key.startswith("q_") for key in list(form.by_key)[2:4])
    assert form.by_key["eleve_2"].relevant == "answered(full_name)"
    assert [question.metadata["xlsform"]["name"] for question in form.answerable[:4]] == ["Full-Name", "respondent", "गाँव", "😀"]
    assert str(first.notes[0]).startswith("sheet survey, row 2, column name: `Full-Name` is called full_name here")


def test_a_name_that_can_be_a_key_is_one_whatever_stands_above_it(tmp_path: Path) -> None:
    survey = [["type", "name", "label"], ["text", "Age", "A"], ["text", "a.ge", "B"], ["text", "age", "C"], ["text", "a_ge", "D"]]

    imported = read(tmp_path, survey)

    assert list(imported.definition.by_key) == ["age_2", "a_ge_2", "age", "a_ge"]
    assert [note.text for note in imported.notes] == ["Age", "a.ge"]


def test_parameters_are_separated_as_people_do(tmp_path: Path) -> None:
    rows = [["range", f"r{n}", "R", text] for n, text in enumerate(["start=1;end=5;step=1", "start=1, end=5", "start = 1 end = 5"])]

    form = read(tmp_path, [["type", "name", "label", "parameters"], *rows]).definition

    assert [(question.min, question.max) for question in form.questions] == [(1, 5)] * 3


def test_sheets_that_are_not_read_may_hold_anything(tmp_path: Path) -> None:
    imported = read(tmp_path, [["type", "name", "label"], ["text", "a", "A"]], analysis=[["#REF!"], ["=1+1"]])

    assert [str(note) for note in imported.notes] == ["sheet analysis: is no sheet of XLSForm and is not read"]


def test_a_formula_whose_result_is_blank_is_a_blank_cell(tmp_path: Path) -> None:
    path = xlsx(tmp_path, survey=[["type", "name", "label", "hint"], ["text", "a", "A", '=IF(1=1,"",2)']])
    with zipfile.ZipFile(path) as source:
        parts = {name: source.read(name) for name in source.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    parts[sheet] = re.sub(rb'<c r="D2"(?: t="\w+")?><f>', b'<c r="D2" t="str"><f>', parts[sheet])
    with zipfile.ZipFile(path, "w") as target:
        for name, content in parts.items():
            target.writestr(name, content)

    assert import_form(path).definition.questions[0].hint == {}


def test_choices_that_are_there_twice_belong_to_several(tmp_path: Path) -> None:
    survey = [
        ["type", "name", "label", "choice_filter"],
        ["select_one state", "state", "State"],
        ["select_one town", "town", "Town", "state = ${state}"],
    ]
    choices = [
        ["list_name", "name", "label", "state"],
        ["state", "mh", "MH"], ["state", "ka", "KA"],
        ["town", "pune", "Pune", "mh"], ["town", "other", "Other", "mh"], ["town", "other", "Other", "ka"],
    ]  # fmt: skip

    imported = read(tmp_path, survey, choices, settings=[["allow_choice_duplicates"], ["yes"]])

    assert [choice.attributes for choice in imported.definition.questions[1].choices] == [{"state": "mh"}, {"state": ("mh", "ka")}]
    assert imported.definition.questions[1].choices_by == {"state": "state"}


def test_what_has_no_place_is_kept(tmp_path: Path) -> None:
    survey = [
        [
            "type",
            "name",
            "label",
            "appearance",
            "default",
            "read_only",
            "body::accept",
            "guidance_hint",
            "media::image",
            "remarks",
            "trigger",
        ],
        ["text", "a", "A", "multiline", "x", "yes", "image/*", "Ask slowly", "a.png", "ask Ravi", "${b}"],
        ["text", "b", "B"],
        ["csv-external", "places"],
    ]

    imported = read(
        tmp_path,
        survey,
        [["list_name", "name", "label", "image"], ["unused", "x", "X", "x.png"]],
        settings=[["version", "style"], [3, "pages"]],
    )

    assert imported.definition.questions[0].metadata["xlsform"] == {
        "appearance": "multiline", "default": "x", "read_only": "yes", "trigger": "${b}",
        "guidance_hint": {"en": "Ask slowly"}, "media::image": {"en": "a.png"}, "other": {"body::accept": "image/*", "remarks": "ask Ravi"},
    }  # fmt: skip
    assert imported.definition.metadata["xlsform"] == {
        "settings": {"version": "3", "style": "pages"},
        "external": [{"type": "csv-external", "name": "places"}],
        "unused_choices": [{"list_name": "unused", "name": "x", "label": "X", "media::image": "x.png"}],
    }
    assert [str(note.cell) for note in imported.notes] == ["sheet survey, row 1, column remarks", "sheet survey, row 4, column name"]


def test_numbers_dates_and_truths_in_cells_are_read_as_text(tmp_path: Path) -> None:
    survey = [
        ["type", "name", "label", "required", "default"],
        ["integer", "a", 12, True, 3.0],
        ["date", "b", "B", "TRUE", date(2024, 1, 31)],
    ]
    choices = [["list_name", "name", "label"], ["n", 1, True], ["n", 2.5, 7]]

    form = read(tmp_path, [*survey, ["select_one n", "c", "C", "no"]], choices).definition

    assert [question.required for question in form.questions] == [True, True, False]
    assert form.questions[0].label == {"en": "12"}
    assert [question.metadata["xlsform"]["default"] for question in form.questions[:2]] == ["3", "2024-01-31"]
    assert [(choice.code, choice.label["en"]) for choice in form.questions[2].choices] == [("1", "TRUE"), ("2.5", "7")]


def test_a_thousand_questions_are_read_in_seconds(tmp_path: Path) -> None:
    rows = [["integer", f"q{n}", f"Question {n}", "yes", f". >= 0 and . <= ${{q{n - 1}}}" if n else None] for n in range(1_000)]
    path = xlsx(tmp_path, survey=[["type", "name", "label", "required", "constraint"], *rows])
    start = time.process_time()

    form = import_form(path).definition

    assert len(form.questions) == 1_000
    assert len(form.rules) == 500  # as many as a form may have
    assert time.process_time() - start < 10
