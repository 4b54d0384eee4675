"""Reading a form names every fault at once, with file, line, path and what to do."""

import pytest

from collect_pipelines.errors import FormInvalid
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.forms.reading import read_form

HEAD = "form: visit\ntitle: Visit\nquestions:\n"


def problems(text: str | bytes) -> tuple[str, ...]:
    with pytest.raises(FormInvalid) as caught:
        read_form(text, "visit.yaml")
    assert caught.value.fix
    return caught.value.problems


def question(fields: str) -> tuple[str, ...]:
    """Problems of a form whose only question has these fields."""
    return problems(f"{HEAD}  - {{key: a, label: A, {fields}}}\n")


def test_a_bad_key_is_told_together_with_an_unknown_type_at_every_depth() -> None:
    found = problems(
        HEAD
        + """\
  - key: Phone No
    type: txt
  - key: home
    type: group
    questions:
      - {key: Floor 1, type: nummer, label: Floor}
"""
    )

    assert [problem.split(": ", 2)[:2] for problem in found] == [
        ["visit.yaml:4", "questions[0].key"],
        ["visit.yaml:5", "questions[0].type"],
        ["visit.yaml:9", "questions[1].questions[0].type"],
        ["visit.yaml:9", "questions[1].questions[0].key"],
    ]


def test_every_fault_comes_with_its_line_and_path() -> None:
    found = problems(
        """\
form: Visit!
title: {en: Visit, hi: भेंट}
unique_by: phon
questions:
  - key: phone
    type: phone
    lable: Phone
  - key: Phone No
    type: text
    min: 3
  - key: phone
    type: txt
  - key: pick
    type: select_one
    choices:
      - code: 1
        label: One
      - code: a
        label: {fr: deux}
  - key: people
    type: group
""",
    )

    assert [problem.split(": ", 2)[:2] for problem in found] == [
        ["visit.yaml:1", "form"],
        ["visit.yaml:3", "unique_by"],
        ["visit.yaml:7", "questions[0].lable"],
        ["visit.yaml:8", "questions[1].key"],
        ["visit.yaml:10", "questions[1].min"],
        ["visit.yaml:11", "questions[2].key"],
        ["visit.yaml:12", "questions[2].type"],
        ["visit.yaml:16", "questions[3].choices[0].code"],
        ["visit.yaml:19", "questions[3].choices[1].label"],
        ["visit.yaml:20", "questions[4].questions"],
    ]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ("type: text, max_lenght: 3", "did you mean `max_length`?"),
        ("type: text, choices: [{code: a, label: A}]", "only for select_multiple, select_one"),
        ("type: select_one", "needs at least one choice"),
        ("type: select_one, choices: [{code: a, label: A}, {code: a, label: B}]", "taken by choices[0]"),
        ("type: select_one, choices: [{code: a b, label: A}]", "without spaces"),
        ("type: select_one, choices: [{code: 1, label: A}]", 'write "1" in quotes'),
        ("type: select_one, choices: [{code: a}]", "label: is missing; add it"),
        ("type: text, other: true", "`other` is only for"),
        ("type: repeat", "a repeat needs `questions`"),
        ("type: text, questions: [{key: b, type: text}]", "`questions` is only for group, repeat"),
        ("type: integer, min: 5, max: 1", "no answer could pass"),
        ("type: integer, min: 1.5", "whole number"),
        ("type: integer, min: '1'", "without quotes"),
        ("type: integer, min: true", "must be a number"),
        ("type: date, min: 31.1.2026", 'write it like "2026-01-31"'),
        ("type: date, min: '2026-02-30'", 'write it like "2026-01-31"'),
        ("type: time, max: '25:00'", 'write it like "09:30"'),
        ("type: datetime, max: '2026-01-31T09:30:00'", "2026-01-31T09:30:00Z"),
        ("type: date, min: '2026-02-01', max: '2026-01-01'", "no answer could pass"),
        ("type: rating, max: 101", "between 0 and 100"),
        ("type: rating, min: 6", "no answer could pass"),
        ("type: repeat, max: 5000, questions: [{key: b, type: text}]", "between 0 and 1000"),
        ("type: boolean, min: 1", "`min` is only for"),
        ("type: text, min_length: 3, max_length: 2", "no answer could pass"),
        ("type: text, min_length: -1", "whole number from 0"),
        ("type: integer, max_length: 2", "`max_length` is only for"),
        ("type: text, pattern: '('", "the pattern can't be used"),
        (r"type: text, pattern: '(?=x)'", "look-around"),
        (r"type: text, pattern: '(a)\1'", "back-references"),
        ("type: text, pattern: '((x{100}){100}){100}'", "the pattern can't be used"),
        ("type: integer, pattern: '1'", "`pattern` is only for"),
        ("type: text, region: IN", "`region` is only for phone"),
        ("type: phone, region: in", "write IN"),
        ("type: phone, region: ZZ", "two capital letters"),
        ("type: note, required: true", "can't be required"),
        ("type: text, required: 'yes'", "must be true or false"),
        ("type: text, retired: soon", "must be a day such as 2026-01-31"),
        ("type: text, retired: 20260131", "must be a day such as 2026-01-31"),
        ("type: text, label: 5", "put quotes around numbers"),
        ("type: text, hint: {english: x}", "BCP-47"),
        ("type: text, hint: {hi: x}", "not in the form's `languages`"),
        ("type: text, on_violation: ignore", "must be one of 'reject' or 'flag'"),
        ("type: text, pii: yes", "must be one of 'none', 'direct' or 'indirect'"),
    ],
)
def test_a_fault_of_a_question_says_what_to_do(fields: str, told: str) -> None:
    fields = fields if "label: 5" not in fields else fields.replace("label: 5", "hint: 5")

    assert any(told in problem for problem in question(fields)), question(fields)


