"""A workbook that people have becomes a form: types, groups, languages, choices and the common expressions."""

from pathlib import Path

from tests.unit.xlsform_books import YES_NO, read


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