@pytest.mark.parametrize("key", ["Ab", "1a", "a-b", "", "a" * 64, "naïve", "a b", "respondent", "a\\n"])
def test_a_key_that_could_not_last_is_refused(key: str) -> None:
    assert any("questions[0].key" in problem for problem in problems(f'{HEAD}  - {{key: "{key}", type: text}}\n'))


def test_keys_are_unique_over_groups_and_repeats() -> None:
    found = problems(
        f"""{HEAD}
  - {{key: a, type: text}}
  - key: g
    type: group
    questions:
      - key: r
        type: repeat
        questions:
          - {{key: a, type: integer}}
          - {{key: g, type: integer}}
"""
    )

    assert [problem.split(": ", 2)[1] for problem in found] == [
        "questions[1].questions[0].questions[0].key",
        "questions[1].questions[0].questions[1].key",
    ]


@pytest.mark.parametrize(
    ("unique_by", "told"),
    [
        ("nme", "did you mean `name`?"),
        ("intro", "must be `respondent` or the key of a question"),
        ("inner", "must be `respondent` or the key of a question outside of repeats"),
        ("many", "is a select_multiple"),
        ("old", "is retired"),
    ],
)
def test_unique_by_names_the_respondent_or_a_question_that_can_identify(unique_by: str, told: str) -> None:
    form = """\
form: visit
title: Visit
unique_by: {unique_by}
questions:
  - {{key: name, type: text}}
  - {{key: intro, type: note}}
  - {{key: many, type: select_multiple, choices: [{{code: a, label: A}}]}}
  - {{key: old, type: text, retired: 2026-01-01}}
  - {{key: rows, type: repeat, questions: [{{key: inner, type: text}}]}}
"""
    assert read_form(form.format(unique_by="respondent")).unique_by == "respondent"
    assert read_form(form.format(unique_by="name")).unique_by == "name"
    assert [told in problem for problem in problems(form.format(unique_by=unique_by))] == [True]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("form: visit\ntitle: Visit\n", "a form needs at least one question"),
        ("form: visit\ntitle: Visit\nquestions: []\n", "a form needs at least one question"),
        ("title: Visit\nquestions: [{key: a, type: text}]\n", "form: is missing; add it"),
        (f"{HEAD}  - {{key: a, type: text}}\nlanguages: []\n", "languages"),
        (f"{HEAD}  - {{key: a, type: text}}\nlanguages: [EN]\n", "languages[0]"),
        (f"{HEAD}  - {{key: a, type: text}}\nlanguages: [hi]\n", "a plain text counts as `en`"),
        (f"{HEAD}  - {{key: a, type: text}}\ndeadline_ms: 1\n", "deadline_ms"),
        (f"{HEAD}  - {{key: a, type: text}}\nchecks: {{phone: {{timeout: 3}}}}\n", "did you mean `timeout_ms`?"),
        (f"{HEAD}  - {{key: a, type: text}}\nmetadata: [a]\n", "metadata: must be a mapping"),
        (HEAD + "".join(f"  - {{key: q{i}, type: text}}\n" for i in range(1001)), "split the form"),
        (HEAD + "  - a\n", "questions[0]: must be a mapping"),
        ("form: visit\ntitle: Visit\nquestions: {a: b}\n", "questions: must be a list"),
    ],
)
def test_a_fault_of_the_form_says_what_to_do(text: str, told: str) -> None:
    assert any(told in problem for problem in problems(text)), problems(text)


def test_groups_deeper_than_eight_are_refused() -> None:
    text = "{key: leaf, type: text}"
    for level in range(8):
        text = f"{{key: g{level}, type: group, questions: [{text}]}}"

    assert [problem.endswith("flatten the groups") for problem in problems(f"{HEAD}  - {text}\n")] == [True]


def test_a_choice_list_longer_than_two_thousand_is_refused() -> None:
    choices = ", ".join(f"{{code: c{i}, label: L}}" for i in range(2001))

    assert "at most 2,000" in question(f"type: select_one, choices: [{choices}]")[0]


def test_only_the_first_hundred_faults_are_listed() -> None:
    found = problems(HEAD + "".join(f"  - {{key: q{i}, type: wrong}}\n" for i in range(300)))

    assert len(found) == 100


def test_changing_only_the_formatting_is_no_new_version() -> None:
    terse = read_form("{form: v, title: V, questions: [{key: a, type: text, label: A, required: false}]}")
    verbose = read_form("# a comment\ntitle: {en: V}\nform:   'v'\nquestions:\n\n- label: \"A\"\n  type: text\n  key: a\n")
    other = read_form("{form: v, title: V, questions: [{key: a, type: text, label: B}]}")

    assert terse.content_hash == verbose.content_hash
    assert terse.content_hash != other.content_hash


def test_a_definition_comes_back_equal_from_its_stored_json() -> None:
    form = read_form(f"{HEAD}  - {{key: a, type: date, min: 2026-01-01, retired: 2026-05-01, metadata: {{x: [1, 2.5, null]}}}}\n")
    stored = form.model_dump(mode="json", exclude_defaults=True)

    again = FormDefinition.model_validate(stored)

    assert again == form
    assert again.content_hash == form.content_hash


def test_a_changed_copy_is_another_version() -> None:
    form = read_form(f"{HEAD}  - {{key: a, type: text}}\n")
    before = (form.content_hash, form.answerable)

    copy = form.model_copy(update={"questions": form.questions[:0]})

    assert (copy.content_hash, copy.answerable) != before
    assert copy.answerable == ()
